# SPDX-License-Identifier: GPL-3.0-or-later
"""An input mesh: checked, and for generation cleaned and turned into the points that the model sees."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ...contract import BadInput, MeshData
from ...geometry.cleaning import remove_unreferenced_vertices
from ...geometry.components import border_edges
from ...geometry.frames import blender_to_y_up, y_up_to_blender
from ...geometry.normalization import Normalization
from .mesh_cleaning import clean_mesh
from .point_sampling import sample_condition_points

LONGEST_SIDE = 1.9
"""Of the bounding box in the model's frame (docs/algorithms/silksong.md, section 1)."""
FEWEST_FACES = 3
"""Of a component that the model can write; smaller ones were dropped in its training.

See docs/algorithms/silksong.md, section 4.
"""


@dataclass(frozen=True)
class InputSurface:
    """What is remeshed. `original` is the mesh as it was given, in Blender's frame."""

    original: MeshData
    points: Tensor
    """Float16 [4096, 6], in the model's frame."""
    normalization: Normalization
    """From the original's place and size, y up, to the model's frame."""
    closed: bool

    @classmethod
    def read(cls, path: Path, seed: int, check: Callable[[], None]) -> "InputSurface":
        """The surface of a mesh file; `seed` draws its points. `check` is called between steps and may raise.

        Raises BadInput for a mesh that has no surface, or too little to remesh.
        """
        original = read_checked(path)
        check()
        cleaned = clean_mesh(MeshData(blender_to_y_up(original.vertices), original.faces), check)
        check()
        if cleaned.is_empty:
            raise no_surface()
        if (count := len(cleaned.faces)) < FEWEST_FACES:
            raise BadInput(f"The mesh has only {count} face{'s' if count > 1 else ''} of any area.",
                           f"At least {FEWEST_FACES} are needed: there is nothing to make simpler.",
                           "Select another mesh.")
        normalization = Normalization.to_box(cleaned.bounds, LONGEST_SIDE)
        points = sample_condition_points(normalization.apply(cleaned.vertices), cleaned.faces, seed)
        check()
        return cls(original, points, normalization, closed=not len(border_edges(cleaned.faces)))

    def placed(self, positions: NDArray[np.floating]) -> NDArray[np.floating]:
        """Positions [N, 3] of the model's frame where the original is, in Blender's frame."""
        return y_up_to_blender(self.normalization.invert(positions))


def no_surface() -> BadInput:
    """For a mesh of which nothing is left when close vertices are one."""
    return BadInput("The mesh has no surface.", "All of its faces are without area, or tiny compared to its extent.",
                    "Delete stray faces that lie far away, or select another mesh.")


def read_checked(path: Path) -> MeshData:
    """The mesh of a job's input file, without loose vertices.

    Raises BadInput where it has no faces, or invalid vertex positions.
    """
    mesh = remove_unreferenced_vertices(MeshData.read(path))
    if mesh.is_empty:
        raise BadInput("The object has no faces.", "There is nothing but vertices or edges.",
                       "Select a mesh with faces.")
    if not np.isfinite(mesh.vertices).all():
        raise BadInput("The mesh is damaged.", "It has invalid vertex positions (NaN or infinite).",
                       "Correct it where it was made, or select another object.")
    return mesh
