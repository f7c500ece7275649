# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the artist as a task's inputs: the spec of an input decides how they are read."""

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..contract import BadInput, InputSpec, JobFolder, MeshNeed, TaskSpec
from ..geometry.joining import joined
from ..geometry.mesh_files import MESH_SUFFIXES, placed_meshes, read_file
from ..pipelines.common.image_files import IMAGE_SUFFIXES, read_image
from .result_names import safe_name, unique_name

if TYPE_CHECKING:  # it brings torch along, which not every task waits for
    from ..painting.painted_files import PaintedNode, UVChoice


@dataclass(frozen=True)
class Placed:
    """One source in the job's inputs: the files' names there; of meshes with UVs also where they are from; remarks;
    where in the world the meshes' zero is, in meters."""

    files: tuple[str, ...] = ()
    nodes: "tuple[PaintedNode, ...]" = ()
    remarks: tuple[str, ...] = ()
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class MeshReading:
    """How a mesh file is read.

    Attributes:
        together: every mesh of the file is kept apart, for a task that takes them all; else the file is one mesh.
        needs: what each mesh brings besides its faces.
        uv: where UVs come from, if they are needed.
        report: called with what takes long before it begins.
    """

    together: bool
    needs: frozenset[MeshNeed]
    uv: "UVChoice"
    report: Callable[[str], None]


def named_sources(paths: Sequence[Path], slot: InputSpec) -> dict[str, Path]:
    """Every file under a name of its own, which any file system can hold. Whether a file is there is seen when its turn
    comes. Raises BadInput when a folder holds none.
    """
    suffixes = IMAGE_SUFFIXES if slot.kind == "image" else MESH_SUFFIXES
    named: dict[str, Path] = {}
    taken: set[str] = set()
    for path in paths:
        found = _files_in(path, suffixes) if path.is_dir() else [path]
        if not found:
            raise BadInput(f"The folder {path} holds nothing to work on.", f"Looked for {', '.join(suffixes)}.",
                           "Choose another folder.")
        for file in found:
            named[unique_name(safe_name(file.stem, slot.kind), taken)] = file
    return named


def _files_in(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Its files of these kinds, by name, without the hidden ones."""
    return sorted(file for file in folder.iterdir()
                  if file.suffix.lower() in suffixes and not file.name.startswith(".") and file.is_file())


def name_without_source(task: TaskSpec, images: Mapping[str, Path], texts: Sequence[str]) -> str:
    """A name for the one result of a task that works on no file: after its first image, or the first words given."""
    for path in images.values():
        return safe_name(path.stem, "image")
    words = [re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()[:40].rstrip("-") for text in texts]
    return next(filter(None, words), task.name)


def check_images(given: Mapping[str, Path]) -> None:
    """Look at the images before any mesh is read, which may take minutes. Raises BadInput for one that is missing or
    cannot be read.
    """
    for path in given.values():
        _demand(path)
        read_image(path)


def place_image(source: Path, folder: JobFolder, number: int) -> Placed:
    """Bring the image, the job's `number`-th, into its inputs. Raises BadInput."""
    _demand(source)
    stem = re.sub("[^A-Za-z0-9_-]", "-", source.stem).strip("-_")[:60] or "image"
    name = (stem if number == 1 else f"{stem}.{number:03d}") + source.suffix.lower()
    try:
        shutil.copy(source, folder.inputs / name)
    except OSError as error:
        raise BadInput(f"{source.name} cannot be read.", f"{error.strerror or error}.",
                       "Check the path and its rights.") from error
    return Placed((name,))


def place_meshes(source: Path, folder: JobFolder, number: int, reading: MeshReading) -> Placed:
    """Bring the meshes of the file, the job's `number`-th, into its inputs. Raises BadInput."""
    _demand(source)
    if reading.needs & {"uvs", "texture"}:
        return _place_painted(source, folder, number, reading)
    found = read_file(source)
    meshes, origin = placed_meshes(found.nodes)
    if not reading.together:
        meshes = [joined(meshes)]
    names = _mesh_names(number, len(meshes))
    for name, mesh in zip(names, meshes, strict=True):
        mesh.write(folder.inputs / name)
    return Placed(names, remarks=found.remarks, origin=tuple(origin.tolist()))


def place_flagged(given: Mapping[str, Path], folder: JobFolder) -> dict[str, tuple[str, ...]]:
    """Bring the images that have a flag, by the name of their input, into the job's."""
    placed: dict[str, tuple[str, ...]] = {}
    for name, path in given.items():
        file = f"{name}.input{path.suffix.lower()}"  # a name that no source has
        shutil.copy(path, folder.inputs / file)
        placed[name] = (file,)
    return placed


def _demand(path: Path) -> None:
    if not path.exists():
        raise BadInput(f"There is no {path}.", "Neither a file nor a folder has that name.", "Check the path.")


def _place_painted(source: Path, folder: JobFolder, number: int, reading: MeshReading) -> Placed:
    from ..painting.painted_files import read_painted

    found = read_painted(source, reading.uv, "texture" in reading.needs, reading.report)
    nodes = found.nodes
    if len(nodes) > 1 and not reading.together:
        raise BadInput(f"{source.name} holds {len(nodes)} meshes.", "This task takes one at a time.",
                       "Save each in a file of its own, or join them.")
    names = _mesh_names(number, len(nodes))
    for name, node in zip(names, nodes, strict=True):
        node.mesh.write(folder.inputs / name)
    remarks = tuple(f"{node.node.name}: {node.remark} New ones were made." for node in nodes if node.remark)
    return Placed(names, nodes, (*found.remarks, *remarks))


def _mesh_names(number: int, count: int) -> tuple[str, ...]:
    return tuple(f"mesh.{mesh:03d}.npz" for mesh in range(number, number + count))
