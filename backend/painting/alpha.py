# SPDX-License-Identifier: GPL-3.0-or-later
"""Where new paint ends on an object of which only some faces are painted: it fades out toward the others."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from ..contract import MeshData
from ..geometry.projection import UVMesh, faces_in_texture

FEATHER = 8
"""Texels over which paint fades out."""


def paint_alpha(mesh: MeshData, size: int) -> NDArray[np.float32]:
    """How opaque the paint is, float32 [size, size] in [0, 1], row 0 at v = 1.

    1 on painted faces, fading over `FEATHER` texels toward edges that they share with unpainted ones; 0 on unpainted
    faces. Gutters take what the nearest texel of a face has, so that filtering does not darken seams.
    """
    painted, others = (_covered(mesh, which, size) for which in (mesh.selected, ~mesh.selected))
    if not painted.any():
        return np.zeros((size, size), np.float32)
    border = _border_texels(mesh, size)
    distance = distance_transform_edt(~border) if border.any() else np.full((size, size), np.inf)
    alpha = np.clip(distance / FEATHER, 0, 1).astype(np.float32)
    alpha = np.where(painted, alpha, 0).astype(np.float32)
    nearest = distance_transform_edt(~(painted | others), return_distances=False, return_indices=True)
    spread: NDArray[np.float32] = alpha[tuple(nearest)]
    return spread


def _covered(mesh: MeshData, faces: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    if not faces.any():
        return np.zeros((size, size), bool)
    assert mesh.uvs is not None  # a painted mesh has them
    corners = np.arange(3 * int(faces.sum())).reshape(-1, 3)
    part = UVMesh.of(*(torch.from_numpy(np.ascontiguousarray(array)) for array in (
        mesh.vertices, mesh.faces[faces], mesh.uvs[faces].reshape(-1, 2), corners)))
    return (faces_in_texture(part, (size, size), layers=1)[0] >= 0).numpy()


def _border_texels(mesh: MeshData, size: int) -> NDArray[np.bool_]:
    """Texels on the painted side's edges that an unpainted face has too. Vertices at one place count as one."""
    assert mesh.uvs is not None  # a painted mesh has them
    _, place = np.unique(mesh.vertices, axis=0, return_inverse=True)
    sides = np.stack([mesh.faces, np.roll(mesh.faces, -1, axis=1)], axis=2)
    keys = np.sort(place.reshape(-1)[sides], axis=2)
    keys = (keys[..., 0].astype(np.int64) * (len(mesh.vertices) + 1) + keys[..., 1]).reshape(len(mesh.faces), 3)
    shared = np.isin(keys, keys[~mesh.selected]) & mesh.selected[:, None]
    start, end = mesh.uvs[shared], np.roll(mesh.uvs, -1, axis=1)[shared]
    marked = np.zeros((size, size), bool)
    for share in np.linspace(0, 1, _samples(start, end, size)):
        column, row = (((start + share * (end - start)) * [1, -1] + [0, 1]) * size).astype(int).clip(0, size - 1).T
        marked[row, column] = True
    return marked


def _samples(start: NDArray[np.float32], end: NDArray[np.float32], size: int) -> int:
    """Enough points along the longest edge to miss no texel."""
    return int(np.ceil(np.abs(end - start).max(initial=0) * size)) + 2
