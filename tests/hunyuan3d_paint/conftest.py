# SPDX-License-Identifier: GPL-3.0-or-later
"""A tiny pipeline with random weights."""

import pytest
import torch
from diffusers import AutoencoderKL
from transformers import Dinov2Config, Dinov2Model

from backend.pipelines.common.rrdbnet import RRDBNet
from backend.pipelines.hunyuan3d_paint.pipeline import Hunyuan3DPaintPipeline
from backend.pipelines.hunyuan3d_paint.sampling import paint_scheduler
from backend.pipelines.hunyuan3d_paint.unet import PaintUNet, ReferenceUNet

SIZES = {"sample_size": 8, "block_out_channels": (16, 32, 32, 32), "layers_per_block": 1,
         "attention_head_dim": (1, 2, 2, 2), "cross_attention_dim": 32, "norm_num_groups": 8, "prompt_tokens": 5}


def tiny_pipeline() -> Hunyuan3DPaintPipeline:
    """The same for every call."""
    torch.manual_seed(0)
    encoder = Dinov2Model(Dinov2Config(hidden_size=24, num_hidden_layers=1, num_attention_heads=3, image_size=28))
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 8, 16, 16), layers_per_block=1, norm_num_groups=4, sample_size=64,
    )
    return Hunyuan3DPaintPipeline(
        encoder.eval(), vae.eval(), ReferenceUNet(**SIZES).eval(), PaintUNet(**SIZES, image_width=24).eval(),
        paint_scheduler(), RRDBNet(features=8, blocks=1, growth=4).eval(),
    )


@pytest.fixture(scope="session")
def pipeline() -> Hunyuan3DPaintPipeline:
    made = tiny_pipeline()
    made.set_progress_bar_config(disable=True)
    return made
