# SPDX-License-Identifier: GPL-3.0-or-later
"""A PartPacker small enough for a test, with a field that has a surface."""

import numpy as np
import pytest
import torch
from transformers import Dinov2Config, Dinov2Model

from backend.pipelines.common.sampler import flow_scheduler
from backend.pipelines.partpacker.autoencoder import PartPackerAutoencoder
from backend.pipelines.partpacker.denoiser import PartPackerDenoiser
from backend.pipelines.partpacker.pipeline import PartPackerPipeline
from tests.pipelines.common.images import shaded_disc


@pytest.fixture
def tiny_denoiser() -> PartPackerDenoiser:
    """Random in every tensor, the zero-initialized ones too."""
    torch.manual_seed(0)
    denoiser = PartPackerDenoiser(width=32, layers=2, heads=4, latent_width=4, condition_width=24)
    for parameter in denoiser.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    return denoiser.eval()


@pytest.fixture
def tiny_autoencoder() -> PartPackerAutoencoder:
    torch.manual_seed(1)
    return PartPackerAutoencoder(width=32, heads=4, decoder_layers=2, latent_width=4).eval()


@pytest.fixture
def tiny_pipeline(tiny_denoiser, tiny_autoencoder) -> PartPackerPipeline:
    torch.manual_seed(2)
    config = Dinov2Config(
        hidden_size=24, num_hidden_layers=2, num_attention_heads=4, image_size=56, patch_size=14, use_swiglu_ffn=True
    )
    pipeline = PartPackerPipeline(
        Dinov2Model(config).eval(), tiny_denoiser, tiny_autoencoder, flow_scheduler(),
        tokens_per_volume=12, image_size=56,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture
def cut_out() -> np.ndarray:
    return shaded_disc()
