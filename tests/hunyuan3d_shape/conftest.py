# SPDX-License-Identifier: GPL-3.0-or-later
"""A Hunyuan3D shape pipeline small enough for a test, with a field that has a surface."""

import numpy as np
import pytest
import torch
from transformers import Dinov2Config, Dinov2Model

from backend.pipelines.hunyuan3d_shape.autoencoder import ShapeAutoencoder
from backend.pipelines.hunyuan3d_shape.mixture_denoiser import MixtureDenoiser
from backend.pipelines.hunyuan3d_shape.pipeline import HunyuanShapePipeline
from backend.pipelines.hunyuan3d_shape.scheduler import ShapeScheduler
from backend.pipelines.hunyuan3d_shape.two_stream_denoiser import TwoStreamDenoiser
from tests.pipelines.common.images import shaded_disc


def randomized(network: torch.nn.Module, std: float = 0.15) -> torch.nn.Module:
    """Random in every tensor."""
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=std)
    return network.eval()


@pytest.fixture
def tiny_mixture() -> MixtureDenoiser:
    torch.manual_seed(0)
    denoiser = MixtureDenoiser(
        width=32, depth=5, heads=4, latent_width=4, condition_width=64, hidden_width=64, time_hidden_width=64,
        mixture_blocks=1, experts=4,
    )
    return randomized(denoiser)


@pytest.fixture
def tiny_two_stream() -> TwoStreamDenoiser:
    torch.manual_seed(0)
    denoiser = TwoStreamDenoiser(
        width=32, depth=2, single_depth=2, heads=4, latent_width=4, condition_width=64, hidden_width=64
    )
    return randomized(denoiser)


@pytest.fixture
def tiny_autoencoder() -> ShapeAutoencoder:
    torch.manual_seed(1)
    return ShapeAutoencoder(
        width=32, heads=4, encoder_layers=1, decoder_layers=2, latent_width=4, field_width=32, scale_factor=1.25
    ).eval()


@pytest.fixture
def tiny_image_encoder() -> Dinov2Model:
    torch.manual_seed(2)
    config = Dinov2Config(
        hidden_size=64, num_hidden_layers=2, num_attention_heads=1, image_size=56, patch_size=14, layer_norm_eps=1e-6
    )
    return Dinov2Model(config).eval()


@pytest.fixture
def tiny_pipeline(tiny_mixture, tiny_autoencoder, tiny_image_encoder) -> HunyuanShapePipeline:
    pipeline = HunyuanShapePipeline(
        tiny_image_encoder, tiny_mixture, tiny_autoencoder, ShapeScheduler(), tokens=16, image_size=64,
        encoder_size=56,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture
def tiny_views_pipeline(tiny_two_stream, tiny_autoencoder, tiny_image_encoder) -> HunyuanShapePipeline:
    """One that knows named views."""
    pipeline = HunyuanShapePipeline(
        tiny_image_encoder, tiny_two_stream, tiny_autoencoder, ShapeScheduler(), tokens=16, image_size=64,
        encoder_size=56, named_views=True,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture
def cut_out() -> np.ndarray:
    return shaded_disc()
