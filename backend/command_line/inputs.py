# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the artist as a task's inputs: the kind of an input decides how they are read."""

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..contract import BadInput, JobFolder, TaskSpec, write_mesh
from ..contract.pipeline_spec import InputKind
from ..geometry.mesh_files import MESH_SUFFIXES, joined, read_parts
from ..pipelines.common.image_files import read_image

if TYPE_CHECKING:  # it brings torch along, which not every task waits for
    from ..geometry.uv_mesh_files import PaintedNode, UVChoice

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif")


@dataclass(frozen=True)
class Placed:
    """One source in the job's inputs: the files' names there; of meshes with UVs also where they are from; remarks."""

    files: tuple[str, ...]
    nodes: "tuple[PaintedNode, ...]" = ()
    remarks: tuple[str, ...] = ()


def named_sources(paths: Sequence[Path], task: TaskSpec) -> dict[str, Path]:
    """Every file under a name of its own. Raises BadInput when a path is missing or a folder holds none."""
    suffixes = IMAGE_SUFFIXES if task.inputs[0].kind == "image" else MESH_SUFFIXES
    files: list[Path] = []
    for path in paths:
        _demand(path)
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


def check_others(given: Mapping[str, str | Path], task: TaskSpec) -> None:
    """Look at the task's further inputs before any mesh is read, which may take minutes. Raises BadInput for an image
    that is missing or cannot be read, and where nothing is given of words and image that are both optional: one of
    them is needed.
    """
    source, *hints = task.inputs
    said = any(value.strip() if isinstance(value, str) else value for value in given.values())
    if source.kind != "image" and len(hints) > 1 and not any(wanted.required for wanted in hints) and not said:
        raise BadInput(f"{task.label} has nothing to go by.",
                       f"Neither {' nor '.join(wanted.label.lower() for wanted in hints)} was given.",
                       f"Give one: {' or '.join(f'--{wanted.name}' for wanted in hints)}.")
    for value in given.values():
        if isinstance(value, Path):
            _demand(value)
            read_image(value)


def place(
    kind: InputKind, source: Path, folder: JobFolder, number: int, uv: "UVChoice", textured: bool,
    tell: Callable[[str], None]
) -> Placed:
    """Bring the file, the job's `number`-th, into its inputs in the form of that kind; `textured` with the texture that
    it shows so far. `tell` is told of what takes long before it begins. Raises BadInput.
    """
    if kind == "image":
        return Placed((_place_image(source, folder, number),))
    if kind == "uv_meshes":
        return _place_painted(source, folder, number, uv, textured, tell)
    meshes = [part.mesh for part in read_parts(source)]
    if kind == "mesh":
        meshes = [joined(meshes)]
    names = _mesh_names(number, len(meshes))
    for name, mesh in zip(names, meshes, strict=True):
        write_mesh(folder.inputs / name, mesh.vertices, mesh.faces)
    return Placed(names)


def place_others(given: Mapping[str, str | Path], folder: JobFolder) -> dict[str, tuple[str, ...]]:
    """Bring the task's further inputs, by name, into the job's: a text, or the path of an image, as checked."""
    placed = {}
    for name, value in given.items():
        if isinstance(value, Path):
            file = f"{name}{value.suffix.lower()}"
            shutil.copy(value, folder.inputs / file)
        else:
            file = f"{name}.txt"
            (folder.inputs / file).write_text(value, "utf-8")
        placed[name] = (file,)
    return placed


def _demand(path: Path) -> None:
    if not path.exists():
        raise BadInput(f"There is no {path}.", "Neither a file nor a folder has that name.", "Check the path.")


def _place_image(source: Path, folder: JobFolder, number: int) -> str:
    stem = re.sub("[^A-Za-z0-9_-]", "-", source.stem).strip("-_")[:60] or "image"
    name = (stem if number == 1 else f"{stem}.{number:03d}") + source.suffix.lower()
    shutil.copy(source, folder.inputs / name)
    return name


def _place_painted(
    source: Path, folder: JobFolder, number: int, uv: "UVChoice", textured: bool, tell: Callable[[str], None]
) -> Placed:
    from ..geometry.uv_mesh_files import read_painted

    nodes = tuple(read_painted(source, uv, textured, tell))
    names = _mesh_names(number, len(nodes))
    for name, node in zip(names, nodes, strict=True):
        node.painted.write(folder.inputs / name)
    remarks = tuple(f"{node.node.name}: {node.remark} New ones were made." for node in nodes if node.remark)
    return Placed(names, nodes, remarks)


def _mesh_names(number: int, count: int) -> tuple[str, ...]:
    return tuple(f"mesh.{mesh:03d}.npz" for mesh in range(number, number + count))
