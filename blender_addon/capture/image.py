# SPDX-License-Identifier: GPL-3.0-or-later
"""An image datablock of any kind becomes one image file.

An image that lies unchanged in a file, on disk or packed, is taken byte for byte, so that its orientation, profile and
depth reach the worker as they are. Everything else (painted, generated, rendered, floating point) is written as PNG.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy
import numpy as np

from ..backend.contract import BadInput

_PLAIN = {  # what the image libraries of this field read, by the file's first bytes
    b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"BM": ".bmp", b"GIF8": ".gif", b"II*\x00": ".tif", b"MM\x00*": ".tif",
}


def capture_image(image: bpy.types.Image, folder: Path, scene: bpy.types.Scene, stem: str = "image") -> str:
    """Write the image into `folder` as `stem` with the suffix of its kind; returns the file's name there.

    `scene` gives the Render Result its view transform. Raises BadInput for an image that has no pixels.
    """
    if image.type == "RENDER_RESULT":
        return _rendered(image, folder / f"{stem}.png", scene)
    content = None if image.is_dirty or image.is_float else _file_content(image)
    suffix = content and _suffix(content)
    if content and suffix:
        (folder / f"{stem}{suffix}").write_bytes(content)
        return f"{stem}{suffix}"
    return _from_pixels(image, folder / f"{stem}.png")


def _file_content(image: bpy.types.Image) -> bytes | None:
    """The bytes of the image's file, packed or on disk; None when there is no single file."""
    if image.packed_file:
        return bytes(image.packed_file.data)
    path = Path(bpy.path.abspath(image.filepath, library=image.library))
    if image.source != "FILE" or not image.filepath or not path.is_file():
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"The image {image.name} cannot be read.", f"{path}: {error.strerror}.",
                       "Choose another image.") from error


def _suffix(content: bytes) -> str | None:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return ".webp"
    return next((suffix for magic, suffix in _PLAIN.items() if content.startswith(magic)), None)


def _rendered(image: bpy.types.Image, path: Path, scene: bpy.types.Scene) -> str:
    """The Render Result as the artist sees it, with its transparency."""
    try:
        with _output_as_png(scene.render.image_settings):
            image.save_render(str(path), scene=scene)
    except RuntimeError as error:
        raise BadInput("There is no rendered image.", str(error).strip(), "Render one first (F12).") from error
    return path.name


@contextmanager
def _output_as_png(settings: bpy.types.ImageFormatSettings) -> Iterator[None]:
    """The scene's output is PNG with alpha meanwhile. From 5.0 on a kind of media comes before its formats."""
    names = (*(("media_type",) if hasattr(settings, "media_type") else ()), "file_format", "color_mode", "color_depth")
    kept = [(name, getattr(settings, name)) for name in names]
    as_png = {"media_type": "IMAGE", "file_format": "PNG", "color_mode": "RGBA", "color_depth": "8"}
    try:
        for name in names:
            setattr(settings, name, as_png[name])
        yield
    finally:
        for name, value in kept:
            setattr(settings, name, value)


def _from_pixels(image: bpy.types.Image, path: Path) -> str:
    """Write the datablock's pixels as an 8-bit PNG through a temporary datablock."""
    pixels = pixels_of(image)
    if image.is_float:
        pixels = display_pixels(pixels)
    height, width = pixels.shape[:2]
    copy = bpy.data.images.new("Meshwright capture", width, height, alpha=True)
    try:
        copy.pixels.foreach_set(np.ascontiguousarray(pixels).ravel())
        copy.file_format, copy.filepath_raw = "PNG", str(path)
        copy.save()
    finally:
        bpy.data.images.remove(copy)
    return path.name


def pixels_of(image: bpy.types.Image) -> np.ndarray:
    """RGBA float32 [H, W, 4], bottom row first, as the datablock holds them. Raises BadInput when it holds none."""
    width, height = image.size
    values = np.empty(len(image.pixels), np.float32)
    if not values.size or not width * height:
        raise BadInput(f"The image {image.name} cannot be read.", "It is not an image, or its file no longer exists.",
                       "Choose a PNG, JPEG or WebP file.")
    image.pixels.foreach_get(values)
    values = values.reshape(height, width, -1)
    if values.shape[2] == 4:
        return values
    gray = values if values.shape[2] == 3 else values[:, :, :1].repeat(3, axis=2)
    return np.concatenate([gray, np.ones((height, width, 1), np.float32)], axis=2)


def display_pixels(pixels: np.ndarray) -> np.ndarray:
    """Scene-linear, premultiplied float RGBA [H, W, 4] as sRGB with straight alpha in [0, 1]."""
    alpha = np.clip(np.nan_to_num(pixels[:, :, 3:]), 0.0, 1.0)
    straight = np.nan_to_num(pixels[:, :, :3]) / np.where(alpha > 0, alpha, 1.0)
    light = np.clip(straight, 0.0, 1.0)
    encoded = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.concatenate([encoded, alpha], axis=2).astype(np.float32)
