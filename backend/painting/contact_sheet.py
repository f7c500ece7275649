# SPDX-License-Identifier: GPL-3.0-or-later
"""All views in one image."""

from math import isqrt

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..contract import JobFolder, Progress, replace_preview

BACKGROUND = 0.5
"""Gray of the places without a view."""
SHEET = "views.png"


def contact_sheet(images: Tensor, widest: int = 1024) -> Image.Image:
    """Views [V, 3, s, s] in [0, 1] in rows of about a square, at most `widest` pixels wide."""
    columns = isqrt(len(images) - 1) + 1
    rows = -(-len(images) // columns)
    side = images.shape[-1]
    sheet = torch.full((3, rows * side, columns * side), BACKGROUND)
    for number, view in enumerate(images.float().cpu()):
        row, column = divmod(number, columns)
        sheet[:, row * side : (row + 1) * side, column * side : (column + 1) * side] = view
    result = Image.fromarray((sheet.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))
    result.thumbnail((widest, widest))
    return result


def preview_sheet(images: Tensor, folder: JobFolder, progress: Progress) -> None:
    """Show the contact sheet of views [V, 3, s, s] in [0, 1] as the job's preview.

    Blender may be reading the last one: the file is there whole or not at all.
    """
    with replace_preview(folder.outputs / SHEET) as draft:
        contact_sheet(images).save(draft)
    progress.preview(SHEET)
