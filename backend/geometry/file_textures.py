# SPDX-License-Identifier: GPL-3.0-or-later
"""The image that a mesh of a file shows as its base color."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray

from ..contract import BadInput
from .srgb import linear_to_srgb, srgb_to_linear


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
            raise BadInput(f"The textures of {path.name} cannot be kept apart.",
                           "An object in it uses several materials, which are read together from OBJ files.",
                           "Save it as GLB, or follow something else: --cond-type depth.")


def _tinted(pixels: NDArray[np.uint8], factor: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Multiplied by a linear factor for each channel."""
    encoded = linear_to_srgb(srgb_to_linear(np.arange(256) / 255)[:, None] * factor)
    table = (encoded.clip(0, 1) * 255).round().astype(np.uint8)
    return np.stack([table[pixels[..., channel], channel] for channel in range(3)], axis=2)
