# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepared images to condition tokens with DINOv2 (docs/algorithms/hunyuan3d_shape.md, "Condition")."""

import torch
from torch import Tensor
from torch.nn import functional
from transformers import Dinov2Model

from ..common.image_condition import image_tokens, middle

VIEW_PERIOD = 10000.0
VIEWS = ("front", "left", "back", "right")
"""Views by their number; each next one is seen after the object was turned a quarter clockwise."""


def encoder_images(images: Tensor, size: int) -> Tensor:
    """`[B, 3, H, W]` RGB in [-1, 1] -> float32 `[B, 3, size, size]` in [0, 1], as DINOv2 is given them.

    The shorter side becomes `size`, bilinear with antialias, and the middle is cut out.
    """
    images = (images.float() + 1) / 2
    height, width = images.shape[-2:]
    shorter = min(height, width)
    resized = functional.interpolate(
        images, (size * height // shorter, size * width // shorter), mode="bilinear", antialias=True
    )
    return middle(resized, size)


def view_code(views: Tensor, width: int) -> Tensor:
    """Float32 `[V, width]` of view numbers `[V]`: sines, then cosines; 0 front, 1 left, 2 back, 3 right."""
    half = width // 2
    frequencies = VIEW_PERIOD ** (-torch.arange(half, dtype=torch.float64) / half)
    angles = views.cpu().double()[:, None] * frequencies  # not every device has float64
    return torch.cat([angles.sin(), angles.cos()], dim=1).float().to(views.device)


def condition_tokens(image_encoder: Dinov2Model, images: Tensor, size: int, views: Tensor | None = None) -> Tensor:
    """Condition of images in [-1, 1], in the encoder's dtype; all zeros stand for "no condition".

    Args:
        images: `[B, 3, H, W]`, or with `views` `[B, V, 3, H, W]`.
        size: pixels of a side that the encoder sees.
        views: the numbers `[V]` of the views, in ascending order, for weights that know views.

    Returns:
        `[B, T, W]`, T = 1 + (size / 14)^2 tokens for each view, the views one after the other.
    """
    tokens = image_tokens(image_encoder, encoder_images(images.flatten(0, -4), size)).all
    if views is None:
        return tokens
    tokens = tokens.unflatten(0, (-1, len(views)))
    code = view_code(views.to(tokens.device), tokens.shape[-1]).to(tokens.dtype)
    return (tokens + code[None, :, None]).flatten(1, 2)
