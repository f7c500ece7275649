# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes from step to step: meshes with the material maps that they have so far."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..contract import (
    MATERIAL_ROLES,
    VARIANT_GROUP,
    Artifact,
    JobFolder,
    MeshData,
    MeshNeed,
    MeshwrightError,
    Remedy,
    Result,
    Role,
)
from ..geometry.uv_layout import new_layout, uv_fault


@dataclass(frozen=True)
class Piece:
    """One mesh on its way, in Blender's frame.

    Attributes:
        artifact: how the step that made the mesh described it; its name is the piece's.
        maps: the artifact and the file of each material map, by role.
    """

    artifact: Artifact
    mesh: MeshData
    maps: Mapping[Role, tuple[Artifact, Path]] = field(default_factory=dict)

    def with_needs(self, needs: Iterable[MeshNeed]) -> "Piece":
        """With what a task needs of a mesh: UVs that can be painted on, the texture so far. Raises BadInput where no
        UVs can be made."""
        piece = self
        if {"uvs", "texture"} & set(needs) and (
                self.mesh.uvs is None or uv_fault(self.mesh.vertices, self.mesh.faces, self.mesh.uvs)):
            uvs = new_layout(self.mesh.vertices, self.mesh.faces)
            piece = replace(self, mesh=replace(self.mesh, uvs=uvs), maps={})
        if "texture" in set(needs) and "base_color" in piece.maps:
            piece = replace(piece, mesh=replace(piece.mesh, texture=_rgb(piece.maps["base_color"][1])))
        return piece


def outcome(given: Sequence[Piece], files: Sequence[str], result: Result, folder: JobFolder) -> list[Piece]:
    """What a step made of the pieces that it was given as these input files: new meshes, or the same with new maps.

    Of variants the first, which is the best. Raises MeshwrightError for a result without any mesh.
    """
    meshes = [artifact for artifact in result.artifacts if artifact.kind == "mesh"]
    if meshes and meshes[0].group == VARIANT_GROUP:
        meshes = meshes[:1]
    if meshes:
        made = [Piece(artifact, MeshData.read(folder.outputs / artifact.file),
                      _maps(result, artifact.file, folder)) for artifact in meshes]
        if len(given) == 1 and len(made) == 1:  # it took the place of the other, and so its name and color
            kept = given[0].artifact
            made = [replace(made[0], artifact=replace(made[0].artifact, name=kept.name, color=kept.color,
                                                      group=kept.group))]
        return made
    painted = [replace(piece, maps={**piece.maps, **_maps(result, file, folder)})
               for piece, file in zip(given, files, strict=True)]
    if not painted:
        raise MeshwrightError("A step of the workflow made nothing.", "Its result has no mesh.", "Start it again.",
                              Remedy.RETRY)
    return painted


def write_pieces(pieces: Sequence[Piece], folder: JobFolder) -> tuple[Artifact, ...]:
    """The pieces as the result of the whole chain, in `folder.outputs`."""
    artifacts: list[Artifact] = []
    for number, piece in enumerate(pieces, 1):
        file = f"piece.{number:03d}.npz"
        replace(piece.mesh, texture=None, selection=None).write(folder.outputs / file)
        artifacts.append(replace(piece.artifact, file=file, role="mesh", target="",
                                 group="" if piece.artifact.group == VARIANT_GROUP else piece.artifact.group))
        for role, (described, path) in piece.maps.items():
            name = f"piece.{number:03d}.{role}{path.suffix}"
            shutil.copy(path, folder.outputs / name)
            artifacts.append(replace(described, file=name, target=file))
    return tuple(artifacts)


def _rgb(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _maps(result: Result, target: str, folder: JobFolder) -> dict[Role, tuple[Artifact, Path]]:
    return {artifact.role: (artifact, folder.outputs / artifact.file) for artifact in result.artifacts
            if artifact.role in MATERIAL_ROLES and artifact.target == target}
