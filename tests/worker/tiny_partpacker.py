# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of PartPacker weights small enough for a test: random, but with a smooth field that has surfaces."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import Dinov2Config, Dinov2Model

from backend.pipelines.common.sampler import flow_scheduler
from backend.pipelines.partpacker.autoencoder import PartPackerAutoencoder
from backend.pipelines.partpacker.denoiser import PartPackerDenoiser
from backend.pipelines.partpacker.pipeline import PartPackerPipeline

SMOOTH_CHANNELS = [0, 1, 8, 9, 16, 17, 24, 25, 32, 33, 40, 41]
"""Of the Fourier encoding: the two lowest frequencies of each axis."""


def save_tiny_weights(folder: Path) -> None:
    """Write the folder as `save_pretrained` does."""
    torch.manual_seed(0)
    denoiser = PartPackerDenoiser(width=32, layers=2, heads=4, latent_width=4, condition_width=24)
    for parameter in denoiser.parameters():  # a fresh one predicts zero
        torch.nn.init.normal_(parameter, std=0.15)
    autoencoder = _with_surface(PartPackerAutoencoder(width=16, heads=2, decoder_layers=2, latent_width=4))
    config = Dinov2Config(
        hidden_size=24, num_hidden_layers=2, num_attention_heads=4, image_size=56, patch_size=14, use_swiglu_ffn=True
    )
    PartPackerPipeline(
        Dinov2Model(config), denoiser, autoencoder, flow_scheduler(), tokens_per_volume=12, image_size=56
    ).save_pretrained(folder)


@torch.no_grad()
def _with_surface(autoencoder: PartPackerAutoencoder) -> PartPackerAutoencoder:
    """Shift the field so that about an eighth of the cube is inside."""
    keep = torch.zeros(51)
    keep[SMOOTH_CHANNELS] = 3.0
    autoencoder.proj_query.weight.mul_(keep)
    autoencoder.attn_query.attn.out_proj.weight.mul_(0.2)  # the latent moves the surface, the place makes it
    autoencoder.proj_out.weight.mul_(3.0)
    points = torch.rand(1, 4000, 3) * 2 - 1
    field = autoencoder.query(points, autoencoder.decode(torch.randn(1, 12, 4)))
    autoencoder.proj_out.bias.sub_(field.quantile(0.88))
    return autoencoder


def save_image(path: Path, shift: int = 0) -> Path:
    """A shaded disc on transparent ground, 80 x 60 pixels."""
    y, x = np.mgrid[:60, :80]
    disc = (y - 32) ** 2 + (x - 35 - shift) ** 2 < 20**2
    rgba = np.stack([np.full_like(x, 200), y * 4, x * 3, 255 * disc], axis=-1).astype(np.uint8)
    Image.fromarray(rgba).save(path)
    return path
