# SPDX-License-Identifier: GPL-3.0-or-later
"""PLY files: text and binary, polygons of any size, triangle strips, colors and UVs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .nodes import MeshFile, MeshNode
from .ply_elements import Values, read_elements
from .polygons import triangulated
from .unreadable import Unreadable

_UV_NAMES = (("u", "v"), ("s", "t"), ("texture_u", "texture_v"), ("texture_s", "texture_t"))
_CORNER_NAMES = ("vertex_indices", "vertex_index")


def read_ply(path: Path) -> MeshFile:
    """Raises Unreadable, OSError."""
    found, counts = read_elements(path.read_bytes())
    node = _node(path.stem, found)
    left = counts.get("edge", 0)
    remarks = (f"{left} edges were left out.",) if left and node is not None else ()
    return MeshFile((node,) if node is not None else (), remarks)


def _node(name: str, found: dict[str, dict[str, Values]]) -> MeshNode | None:
    rows = found.get("vertex", {})
    if not {"x", "y", "z"} <= rows.keys():
        return None
    vertices = np.stack([rows[axis].values.astype(np.float64) for axis in "xyz"], axis=1)
    faces = found.get("face", {})
    corners = next((faces[key] for key in _CORNER_NAMES if key in faces), None)
    if corners is not None and len(corners.values):
        indices = corners.values.astype(np.int64)
        _check(indices, len(vertices))
        triangles, owner = triangulated(vertices, indices, corners.sizes)
        triangle_corners = indices[triangles]
        wedge = _wedge_uvs(faces.get("texcoord"), corners, triangles, owner)
    elif "tristrips" in found:
        triangle_corners, wedge = _strips(next(iter(found["tristrips"].values())), len(vertices)), None
    else:
        return None
    if not len(triangle_corners):
        return None
    uvs = next((np.stack([rows[key].values.astype(np.float32) for key in names], axis=1) for names in _UV_NAMES
                if set(names) <= rows.keys()), None)
    colors = _colors(rows)
    corner_uvs = wedge if wedge is not None else None if uvs is None else uvs[triangle_corners]
    return MeshNode(name, vertices, triangle_corners, np.eye(4), corner_uvs,
                    None if colors is None else colors[triangle_corners])


def _check(indices: NDArray[np.int64], count: int) -> None:
    if len(indices) and (indices.min() < 0 or indices.max() >= count):
        raise Unreadable("Some of its faces name vertices that it does not hold.")


def _wedge_uvs(
    given: Values | None, corners: Values, triangles: NDArray[np.int64], owner: NDArray[np.int64]
) -> NDArray[np.float32] | None:
    """UVs [T, 3, 2] of corners, as MeshLab writes them, with every face."""
    if given is None or not (given.sizes == 2 * corners.sizes).all():
        return None
    return given.values.astype(np.float32).reshape(-1, 2)[triangles]


def _strips(values: Values, count: int) -> NDArray[np.int64]:
    """Triangles [T, 3] of strips that end with -1."""
    found, strip = [], []
    for index in [*values.values.astype(np.int64).tolist(), -1]:
        if index >= 0:
            strip.append(index)
            continue
        for number in range(len(strip) - 2):
            a, b, c = strip[number : number + 3]
            if len({a, b, c}) == 3:
                found.append((a, c, b) if number % 2 else (a, b, c))
        strip = []
    triangles = np.array(found, np.int64).reshape(-1, 3)
    _check(triangles.reshape(-1), count)
    return triangles


def _colors(rows: dict[str, Values]) -> NDArray[np.float64] | None:
    """sRGB and alpha [V, 4] of the vertices."""
    names = next((names for names in (("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue"),
                                      ("r", "g", "b")) if set(names) <= rows.keys()), None)
    if names is None:
        return None
    alpha = [rows["alpha"]] if "alpha" in rows else []
    columns = [_share(item.values) for item in [*(rows[name] for name in names), *alpha]]
    if not alpha:
        columns.append(np.ones(len(columns[0])))
    return np.nan_to_num(np.stack(columns, axis=1), nan=1.0).clip(0, 1)


def _share(values: NDArray) -> NDArray[np.float64]:
    """Of integers the share of the largest; floats above 1 are shares of 255."""
    if values.dtype.kind in "ui":
        return values / np.iinfo(values.dtype).max
    return values / 255 if len(values) and values.max() > 1 else values.astype(np.float64)
