# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a mesh has a surface that an encoder of shapes can be given points of."""

import numpy as np

from ...contract import BadInput, MeshData


def check_encodable(mesh: MeshData) -> None:
    """Raise BadInput for a mesh without faces, with invalid positions or without area."""
    if mesh.is_empty:
        raise BadInput("The mesh cannot be encoded.", "It has no faces.", "Choose a mesh with a surface.")
    if not np.isfinite(mesh.vertices).all():
        raise BadInput(
            "The mesh cannot be encoded.",
            "It has invalid vertex positions (NaN or infinite).",
            "Clean the mesh up: delete the broken vertices, or apply the modifier that makes them.",
        )
    check_area(mesh)


def check_area(mesh: MeshData) -> None:
    """Raise BadInput for a mesh all of whose faces are degenerate."""
    if not np.any(mesh.area_vectors()):
        raise BadInput(
            "The mesh cannot be encoded.",
            "All its faces are degenerate: the surface has no area.",
            "Check the object's scale, or choose a mesh with a surface.",
        )
