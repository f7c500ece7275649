# SPDX-License-Identifier: GPL-3.0-or-later
"""Uploaded files as a task's inputs: what is no image and no mesh is refused here, mesh files become `MeshData`."""

import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..contract import BadInput, InputSpec, JobFolder, MeshData, Request, TaskSpec
from ..geometry.joining import joined
from ..geometry.mesh_files import MESH_SUFFIXES, read_parts
from ..pipelines.common.image_files import read_image

MESH_DATA = ".npz"
LARGEST_MESH = 4 * 2**30
"""Bytes of a mesh's arrays; an archive can claim far more than it weighs."""


def checked_inputs(folder: JobFolder, request: Request, task: TaskSpec) -> tuple[Request, Mapping[str, str]]:
    """The request with every mesh as a `MeshData` file, and these files' names in the files that were uploaded.

    May take seconds: meshes are read, and those that need UVs without having them get new ones. Raises BadInput for
    a file that is missing or is not what its slot takes.
    """
    inputs: dict[str, tuple[str, ...]] = {}
    names: dict[str, str] = {}
    for slot, files in request.inputs.items():
        wanted = task.input(slot)
        for file in files:
            if not (folder.inputs / file).is_file():
                raise BadInput(f"{wanted.label} is missing.", f"The file {file} was not uploaded.", "Upload it first.")
        if wanted.kind == "image":
            for file in files:
                read_image(folder.inputs / file)
            inputs[slot] = files
        else:
            meshes = [pair for file in files for pair in _meshes(folder.inputs / file, wanted, request, task)]
            names |= dict(meshes)
            inputs[slot] = tuple(file for file, _ in meshes)
    return replace(request, inputs=inputs), names


def _meshes(path: Path, wanted: InputSpec, request: Request, task: TaskSpec) -> list[tuple[str, str]]:
    """(file in `inputs/`, name) of every mesh of an uploaded file."""
    if path.suffix.lower() == MESH_DATA:
        _check(path)
        return [(path.name, path.stem)]
    if path.suffix.lower() not in MESH_SUFFIXES:
        raise BadInput(f"{path.name} is of a kind that cannot be read.",
                       f"Known are {', '.join((*MESH_SUFFIXES, MESH_DATA))}.", "Save it as GLB.")
    named = _with_uvs(path, wanted, request) or [(part.name, part.mesh) for part in read_parts(path)]
    if task.selection != "together" and len(named) > 1:
        named = [(path.stem, joined([mesh for _, mesh in named]))]
    placed = []
    for number, (name, mesh) in enumerate(named, 1):
        file = f"{path.stem[:60]}.{number:03d}{MESH_DATA}"
        mesh.write(path.with_name(file))
        placed.append((file, name))
    return placed


def _with_uvs(path: Path, wanted: InputSpec, request: Request) -> list[tuple[str, MeshData]]:
    """The meshes with UVs and texture, where the task needs these; else none."""
    needs = wanted.needs_with(request.parameters)
    if not needs & {"uvs", "texture"}:
        return []
    from ..painting.painted_files import read_painted  # it brings torch along, which other tasks do not wait for

    found = read_painted(path, "auto", "texture" in needs, lambda _: None)
    return [(node.node.name, node.mesh) for node in found.nodes]


def _check(path: Path) -> None:
    """Raises BadInput for an archive that is no `MeshData`, is far larger than it says, or names no vertices."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except (OSError, zipfile.BadZipFile) as error:
        raise BadInput(f"{path.name} is no mesh.", f"It cannot be opened as an npz archive ({error}).",
                       "Upload it once more, or as GLB.") from error
    if size > LARGEST_MESH:
        raise BadInput(f"{path.name} is too large.", f"Its arrays take {size / 2**30:.1f} GiB.", "Use fewer faces.")
    try:
        mesh = MeshData.read(path)
    except Exception as error:  # numpy raises anything on a crafted archive
        raise BadInput(f"{path.name} is no mesh.", f"{error}", "Upload it once more, or as GLB.") from error
    if len(mesh.faces) and (mesh.faces.min() < 0 or mesh.faces.max() >= len(mesh.vertices)):
        raise BadInput(f"{path.name} is no mesh.", "Faces name vertices that it does not hold.", "Upload it as GLB.")
    if not np.isfinite(mesh.vertices).all():
        raise BadInput(f"{path.name} is no mesh.", "Some vertex positions are infinite or not a number.",
                       "Upload it as GLB.")
