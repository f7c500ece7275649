# SPDX-License-Identifier: GPL-3.0-or-later
"""Small meshes with UVs, in Blender's frame, to be painted."""

import numpy as np

from backend.contract import MeshData


def painted_box(center: tuple[float, float, float] = (0, 0, 0), sides: tuple[float, float, float] = (2, 1, 1.5)):
    """A box whose six sides lie apart in the texture, two by three."""
    vertices, faces, uvs = [], [], []
    for axis in range(3):
        for sign in (-1, 1):
            u, v = (axis + 1) % 3, (axis + 2) % 3
            corners = np.zeros((4, 3))
            corners[:, axis] = sign
            corners[:, u] = np.array([-1, 1, 1, -1]) * sign
            corners[:, v] = [-1, -1, 1, 1]
            start, place = len(vertices), np.array([axis / 3, (sign + 1) / 4])
            square = place + 0.02 + np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * [1 / 3 - 0.04, 1 / 2 - 0.04]
            vertices += list(corners * np.array(sides) / 2 + center)
            for triangle in ([0, 1, 2], [0, 2, 3]):
                faces.append([start + corner for corner in triangle])
                uvs.append(square[triangle])
    return MeshData(np.array(vertices), np.array(faces), np.array(uvs))
