# SPDX-License-Identifier: GPL-3.0-or-later
"""Images to tokens with DINOv2 (Oquab et al. 2023) of any size: the condition of all models that take an image."""

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import Dinov2Model

MEAN = (0.485, 0.456, 0.406)
STANDARD_DEVIATION = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class ImageTokens:
    """What the image encoder returns for B images.

    Attributes:
        all: `[B, 1 + T, W]`, the class token first, then the patches row by row.
    """

    all: Tensor

    @property
    def class_token(self) -> Tensor:
        """`[B, W]`."""
        return self.all[:, 0]

    @property
    def patches(self) -> Tensor:
        """`[B, T, W]`."""
        return self.all[:, 1:]


def normalize_image(image: Tensor) -> Tensor:
    """`[B, 3, H, W]` RGB in [0, 1] -> the same shape in float32, normalized as DINOv2 expects."""
    mean = torch.tensor(MEAN, device=image.device).view(3, 1, 1)
    deviation = torch.tensor(STANDARD_DEVIATION, device=image.device).view(3, 1, 1)
    return (image.float() - mean) / deviation


def middle(images: Tensor, size: int) -> Tensor:
    """The middle `size` pixels a side of images `[..., H, W]`."""
    top, left = (round((side - size) / 2) for side in images.shape[-2:])
    return images[..., top : top + size, left : left + size]


def image_tokens(image_encoder: Dinov2Model, images: Tensor, *, last_norm: bool = True) -> ImageTokens:
    """Tokens of RGB images `[B, 3, H, W]` in [0, 1] on the encoder's device, in its dtype: one for each 14 x 14 pixels.

    Positions are interpolated where that is another number of patches than the encoder was trained with. Without
    `last_norm` tokens are those after the last block, before the final layer norm. They are caught where they enter it:
    unlike `hidden_states[-1]` this means the same in every version of transformers, and unlike a call of the blocks
    alone it goes through the model's offload hooks.
    """
    pixels = normalize_image(images).to(image_encoder.dtype)
    if last_norm:
        return ImageTokens(image_encoder(pixels).last_hidden_state)
    caught: list[Tensor] = []
    hook = image_encoder.layernorm.register_forward_pre_hook(lambda _module, inputs: caught.append(inputs[0]))
    try:
        image_encoder(pixels)
    finally:
        hook.remove()
    return ImageTokens(caught[0])
