# SPDX-License-Identifier: GPL-3.0-or-later
"""A task on every given file, or several together: prepares the job folders, runs them, writes the results, sums up."""

import argparse
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..contract import BadInput, Done, ErrorReport, Failed, JobFolder, MeshwrightError, Request, TaskSpec, write_mesh
from .arguments import given_batch, given_parameters, worker_settings
from .progress_bar import ProgressBar
from .results import keep_log, result_of_file, summary, write_results
from .session import Outcome, Session

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif")
INTERRUPTED = 130


def run_task(options: argparse.Namespace) -> int:
    """Run them all; a bad file does not stop the others. Returns 1 when any failed, 130 after Ctrl-C."""
    sources = list(_named_sources(options.sources, options.task).items())
    batch = given_batch(options)
    failures: dict[str, ErrorReport] = {}
    with Session(worker_settings(options)) as session:
        for first in range(0, len(sources), batch):
            failures |= _run_batch(session, options, dict(sources[first : first + batch]))
            if session.interrupted:
                sys.stderr.write("Interrupted.\n")
                return INTERRUPTED
    if failures:
        lines = [f"  {source}: {failures[name]}\n" for name, source in sources if name in failures]
        sys.stderr.write(f"{len(failures)} of {len(sources)} failed:\n" + "".join(lines))
    return 1 if failures else 0


def _run_batch(session: Session, options: argparse.Namespace, sources: Mapping[str, Path]) -> dict[str, ErrorReport]:
    """Run the files as one job; returns what failed, by name. Where the job fails as a whole, each runs for itself."""
    failures: dict[str, ErrorReport] = {}
    with tempfile.TemporaryDirectory(prefix="meshwright-") as scratch:
        try:
            folder = JobFolder.create(Path(scratch) / "job")
            placed = _placed(options.task, sources, folder, failures)
            outcome = _run_job(session, options, placed, folder) if placed else None
        except MeshwrightError as error:
            return failures | dict.fromkeys(sources, error.report)
        if isinstance(outcome, Failed) and len(placed) > 1:
            for name in placed:
                if not session.interrupted:
                    failures |= _run_batch(session, options, {name: sources[name]})
        elif isinstance(outcome, Done | Failed):
            for name, files in placed.items():
                if error := _finish(outcome, folder, options, name, files[0] if len(placed) > 1 else ""):
                    failures[name] = error
    return failures


def _placed(
    task: TaskSpec, sources: Mapping[str, Path], folder: JobFolder, failures: dict[str, ErrorReport]
) -> dict[str, tuple[str, ...]]:
    """The names in the job's inputs of every file that can be read; the others go to `failures`."""
    placed = {}
    for number, (name, source) in enumerate(sources.items(), 1):
        try:
            placed[name] = _place_input(task, source, folder, number)
        except MeshwrightError as error:
            failures[name] = error.report
    return placed


def _run_job(
    session: Session, options: argparse.Namespace, placed: Mapping[str, tuple[str, ...]], folder: JobFolder
) -> Outcome:
    first, *others = placed
    name = f"{first} and {len(others)} more" if others else first
    task: TaskSpec = options.task
    inputs = {task.inputs[0].name: tuple(file for files in placed.values() for file in files)}
    request = Request("job", task.name, options.pipeline.name, options.weights, name, options.seed,
                      given_parameters(options), inputs)
    bar = ProgressBar(name, task)
    try:
        return session.run(request, folder, bar.show)
    finally:
        bar.close()


def _finish(
    outcome: Done | Failed, folder: JobFolder, options: argparse.Namespace, name: str, file: str
) -> ErrorReport | None:
    """Write what came of one source, or the log; returns its error. `file` is its input in a job of several or ""."""
    target = options.out / name
    error = outcome.error if isinstance(outcome, Failed) else outcome.result.files[file].error if file else None
    try:
        if error is None:
            result = result_of_file(outcome.result, file, name) if file else outcome.result
            write_results(result, folder, options.task, name, target, options.format)
            sys.stdout.write(summary(result, folder, name, target) + "\n")
        else:
            keep_log(folder, target)
    except MeshwrightError as unwritable:
        return unwritable.report
    return error


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


def _place_input(task: TaskSpec, source: Path, folder: JobFolder, number: int) -> tuple[str, ...]:
    """Bring the file, the job's `number`-th, into its inputs in the form that the task takes; returns the names there.
    """
    if task.inputs[0].kind == "image":
        stem = re.sub("[^A-Za-z0-9_-]", "-", source.stem).strip("-_")[:60] or "picture"
        name = (stem if number == 1 else f"{stem}.{number:03d}") + source.suffix.lower()
        shutil.copy(source, folder.inputs / name)
        return (name,)
    from ..geometry.mesh_files import joined, read_parts

    meshes = [part.mesh for part in read_parts(source)]
    if task.inputs[0].kind == "mesh":
        meshes = [joined(meshes)]
    names = tuple(f"mesh.{mesh:03d}.npz" for mesh in range(number, number + len(meshes)))
    for name, mesh in zip(names, meshes, strict=True):
        write_mesh(folder.inputs / name, mesh.vertices, mesh.faces)
    return names
