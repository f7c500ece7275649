# SPDX-License-Identifier: GPL-3.0-or-later
"""Images to latents and back, with Stable Diffusion's autoencoder (docs/algorithms/hunyuan3d_paint.md, "Latents")."""

import torch
from diffusers import AutoencoderKL
from torch import Tensor

FACTOR = 8
"""Pixels of an image for each pixel of its latent, along a side."""


def encode(vae: AutoencoderKL, images: Tensor, noise: Tensor) -> Tensor:
    """A draw of the images' latents, float32 `[B, 4, h, h]`: the network was trained on draws, not on the means.

    Args:
        vae: the autoencoder.
        images: `[B, 3, 8 h, 8 h]` in [0, 1].
        noise: standard normal, of the latents' shape.
    """
    posterior = vae.encode((images.to(vae.dtype) - 0.5) * 2.0).latent_dist
    drawn = posterior.mean.float() + posterior.std.float() * noise
    scaled: Tensor = drawn * vae.config.scaling_factor
    return scaled


def decode(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    """Images float32 `[B, 3, 8 h, 8 h]` of latents `[B, 4, h, h]`, in [-1, 1] but for overshoot."""
    decoded: Tensor = vae.decode((latents / vae.config.scaling_factor).to(vae.dtype), return_dict=False)[0]
    return decoded.float()


def to_pixels(decoded: Tensor) -> Tensor:
    """Decoded images as uint8 `[B, H, W, 3]`."""
    return ((decoded / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0).round().to(torch.uint8).permute(0, 2, 3, 1)
