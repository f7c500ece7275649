# SPDX-License-Identifier: GPL-3.0-or-later
"""The base color of a glTF material."""

from __future__ import annotations

import io
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..surfaces import Surface
from .document import Document, Entry
from .extensions import IMAGE_SOURCES, SPECULAR_GLOSSINESS, TEXTURE_TRANSFORM, UNREAD_IMAGES


def read_surface(document: Document, index: int) -> Surface:
    """The material of that index. Raises Unreadable; its image is opened later."""
    material = document.entry("materials", index)
    texture, factor = _base_color(material)
    opened = None if texture is None else partial(_opened, document, texture["index"])
    return Surface(str(material.get("name") or f"material {index}"), opened, (factor[0], factor[1], factor[2]),
                   None if texture is None else _transform(texture))


def uv_set(document: Document, index: int | None) -> int:
    """Which set of UVs (TEXCOORD_n) the base color of that material uses; 0 without any."""
    if index is None:
        return 0
    texture, _ = _base_color(document.entry("materials", index))
    if texture is None:
        return 0
    moved = texture.get("extensions", {}).get(TEXTURE_TRANSFORM, {})
    return int(moved.get("texCoord", texture.get("texCoord", 0)))


def _base_color(material: Entry) -> tuple[Entry | None, list[float]]:
    """(the texture's entry or None, the linear factors)."""
    glossy = material.get("extensions", {}).get(SPECULAR_GLOSSINESS)
    if glossy is not None:
        return glossy.get("diffuseTexture"), glossy.get("diffuseFactor", [1.0] * 4)
    plain = material.get("pbrMetallicRoughness", {})
    return plain.get("baseColorTexture"), plain.get("baseColorFactor", [1.0] * 4)


def _transform(texture: Entry) -> NDArray[np.float64] | None:
    """KHR_texture_transform as a matrix [2, 3] for UVs with v up; None for none."""
    moved: dict[str, Any] | None = texture.get("extensions", {}).get(TEXTURE_TRANSFORM)
    if moved is None:
        return None
    (x, y), (width, height) = moved.get("offset", (0.0, 0.0)), moved.get("scale", (1.0, 1.0))
    cosine, sine = np.cos(moved.get("rotation", 0.0)), np.sin(moved.get("rotation", 0.0))
    down = np.array([[cosine * width, sine * height, x], [-sine * width, cosine * height, y], [0, 0, 1]])
    flip = np.array([[1.0, 0, 0], [0, -1, 1], [0, 0, 1]])
    return (flip @ down @ flip)[:2]


def _opened(document: Document, index: int) -> Image.Image:
    """Raises ValueError for an image of a kind that is not read, OSError for a damaged one."""
    texture = document.entry("textures", index)
    extensions = texture.get("extensions", {})
    source = texture.get("source", next((extensions[name]["source"] for name in IMAGE_SOURCES if name in extensions),
                                        None))
    if source is None:
        name = next((name for name in UNREAD_IMAGES if name in extensions), "an unknown extension")
        raise ValueError(f"Its image is compressed ({name}), which is not read.")
    image = document.entry("images", source)
    content = document.resource(image["uri"]) if "uri" in image else document.view(image["bufferView"])[0]
    return Image.open(io.BytesIO(content))
