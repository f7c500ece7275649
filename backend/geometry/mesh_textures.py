# SPDX-License-Identifier: GPL-3.0-or-later
"""The image that a mesh of a file shows as its base color, and the same image in another layout."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
import trimesh
from numpy.typing import NDArray

from ..contract import BadInput
from .projection import UVMesh, nearest_seeds, rasterize_uvs

MOST = 4096
"""Texels a side of an image in another layout."""


def base_color(mesh: trimesh.Trimesh) -> NDArray[np.uint8] | None:
    """The image uint8 [H, W, 3], sRGB, the first row on top, as its material tints it; None where there is none."""
    material = getattr(mesh.visual, "material", None)
    image = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    if image is None or image.format is None:  # trimesh makes a plain image of its own where a file has none
        return None
    pixels = np.array(image.convert("RGB"))
    factor = getattr(material, "baseColorFactor", None)
    return pixels if factor is None else _tinted(pixels, np.asarray(factor[:3], np.float64) / 255)


def check_one_material_each(path: Path) -> None:
    """Raise BadInput for an OBJ file with an object of several materials: it would be read with the first of them."""
    if path.suffix.lower() != ".obj":
        return
    text = path.read_text("utf-8", errors="replace")
    for part in re.split(r"^[ \t]*o\b", text, flags=re.MULTILINE):
        if len(set(re.findall(r"^[ \t]*usemtl[ \t]+(.+?)\s*$", part, flags=re.MULTILINE))) > 1:
            raise BadInput(f"The textures of {path.name} cannot be told apart.",
                           "An object in it uses several materials, which are read together from OBJ files.",
                           "Save it as GLB, or follow something else: --cond-type depth.")


def carried_over(
    texture: NDArray[np.uint8], uvs: NDArray[np.float32], onto: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """The image [H, W, 3] of faces with these UVs [F, 3, 2] as it is in the layout `onto` [F, 3, 2]: a square.

    It is read bilinearly, beyond the borders repeated; between the islands it is what the nearest one shows.
    """
    side = min(max(texture.shape[:2]), MOST)
    corners, faces = np.zeros((3 * len(uvs), 3), np.float32), np.arange(3 * len(uvs), dtype=np.int32).reshape(-1, 3)
    layout = UVMesh.of_corners(*(torch.from_numpy(np.ascontiguousarray(part)) for part in (corners, faces, onto)))
    found = rasterize_uvs(layout, (side, side), layers=1)
    face, weights = found.face[0].flatten().long(), found.barycentric[0].reshape(-1, 3)
    shown = torch.from_numpy(np.ascontiguousarray(uvs))[face.clamp(min=0)]
    colors = _read_bilinearly(torch.from_numpy(texture), (weights[:, :, None] * shown).sum(dim=1))
    nearest = nearest_seeds((face >= 0).view(side, side)).flatten().clamp(min=0).long()
    return colors[nearest].view(side, side, 3).numpy()


def _read_bilinearly(texture: torch.Tensor, uvs: torch.Tensor) -> torch.Tensor:
    """Colors uint8 [N, 3] at coordinates [N, 2], v up, of an image [H, W, 3] that repeats."""
    height, width = texture.shape[:2]
    across, down = uvs[:, 0] * width - 0.5, (1 - uvs[:, 1]) * height - 0.5
    left, top = across.floor(), down.floor()
    mixed = torch.zeros(len(uvs), 3)
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = (1 - (down - top - row).abs()) * (1 - (across - left - column).abs())
        places = (top.long() + row) % height, (left.long() + column) % width
        mixed += weight[:, None] * texture[places].float()
    return mixed.round().clamp(0, 255).to(torch.uint8)


def _tinted(pixels: NDArray[np.uint8], factor: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Multiplied by a linear factor a channel."""
    levels = np.arange(256) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)[:, None] * factor
    encoded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    table = (encoded.clip(0, 1) * 255).round().astype(np.uint8)
    return np.stack([table[pixels[..., channel], channel] for channel in range(3)], axis=2)
