# SPDX-License-Identifier: GPL-3.0-or-later
"""Between images and latents: plain backgrounds in, views out (docs/algorithms/flexisyncmvd.md, sections 6 and 7)."""

from collections.abc import Callable

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from ..common.finiteness import finite
from .backgrounds import color_images


def encode_colors(
    vae: AutoencoderKL, size: int, device: torch.device | str, check: Callable[[], None]
) -> tuple[Tensor, Tensor]:
    """Mean and deviation, float32 [14, 4, size / 8, size / 8] each, of the background colors' latents, unscaled."""
    means, deviations = [], []
    for images in color_images(size, device, vae.dtype).split(1):
        check()
        posterior = vae.encode(images.contiguous()).latent_dist
        means.append(posterior.mean.float())
        deviations.append(posterior.std.float())
    return torch.cat(means), torch.cat(deviations)


def decode_views(vae: AutoencoderKL, latents: Tensor, rows: int, on_rows: Callable[[int], None]) -> Tensor:
    """Latents [V, 4, s, s] to images float32 [V, 3, 8 s, 8 s] in [0, 1]; `on_rows` is called with how many are done.

    Raises NotFiniteError.
    """
    images: list[Tensor] = []
    for part in (latents / vae.config.scaling_factor).to(vae.dtype).split(rows):
        decoded = vae.decode(part, return_dict=False)[0].float()
        images += (finite(decoded, "A decoded view", "prompt", "Try another seed") / 2 + 0.5).clamp(0, 1)
        on_rows(len(images))
    return torch.stack(images)
