# SPDX-License-Identifier: GPL-3.0-or-later
"""The picked image as the sidebar shows it. Blender itself draws none while the render engine is Workbench."""

import bpy
import numpy as np

SIDE = 192
LARGEST = 4096 * 4096
"""A larger image, in pixels, is left to Blender: reading it would hold the window up."""


def make_thumbnail(image: bpy.types.Image) -> None:
    """Give the image datablock a preview of its pixels, at most SIDE wide and high. Render Results tell no pixels."""
    width, height = image.size
    if image.type == "RENDER_RESULT" or not 0 < width * height <= LARGEST or image.channels != 4:
        return
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    small = shrunk(pixels.reshape(height, width, 4), SIDE)
    if image.is_float:  # scene-linear, where a preview is as on the screen
        small[..., :3] = np.clip(small[..., :3], 0.0, 1.0) ** (1 / 2.2)
    preview = image.preview_ensure()
    preview.image_size = small.shape[1], small.shape[0]
    preview.image_pixels_float.foreach_set(small.ravel())


def shrunk(pixels: np.ndarray, side: int) -> np.ndarray:
    """Float32 [H, W, 4] to at most `side` pixels each way, by the mean of whole blocks; a small one stays as it is."""
    block = -(-max(pixels.shape[:2]) // side)
    height, width = (max(extent // block, 1) for extent in pixels.shape[:2])
    rows, columns = min(block, pixels.shape[0]), min(block, pixels.shape[1])
    cut = pixels[:height * rows, :width * columns]
    mean: np.ndarray = cut.reshape(height, rows, width, columns, 4).mean(axis=(1, 3))
    return np.ascontiguousarray(mean, np.float32)
