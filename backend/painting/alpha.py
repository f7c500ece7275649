# SPDX-License-Identifier: GPL-3.0-or-later
"""Where new paint ends on an object of which only some faces are painted: it fades out over the others."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, find_objects
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ..contract import MeshData
from ..geometry.projection import UVMesh, faces_in_texture

FEATHER = 8
"""Texels over which paint fades out."""


def paint_alpha(mesh: MeshData, size: int) -> NDArray[np.float32]:
    """How opaque the paint is, float32 [size, size] in [0, 1], row 0 at v = 1.

    1 on painted faces, so that nothing of the old surface is left there. Beyond edges that they share with unpainted
    faces it fades to 0 over `FEATHER` texels, within a chart only: the next one in the texture lies elsewhere on the
    surface. Gutters take what the nearest texel of a face has, so that filtering does not darken seams.
    """
    painted, others = (_face_of_texels(mesh, which, size) for which in (mesh.selected, ~mesh.selected))
    if (painted < 0).all():
        return np.zeros((size, size), np.float32)
    chart = _charts(mesh)
    of_texel = np.where((others >= 0) & (painted < 0), chart[others], -1)
    alpha = (painted >= 0).astype(np.float32)
    border, of_border = _border_texels(mesh, size)
    for number, box in enumerate(find_objects(of_texel + 1)):
        inside = border[chart[of_border] == number]
        if box is None or not len(inside):
            continue
        marked = np.zeros((size, size), bool)
        marked[inside[:, 0], inside[:, 1]] = True
        faded = np.clip(1 - _distance(marked, box) / FEATHER, 0, 1)
        alpha[box] = np.where(of_texel[box] == number, faded, alpha[box])
    nearest = distance_transform_edt((painted < 0) & (others < 0), return_distances=False, return_indices=True)
    spread: NDArray[np.float32] = alpha[tuple(nearest)]
    return spread


def _distance(marked: NDArray[np.bool_], box: tuple[slice, slice]) -> NDArray[np.float64]:
    """From the texels of a box to the nearest marked one; those farther outside than `FEATHER` do not count."""
    wide = tuple(slice(max(side.start - FEATHER, 0), side.stop + FEATHER) for side in box)
    if not marked[wide].any():
        return np.full([side.stop - side.start for side in box], np.inf)
    distance: NDArray[np.float64] = distance_transform_edt(~marked[wide])
    inner = (slice(side.start - wider.start, side.stop - wider.start) for side, wider in zip(box, wide, strict=True))
    return distance[tuple(inner)]


def _face_of_texels(mesh: MeshData, faces: NDArray[np.bool_], size: int) -> NDArray[np.int64]:
    """The mesh's face that each texel shows, of those in question, int64 [size, size]; -1 for none."""
    if not faces.any():
        return np.full((size, size), -1)
    assert mesh.uvs is not None  # a painted mesh has them
    flat = np.zeros_like(mesh.vertices)  # of overlapping faces any will do; a texture looks at heights up to 1.5 only
    part = UVMesh.of_corners(*(torch.from_numpy(np.ascontiguousarray(array)) for array in (
        flat, mesh.faces[faces], mesh.uvs[faces])))
    shown = faces_in_texture(part, (size, size), layers=1)[0].numpy()
    return np.where(shown >= 0, np.flatnonzero(faces)[shown], -1)


def _charts(mesh: MeshData) -> NDArray[np.int32]:
    """For each face the number of its chart, int32 [F]: faces that share a corner both on the surface and in the
    texture."""
    assert mesh.uvs is not None  # a painted mesh has them
    corners = np.concatenate([mesh.vertices[mesh.faces], mesh.uvs], axis=2).reshape(-1, 5)
    _, corner = np.unique(corners, axis=0, return_inverse=True)
    corner, face = corner.reshape(-1), np.repeat(np.arange(len(mesh.faces)), 3)
    joined = coo_matrix((np.ones(len(face), bool), (face, corner)), shape=(len(mesh.faces), int(corner.max()) + 1))
    labels: NDArray[np.int32] = connected_components(joined.tocsr() @ joined.tocsr().T, directed=False)[1]
    return labels


def _border_texels(mesh: MeshData, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Texels (row, column) int64 [N, 2] on the painted side's edges that an unpainted face has too, and the painted
    face of each [N]. Vertices at one place count as one."""
    assert mesh.uvs is not None  # a painted mesh has them
    _, place = np.unique(mesh.vertices, axis=0, return_inverse=True)
    sides = np.stack([mesh.faces, np.roll(mesh.faces, -1, axis=1)], axis=2)
    keys = np.sort(place.reshape(-1)[sides], axis=2)
    keys = (keys[..., 0].astype(np.int64) * (len(mesh.vertices) + 1) + keys[..., 1]).reshape(len(mesh.faces), 3)
    shared = np.isin(keys, keys[~mesh.selected]) & mesh.selected[:, None]
    start, end = mesh.uvs[shared], np.roll(mesh.uvs, -1, axis=1)[shared]
    shares = np.linspace(0, 1, _samples(start, end, size))[:, None, None]
    along = (start + shares * (end - start)).reshape(-1, 2)
    texels = ((along * [1, -1] + [0, 1]) * size).astype(int).clip(0, size - 1)[:, ::-1]
    marked = np.unique(np.column_stack([texels, np.tile(np.nonzero(shared)[0], len(shares))]), axis=0)
    return marked[:, :2], marked[:, 2]


def _samples(start: NDArray[np.float32], end: NDArray[np.float32], size: int) -> int:
    """Enough points along the longest edge to miss no texel."""
    return int(np.ceil(np.abs(end - start).max(initial=0) * size)) + 2
