# SPDX-License-Identifier: GPL-3.0-or-later
"""A result as one image, for those who cannot open a GLB: shaded, from the front, the right and above."""

import io
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from ..geometry.mesh_files import NamedMesh
from ..geometry.projection.rasterizer import rasterize

SIZE = 512
_FILL = 0.9
_BACKGROUND = np.array([0.19, 0.19, 0.19])
_PLAIN = (0.75, 0.75, 0.75)
_TURN, _TILT = np.radians(35.0), np.radians(25.0)
_LIGHT = np.array([-0.35, -0.75, 0.56])


def preview_png(parts: Sequence[NamedMesh]) -> bytes:
    """A PNG of `SIZE` pixels a side of meshes in Blender's frame, each in its color or with its base color map."""
    whole = np.concatenate([part.mesh.vertices for part in parts])
    low, high = whole.min(axis=0), whole.max(axis=0)
    center, scale = (low + high) / 2, 2 * _FILL / max(float(np.linalg.norm(high - low)), 1e-9)
    vertices = (whole - center) * scale
    offsets = np.cumsum([0] + [len(part.mesh.vertices) for part in parts[:-1]])
    faces = np.concatenate([part.mesh.faces + offset for part, offset in zip(parts, offsets, strict=True)])
    camera = _camera()
    seen = vertices @ camera.T
    screen = torch.from_numpy(np.stack([-seen[:, 0], seen[:, 1], 4.0 - seen[:, 2]], axis=1).astype(np.float32))
    fragments = rasterize(screen, torch.from_numpy(faces.astype(np.int32)), (SIZE, SIZE), cull=False)
    face, weights = fragments.face[0].numpy(), fragments.barycentric[0].numpy()
    hit = face >= 0
    colors = np.concatenate([_colors(part) for part in parts])
    image = np.tile(_BACKGROUND, (SIZE, SIZE, 1))
    image[hit] = colors[face[hit]]
    start = 0
    for part in parts:
        stop = start + len(part.mesh.faces)
        inside = hit & (face >= start) & (face < stop)
        if "base_color" in part.maps and part.mesh.uvs is not None:
            image[inside] = _sampled(part, face[inside] - start, weights[inside])
        start = stop
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    image[hit] *= (0.35 + 0.65 * np.abs(normals @ (_LIGHT / np.linalg.norm(_LIGHT))))[face[hit], None]
    file = io.BytesIO()
    Image.fromarray((image.clip(0, 1) * 255).round().astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def _camera() -> np.ndarray:
    """Rows: right, up and toward the viewer, in Blender's frame."""
    toward = np.array([np.sin(_TURN) * np.cos(_TILT), -np.cos(_TURN) * np.cos(_TILT), np.sin(_TILT)])
    right = np.array([np.cos(_TURN), np.sin(_TURN), 0.0])
    return np.stack([right, np.cross(toward, right), toward])


def _colors(part: NamedMesh) -> np.ndarray:
    """sRGB in [0, 1] of every face, float [F, 3]."""
    mesh = part.mesh
    if mesh.colors is not None:
        return mesh.colors[mesh.faces, :3].mean(axis=1)
    return np.tile(np.array(part.color or _PLAIN, float)[:3], (len(mesh.faces), 1))


def _sampled(part: NamedMesh, face: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """sRGB in [0, 1] of the part's base color map at points of its faces, float [P, 3]."""
    assert part.mesh.uvs is not None
    with Image.open(part.maps["base_color"]) as opened:
        texels = np.asarray(opened.convert("RGB")) / 255.0
    uv = np.einsum("pc,pcd->pd", weights, part.mesh.uvs[face]).clip(0.0, 1.0)
    height, width = texels.shape[:2]
    return texels[((1 - uv[:, 1]) * (height - 1)).round().astype(int), (uv[:, 0] * (width - 1)).round().astype(int)]
