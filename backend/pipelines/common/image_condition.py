# SPDX-License-Identifier: GPL-3.0-or-later
"""Image to condition tokens with DINOv2 (docs/algorithms/partpacker.md, section 2)."""

import torch
from torch import Tensor
from torch.nn import functional
from transformers import Dinov2Model

MEAN = (0.485, 0.456, 0.406)
STANDARD_DEVIATION = (0.229, 0.224, 0.225)


def normalize_image(image: Tensor) -> Tensor:
    """`[B, 3, H, W]` RGB in [0, 1] -> the same shape in float32, normalized as DINOv2 expects."""
    mean = torch.tensor(MEAN, device=image.device).view(3, 1, 1)
    deviation = torch.tensor(STANDARD_DEVIATION, device=image.device).view(3, 1, 1)
    return (image.float() - mean) / deviation


def last_block_tokens(image_encoder: Dinov2Model, pixels: Tensor) -> Tensor:
    """Class and patch tokens `[B, 1 + H W / 196, W]` after the last block, BEFORE the final layer norm.

    They are caught where they enter that norm: unlike `hidden_states[-1]` this means the same in every version of
    transformers, and unlike a call of the encoder alone it goes through the model's offload hooks.
    """
    caught: list[Tensor] = []
    hook = image_encoder.layernorm.register_forward_pre_hook(lambda _module, inputs: caught.append(inputs[0]))
    try:
        image_encoder(pixels)
    finally:
        hook.remove()
    return caught[0]


def condition_tokens(image_encoder: Dinov2Model, image: Tensor) -> Tensor:
    """Condition `[B, T, W]` of a square image `[B, 3, H, W]` in [0, 1], in the encoder's dtype.

    The tokens pass a layer norm without weight (eps 1e-5) in float32. All zeros stand for "no condition".
    """
    tokens = last_block_tokens(image_encoder, normalize_image(image).to(image_encoder.dtype))
    return functional.layer_norm(tokens.float(), tokens.shape[-1:], eps=1e-5).to(tokens.dtype)
