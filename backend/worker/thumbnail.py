# SPDX-License-Identifier: GPL-3.0-or-later
"""A small image of a result's meshes for the history: surface points, shaded and sorted by depth. No GPU, no renderer.

It costs about a tenth of a second, which is why it is made here and not in Blender's main thread.
"""

import logging
from collections.abc import Sequence

import numpy as np
from PIL import Image

from ..contract import Artifact, JobFolder, MeshData, MeshwrightError, Result, replace_whole
from ..contract.result import VARIANT_GROUP

logger = logging.getLogger(__name__)

SIDE = 128
"""Width and height in pixels; drawn twice as large and reduced."""
_DRAWN = 2 * SIDE
_POINTS = 150_000
_MARGIN = 0.06  # of the image, on each side
_PLAIN = np.array([0.72, 0.72, 0.74])
_RIGHT = np.array([0.85, 0.53, 0.0]) / np.linalg.norm([0.85, 0.53, 0.0])
_AWAY = np.array([-0.49, 0.79, -0.37]) / np.linalg.norm([-0.49, 0.79, -0.37])
_LIGHT = np.array([0.35, -0.75, 0.9]) / np.linalg.norm([0.35, -0.75, 0.9])
_AMBIENT = 0.35


def keep_thumbnail(folder: JobFolder, result: Result) -> None:
    """Write `thumbnail.png` into the job's folder, where the result has a mesh. Whatever goes wrong costs only the
    thumbnail: the result is whole without it."""
    try:
        parts = [(MeshData.read(folder.outputs / artifact.file), artifact.color) for artifact in _shown(result)]
        image = draw([(mesh, color) for mesh, color in parts if not mesh.is_empty])
        if image is not None:
            with replace_whole(folder.thumbnail) as draft:
                Image.fromarray(image).save(draft)
    except (MeshwrightError, OSError, ValueError, IndexError, MemoryError) as error:
        logger.warning("There is no thumbnail of this result: %s", error)


def draw(parts: Sequence[tuple[MeshData, tuple[float, ...] | None]]) -> np.ndarray | None:
    """The parts from the front, a little from the left and above, on nothing: RGBA uint8 [SIDE, SIDE, 4].

    Meshes are in Blender's frame; a color is sRGB in [0, 1], for a part without colors of its own. None where there is
    no surface.
    """
    areas = [_areas(mesh) for mesh, _ in parts]
    total = sum(float(area.sum()) for area in areas)
    if not np.isfinite(total) or total <= 0:
        return None
    random = np.random.default_rng(0)
    sampled = [_sample(mesh, color, area, round(_POINTS * float(area.sum()) / total), random)
               for (mesh, color), area in zip(parts, areas, strict=True)]
    points, colors = (np.concatenate(arrays) for arrays in zip(*sampled, strict=True))
    return _reduced(_splatted(points, colors)) if len(points) else None


def _shown(result: Result) -> list[Artifact]:
    """All meshes, but of variants the first."""
    meshes = [artifact for artifact in result.artifacts if artifact.kind == "mesh"]
    variants = [artifact for artifact in meshes if artifact.group == VARIANT_GROUP]
    return [artifact for artifact in meshes if artifact not in variants[1:]]


def _areas(mesh: MeshData) -> np.ndarray:
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    return np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)


def _sample(mesh: MeshData, color: tuple[float, ...] | None, areas: np.ndarray, count: int,
            random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(points [N, 3], shaded colors [N, 3]), evenly on the surface."""
    if not count or not areas.sum():
        return np.empty((0, 3)), np.empty((0, 3))
    steps = np.cumsum(areas)
    faces = mesh.faces[np.searchsorted(steps, random.random(count) * steps[-1]).clip(max=len(areas) - 1)]
    one, two = random.random((2, count, 1))
    flipped = one + two > 1
    one, two = np.where(flipped, 1 - one, one), np.where(flipped, 1 - two, two)
    low, first, second = (mesh.vertices[faces[:, corner]].astype(np.float64) for corner in range(3))
    points = low + one * (first - low) + two * (second - low)
    normals = np.cross(first - low, second - low)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
    normals *= -np.sign(normals @ _AWAY)[:, None]  # both sides of a sheet are seen
    shade = _AMBIENT + (1 - _AMBIENT) * np.clip(normals @ _LIGHT, 0, None)[:, None]
    if mesh.colors is not None:
        surface = mesh.colors[faces[:, 0], :3].astype(np.float64)
    else:
        surface = _PLAIN if color is None else np.array(color[:3])
    return points, shade * surface


def _splatted(points: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """RGBA float [_DRAWN, _DRAWN, 4]: each pixel has the nearest of the points, which are two pixels wide."""
    up = np.cross(_AWAY, _RIGHT) * -1
    across = np.stack([points @ _RIGHT, points @ -up], axis=1)
    low, high = across.min(axis=0), across.max(axis=0)
    scale = _DRAWN * (1 - 2 * _MARGIN) / max(float((high - low).max()), 1e-30)
    columns, rows = ((across - (low + high) / 2) * scale + _DRAWN / 2).astype(np.intp).clip(0, _DRAWN - 1).T
    distance = points @ _AWAY
    order = np.argsort(-distance)  # the nearest last: it stays
    image, depth = np.zeros((_DRAWN, _DRAWN, 4)), np.full((_DRAWN, _DRAWN), np.inf)
    image[rows[order], columns[order]] = np.concatenate([colors, np.ones((len(colors), 1))], axis=1)[order]
    depth[rows[order], columns[order]] = distance[order]
    for axis in (0, 1):
        moved, moved_depth = np.roll(image, 1, axis), np.roll(depth, 1, axis)  # the margin keeps edges apart
        nearer = moved_depth < depth
        image[nearer], depth = moved[nearer], np.minimum(depth, moved_depth)
    return image


def _reduced(image: np.ndarray) -> np.ndarray:
    """Half as large, by the mean of what is covered."""
    blocks = image.reshape(SIDE, 2, SIDE, 2, 4)
    alpha = blocks[..., 3:].mean(axis=(1, 3))
    color = (blocks[..., :3] * blocks[..., 3:]).mean(axis=(1, 3)) / np.maximum(alpha, 1e-9)
    return (np.concatenate([color, alpha], axis=2).clip(0, 1) * 255).round().astype(np.uint8)
