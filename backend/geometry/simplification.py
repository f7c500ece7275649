# SPDX-License-Identifier: GPL-3.0-or-later
"""Quadric edge-collapse decimation."""

from __future__ import annotations

import fast_simplification

from ..contract import MeshData


def decimate(mesh: MeshData, face_target: int) -> MeshData:
    """Return a mesh of at most about ``face_target`` faces; a mesh that has no more already is returned as it is.

    The library collapses in rounds and may stop a few faces above or below the target.

    Raises:
        ValueError: the target is below 4, the faces of the smallest closed mesh.
    """
    if face_target < 4:
        raise ValueError(f"the face target must be at least 4, not {face_target}")
    if len(mesh.faces) <= face_target:
        return mesh
    vertices, faces = fast_simplification.simplify(mesh.vertices, mesh.faces, target_count=face_target)
    return MeshData(vertices, faces)
