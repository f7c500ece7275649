# SPDX-License-Identifier: GPL-3.0-or-later
"""The denoiser's condition (docs/algorithms/partpacker.md, section 2)."""

from torch import Tensor
from torch.nn import functional
from transformers import Dinov2Model

from ..common.image_condition import image_tokens


def condition_tokens(image_encoder: Dinov2Model, image: Tensor) -> Tensor:
    """Condition `[B, T, W]` of a square image `[B, 3, H, W]` in [0, 1], in the encoder's dtype.

    DINOv2's tokens before its last norm pass a layer norm without weight (eps 1e-5) in float32. All zeros stand for
    "no condition".
    """
    tokens = image_tokens(image_encoder, image, last_norm=False).all
    return functional.layer_norm(tokens.float(), tokens.shape[-1:], eps=1e-5).to(tokens.dtype)
