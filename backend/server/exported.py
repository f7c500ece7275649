# SPDX-License-Identifier: GPL-3.0-or-later
"""A result as one GLB that other programs read: every mesh a named node, with its material."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from ..contract import MATERIAL_ROLES, VARIANT_GROUP, Artifact, MeshData, Result, replace_whole
from ..geometry.mesh_files import NamedMesh, write_parts
from .job_store import Record
from .refusal import unknown

GLB = "result.glb"


def has_glb(result: Result) -> bool:
    """Whether the result has anything that a GLB holds."""
    return any(artifact.kind == "mesh" or artifact.role in MATERIAL_ROLES for artifact in result.artifacts)


def glb_of(record: Record, result: Result) -> Path:
    """The file, made with the first call: of several variants the first, of new materials the meshes that got them.

    Takes seconds for large meshes. Raises Refusal (404) for a result without meshes.
    """
    if not has_glb(result):
        raise unknown("GLB of job", record.id)
    path = record.folder.path / GLB
    if not path.is_file():
        with replace_whole(path) as draft:
            write_parts(draft, parts_of(record, result))
    return path


def parts_of(record: Record, result: Result) -> list[NamedMesh]:
    """What the GLB holds, in Blender's frame."""
    folder = record.folder
    maps: dict[str, dict[str, Path]] = defaultdict(dict)
    for artifact in result.artifacts:
        if artifact.role in MATERIAL_ROLES:
            maps[artifact.target][artifact.role] = folder.outputs / artifact.file
    meshes = [artifact for artifact in result.artifacts if artifact.kind == "mesh"]
    if meshes:
        parts = [NamedMesh(artifact.name, MeshData.read(folder.outputs / artifact.file), artifact.color,
                           maps.get(artifact.file, {})) for artifact in _shown(meshes)]
    else:
        sources = [file for files in record.request.inputs.values() for file in files if file.endswith(".npz")]
        parts = [NamedMesh(record.note.names.get(file, file), MeshData.read(folder.inputs / file), None,
                           maps.get(file, {})) for file in sources]
    return _with_own_names(parts)


def _shown(meshes: list[Artifact]) -> list[Artifact]:
    """All meshes; of variants the first, which is the best."""
    variants = [artifact for artifact in meshes if artifact.group == VARIANT_GROUP]
    return [artifact for artifact in meshes if artifact not in variants[1:]]


def _with_own_names(parts: list[NamedMesh]) -> list[NamedMesh]:
    """The parts; one whose name is taken gets a number."""
    found: dict[str, NamedMesh] = {}
    for part in parts:
        own, number = part.name, 2
        while own in found:
            own, number = f"{part.name}.{number:03d}", number + 1
        found[own] = replace(part, name=own)
    return list(found.values())
