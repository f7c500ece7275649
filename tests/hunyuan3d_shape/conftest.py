# SPDX-License-Identifier: GPL-3.0-or-later
"""Tiny networks, new ones for each test."""

import numpy as np
import pytest
from transformers import Dinov2Model

from backend.pipelines.hunyuan3d_shape.autoencoder import ShapeAutoencoder
from backend.pipelines.hunyuan3d_shape.mixture_denoiser import MixtureDenoiser
from backend.pipelines.hunyuan3d_shape.pipeline import HunyuanShapePipeline
from backend.pipelines.hunyuan3d_shape.two_stream_denoiser import TwoStreamDenoiser
from tests.pipelines.common.images import shaded_disc

from . import tiny_networks


@pytest.fixture
def tiny_mixture() -> MixtureDenoiser:
    return tiny_networks.tiny_mixture()


@pytest.fixture
def tiny_two_stream() -> TwoStreamDenoiser:
    return tiny_networks.tiny_two_stream()


@pytest.fixture
def tiny_autoencoder() -> ShapeAutoencoder:
    return tiny_networks.tiny_autoencoder()


@pytest.fixture
def tiny_image_encoder() -> Dinov2Model:
    return tiny_networks.tiny_image_encoder()


@pytest.fixture
def tiny_pipeline(tiny_mixture, tiny_autoencoder, tiny_image_encoder) -> HunyuanShapePipeline:
    return tiny_networks.tiny_pipeline(tiny_mixture, tiny_autoencoder, tiny_image_encoder)


@pytest.fixture
def tiny_views_pipeline(tiny_two_stream, tiny_autoencoder, tiny_image_encoder) -> HunyuanShapePipeline:
    """One that knows named views."""
    return tiny_networks.tiny_pipeline(tiny_two_stream, tiny_autoencoder, tiny_image_encoder, named_views=True)


@pytest.fixture
def cut_out() -> np.ndarray:
    return shaded_disc()
