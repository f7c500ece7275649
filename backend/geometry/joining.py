# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes made of parts of a mesh, or of several, with everything that these carry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..contract import MeshData

Picked = NDArray[Any] | slice
"""Indices, a mask, or a range of rows."""


def gathered(mesh: MeshData, vertices: Picked, faces: Picked, corners: NDArray[np.integer]) -> MeshData:
    """The picked vertices with their colors, and the picked faces with their UVs and selection.

    `corners` [F, 3] are the picked faces' indices into the picked vertices.
    """
    return MeshData(
        mesh.vertices[vertices],
        corners,
        uvs=None if mesh.uvs is None else mesh.uvs[faces],
        colors=None if mesh.colors is None else mesh.colors[vertices],
        selection=None if mesh.selection is None else mesh.selection[faces],
        texture=mesh.texture,
    )


def joined(meshes: Sequence[MeshData]) -> MeshData:
    """All meshes as one, nothing merged.

    Where some carry UVs, colors or a selection the others get what stands for none: UVs at 0, opaque white, all
    selected. A texture stays if there is only one; several need a layout that has room for them.
    """
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    textures = {id(mesh.texture): mesh.texture for mesh in meshes if mesh.texture is not None}
    whole = [MeshData.empty(), *meshes]
    return MeshData(
        np.concatenate([mesh.vertices for mesh in whole]),
        np.concatenate([mesh.faces + start for mesh, start in zip(whole, [0, *starts], strict=False)]),
        uvs=_joined_if_any([mesh.uvs for mesh in meshes], [(len(mesh.faces), 3, 2) for mesh in meshes], 0.0),
        colors=_joined_if_any([mesh.colors for mesh in meshes], [(len(mesh.vertices), 4) for mesh in meshes], 1.0),
        selection=_joined_if_any([mesh.selection for mesh in meshes], [(len(mesh.faces),) for mesh in meshes], True),
        texture=next(iter(textures.values())) if len(textures) == 1 else None,
    )


def _joined_if_any(arrays: list[Any], shapes: list[tuple[int, ...]], fill: float | bool) -> NDArray[Any] | None:
    if all(array is None for array in arrays):
        return None
    return np.concatenate([
        np.full(shape, fill) if array is None else array for array, shape in zip(arrays, shapes, strict=True)
    ])
