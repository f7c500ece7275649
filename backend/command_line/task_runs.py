# SPDX-License-Identifier: GPL-3.0-or-later
"""A task on every given file: prepares the job folders, runs them, writes the results, sums up."""

import argparse
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..contract import BadInput, CancelledEvent, Done, Failed, JobFolder, MeshwrightError, Request, TaskSpec, write_mesh
from .arguments import given_parameters, worker_settings
from .progress_bar import ProgressBar
from .results import summary, write_results
from .session import Session

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif")
INTERRUPTED = 130


def run_task(options: argparse.Namespace) -> int:
    """Run them all; a bad file does not stop the others. Returns 1 when any failed, 130 after Ctrl-C."""
    sources = _named_sources(options.sources, options.task)
    failures: list[str] = []
    with Session(worker_settings(options)) as session:
        for name, source in sources.items():
            try:
                outcome = _run_one(session, options, name, source)
            except MeshwrightError as error:
                failures.append(f"{source}: {error}")
            else:
                if isinstance(outcome, Failed):
                    failures.append(f"{source}: {outcome.error}")
            if session.interrupted:
                sys.stderr.write("Interrupted.\n")
                return INTERRUPTED
    if failures:
        sys.stderr.write(f"{len(failures)} of {len(sources)} failed:\n" + "".join(f"  {line}\n" for line in failures))
    return 1 if failures else 0


def _run_one(
    session: Session, options: argparse.Namespace, name: str, source: Path
) -> Done | Failed | CancelledEvent:
    task: TaskSpec = options.task
    with tempfile.TemporaryDirectory(prefix="meshwright-") as scratch:
        folder = JobFolder.create(Path(scratch) / "job")
        inputs = {task.inputs[0].name: _place_input(task, source, folder)}
        request = Request("job", task.name, options.pipeline.name, options.weights, name, options.seed,
                          given_parameters(options), inputs)
        bar = ProgressBar(name, task)
        try:
            outcome = session.run(request, folder, bar.show)
        finally:
            bar.close()
        target = options.out / name
        if isinstance(outcome, Done):
            write_results(outcome.result, folder, task, name, target, options.format)
            sys.stdout.write(summary(outcome.result, folder, name, target) + "\n")
        elif isinstance(outcome, Failed):
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder.log, target / "log.txt")
        return outcome


def _named_sources(paths: Sequence[Path], task: TaskSpec) -> dict[str, Path]:
    """Every file under a name of its own. Raises BadInput when a path is missing or a folder holds none."""
    from ..geometry.mesh_files import MESH_SUFFIXES

    suffixes = IMAGE_SUFFIXES if task.inputs[0].kind == "image" else MESH_SUFFIXES
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise BadInput(f"There is no {path}.", "Neither a file nor a folder has that name.", "Check the path.")
        found = sorted(file for file in path.iterdir() if file.suffix.lower() in suffixes) if path.is_dir() else [path]
        if not found:
            raise BadInput(f"The folder {path} holds nothing to work on.", f"Looked for {', '.join(suffixes)}.",
                           "Choose another folder.")
        files += found
    named: dict[str, Path] = {}
    for file in files:
        name, number = file.stem, 2
        while name in named:
            name, number = f"{file.stem}-{number}", number + 1
        named[name] = file
    return named


def _place_input(task: TaskSpec, source: Path, folder: JobFolder) -> tuple[str, ...]:
    """Bring the file into the job's inputs in the form that the task takes; returns the names there."""
    if task.inputs[0].kind == "image":
        stem = re.sub("[^A-Za-z0-9_-]", "-", source.stem).strip("-_")[:60] or "picture"
        name = stem + source.suffix.lower()
        shutil.copy(source, folder.inputs / name)
        return (name,)
    from ..geometry.mesh_files import joined, read_parts

    meshes = [part.mesh for part in read_parts(source)]
    if task.inputs[0].kind == "mesh":
        meshes = [joined(meshes)]
    names = tuple(f"mesh.{number:03d}.npz" for number in range(1, len(meshes) + 1))
    for name, mesh in zip(names, meshes, strict=True):
        write_mesh(folder.inputs / name, mesh.vertices, mesh.faces)
    return names
