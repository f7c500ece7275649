# SPDX-License-Identifier: GPL-3.0-or-later
"""New paint fades out toward the faces that keep theirs."""

from dataclasses import replace

import numpy as np

from backend.painting.alpha import FEATHER, paint_alpha

from .boxes import painted_box


def test_paint_fades_only_towards_unpainted_faces():
    box = painted_box()
    painted = np.ones(12, bool)
    painted[0:2] = False  # the -x side
    alpha = paint_alpha(replace(box, selection=painted), 256)
    opposite = box.uvs[2:4].reshape(-1, 2)  # the +x side touches it nowhere
    rows, columns = ((1 - opposite[:, 1]) * 255).round().astype(int), (opposite[:, 0] * 255).round().astype(int)
    assert (alpha[rows.min() : rows.max(), columns.min() : columns.max()] == 1).all()
    inside = box.uvs[0].mean(axis=0)
    assert alpha[round((1 - inside[1]) * 255), round(inside[0] * 255)] == 0
    assert 0.5 / FEATHER < alpha[alpha > 0].min() < 1
    assert (paint_alpha(box, 64) == 1).all()
