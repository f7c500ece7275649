# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the objects of a training come from: drawn ones, or a folder of meshes. All y up."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ....contract import BadInput, MeshData
from ....geometry.frames import blender_to_y_up
from ....geometry.joining import joined
from ....geometry.mesh_files import MESH_SUFFIXES, read_parts
from ....procedural.dataset import Split
from ....procedural.low_poly import low_poly_object
from ....procedural.low_poly_shapes import axis_rotation
from ..mesh_cleaning import clean_mesh

logger = logging.getLogger(__name__)

UP = 1
"""The y axis, about which objects are turned."""


@dataclass(frozen=True)
class DrawnObjects:
    """Procedural low-poly objects of one split."""

    split: Split
    seed: int

    def __call__(self, number: int) -> MeshData:
        mesh = low_poly_object(self.split, number, self.seed)
        return MeshData(blender_to_y_up(mesh.vertices), mesh.faces)


@dataclass(frozen=True)
class TurnedMeshes:
    """Meshes one after the other and again from the first, every copy at a random turn about the up axis."""

    meshes: tuple[MeshData, ...]
    seed: int

    def __call__(self, number: int) -> MeshData:
        mesh = self.meshes[number % len(self.meshes)]
        angle = np.random.default_rng((self.seed, number)).uniform(0.0, 2.0 * math.pi)
        return MeshData(mesh.vertices @ axis_rotation(UP, angle).T, mesh.faces)


def read_meshes(folder: Path) -> tuple[MeshData, ...]:
    """The meshes of all files in a folder and below, by name, cleaned as before inference; y up.

    Files that cannot be read or hold no surface are passed over with a warning. Raises BadInput when nothing is left.
    """
    meshes = []
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in MESH_SUFFIXES):
        try:
            mesh = joined([part.mesh for part in read_parts(path)])
        except BadInput as error:
            logger.warning("%s is passed over: %s", path.name, error.report.why)
            continue
        cleaned = clean_mesh(MeshData(blender_to_y_up(mesh.vertices), mesh.faces))
        if cleaned.is_empty:
            logger.warning("%s is passed over: it has no surface", path.name)
        else:
            meshes.append(cleaned)
    if not meshes:
        raise BadInput(f"{folder} holds no mesh to learn from.", f"Known kinds are {', '.join(MESH_SUFFIXES)}.",
                       "Give a folder with low-poly meshes.")
    return tuple(meshes)
