# SPDX-License-Identifier: GPL-3.0-or-later
"""A Hunyuan3D shape pipeline small enough for a test, with a field that has a surface."""

import torch
from transformers import Dinov2Config, Dinov2Model

from backend.pipelines.hunyuan3d_shape.autoencoder import ShapeAutoencoder
from backend.pipelines.hunyuan3d_shape.mixture_denoiser import MixtureDenoiser
from backend.pipelines.hunyuan3d_shape.pipeline import HunyuanShapePipeline
from backend.pipelines.hunyuan3d_shape.scheduler import ShapeScheduler
from backend.pipelines.hunyuan3d_shape.two_stream_denoiser import TwoStreamDenoiser


def randomized(network: torch.nn.Module, std: float = 0.15) -> torch.nn.Module:
    """Random in every tensor."""
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=std)
    return network.eval()


def tiny_mixture() -> MixtureDenoiser:
    """The denoiser of one image."""
    torch.manual_seed(0)
    denoiser = MixtureDenoiser(
        width=32, depth=5, heads=4, latent_width=4, condition_width=64, hidden_width=64, time_hidden_width=64,
        mixture_blocks=1, experts=4,
    )
    return randomized(denoiser)


def tiny_two_stream() -> TwoStreamDenoiser:
    """The denoiser of named views."""
    torch.manual_seed(0)
    denoiser = TwoStreamDenoiser(
        width=32, depth=2, single_depth=2, heads=4, latent_width=4, condition_width=64, hidden_width=64
    )
    return randomized(denoiser)


def tiny_autoencoder() -> ShapeAutoencoder:
    """Random as it is made."""
    torch.manual_seed(1)
    return ShapeAutoencoder(
        width=32, heads=4, encoder_layers=1, decoder_layers=2, latent_width=4, field_width=32, scale_factor=1.25
    ).eval()


def tiny_image_encoder() -> Dinov2Model:
    """Sees 4 x 4 patches."""
    torch.manual_seed(2)
    config = Dinov2Config(
        hidden_size=64, num_hidden_layers=2, num_attention_heads=1, image_size=56, patch_size=14, layer_norm_eps=1e-6
    )
    return Dinov2Model(config).eval()


def tiny_pipeline(denoiser: torch.nn.Module, autoencoder: ShapeAutoencoder, encoder: Dinov2Model,
                  named_views: bool = False) -> HunyuanShapePipeline:
    """The networks together."""
    pipeline = HunyuanShapePipeline(encoder, denoiser, autoencoder, ShapeScheduler(), tokens=16, image_size=64,
                                    encoder_size=56, named_views=named_views)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@torch.no_grad()
def with_surface(pipeline: HunyuanShapePipeline) -> HunyuanShapePipeline:
    """Give the pipeline a smooth field with a surface: an offset of the first sines and cosines."""
    autoencoder = pipeline.autoencoder
    decoder = autoencoder.geo_decoder
    keep = torch.zeros(51)
    keep[[0, 1, 2, 3, 11, 19]] = 2.0  # the coordinates and their slowest sines
    decoder.query_proj.weight.mul_(keep)
    decoder.cross_attn_decoder.attn.c_proj.weight.mul_(0.05)  # the latent moves the surface, the place makes it
    points = torch.rand(1, 4000, 3) * 2 - 1
    field = autoencoder.query(points, autoencoder.field_context(autoencoder.decode(torch.randn(1, 16, 4))))
    decoder.output_proj.weight.mul_(3.0)
    decoder.output_proj.bias.sub_(3 * field.quantile(0.85))
    pipeline.register_to_config(sharp_share=0.5)
    return pipeline
