# SPDX-License-Identifier: GPL-3.0-or-later
"""New paint fades out toward the faces that keep theirs."""

from dataclasses import replace

import numpy as np

from backend.contract import MeshData
from backend.painting.alpha import FEATHER, paint_alpha

from .boxes import painted_box


def plates(gap: float) -> MeshData:
    """Two plates whose charts lie `gap` apart; of each the lower half is painted, of the second one the upper, too."""
    vertices = np.array([[x, 0, z] for start in (0, 5) for z in (0, 1, 2) for x in (start, start + 1)], float)
    quads = np.array([[0, 1, 3, 2], [2, 3, 5, 4], [6, 7, 9, 8], [8, 9, 11, 10]])
    faces = np.concatenate([[quad[[0, 1, 2]], quad[[0, 2, 3]]] for quad in quads])
    places = np.array([[0.02 + x * 0.4 + second * (0.4 + gap), 0.02 + z * 0.2]
                       for second in (0, 1) for z in (0, 1, 2) for x in (0, 1)])
    return MeshData(vertices, faces, places[faces], selection=np.array([1, 1, 0, 0, 1, 1, 1, 1], bool))


def texels(mesh: MeshData, faces: slice, size: int) -> tuple[slice, slice]:
    """Rows and columns of the texels inside the faces, a square."""
    low, high = (bound(mesh.uvs[faces].reshape(-1, 2), axis=0) * size for bound in (np.min, np.max))
    return slice(size - int(high[1]) + 1, size - int(low[1]) - 1), slice(int(low[0]) + 1, int(high[0]) - 1)


def test_paint_covers_its_faces_and_fades_over_the_others():
    mesh = plates(0.1)
    alpha = paint_alpha(mesh, 256)
    assert (alpha[texels(mesh, slice(0, 2), 256)] == 1).all() and (alpha[texels(mesh, slice(4, 8), 256)] == 1).all()
    rows = alpha[texels(mesh, slice(2, 4), 256)][::-1, 20:-20]
    assert (np.diff(rows, axis=0) <= 0).all() and (rows[FEATHER:] == 0).all() and 0 < rows[FEATHER // 2].min() < 0.7
    assert (paint_alpha(painted_box(), 64) == 1).all()


def test_a_fade_does_not_reach_the_next_chart():
    """Three texels from painted faces, those of another chart keep theirs."""
    mesh = plates(3 / 256)
    mesh = replace(mesh, selection=np.array([1, 1, 0, 0, 0, 0, 0, 0], bool))
    assert (paint_alpha(mesh, 256)[texels(mesh, slice(4, 8), 256)] == 0).all()


def test_faces_across_a_seam_keep_theirs():
    box = painted_box()
    painted = np.ones(12, bool)
    painted[0:2] = False  # the -x side, a chart of its own
    alpha, side = paint_alpha(replace(box, selection=painted), 256), replace(box, faces=box.faces[:2])
    assert (alpha[texels(side, slice(0, 2), 256)] == 0).all()
