# SPDX-License-Identifier: GPL-3.0-or-later
"""FlexiSyncMVD's networks at their published size with random weights, made on the device: nothing is downloaded."""

import argparse
from typing import Any

import torch
from diffusers import AutoencoderKL, ControlNetModel, MultiControlNetModel, UNet2DConditionModel
from diffusers.models.attention_processor import IPAdapterAttnProcessor2_0
from diffusers.models.embeddings import IPAdapterPlusImageProjection, MultiIPAdapterImageProjection
from torch import nn
from transformers import (
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from backend.pipelines.flexisyncmvd.pipeline import FlexiSyncMVDPipeline
from backend.pipelines.flexisyncmvd.published_networks import CONFIGS
from backend.pipelines.flexisyncmvd.schedule import ddpm_scheduler

RESAMPLER = {"sd15": {"hidden_dims": 768, "heads": 12}, "sdxl": {"hidden_dims": 1280, "heads": 20}}
IMAGE_TOKENS = 16
TINY = {
    "block_out_channels": (32, 64, 64),
    "down_block_types": ("CrossAttnDownBlock2D",) * 2 + ("DownBlock2D",),
    "cross_attention_dim": 64,
    "attention_head_dim": 4,
    "layers_per_block": 1,
}


class CountedTokens:
    """Stands for CLIP's tokenizer: as many tokens as words, whatever they are."""

    model_max_length, bos_token_id, eos_token_id, pad_token_id = 77, 49406, 49407, 49407

    def __call__(self, text: str, **_: object) -> argparse.Namespace:
        words = [320 + len(word) for word in text.split()][: self.model_max_length - 2]
        return argparse.Namespace(input_ids=[self.bos_token_id, *words, self.eos_token_id])


def build_pipeline(family: str, device: torch.device, dtype: torch.dtype, tiny: bool) -> FlexiSyncMVDPipeline:
    """Random weights, made where they will be used."""
    torch.manual_seed(0)
    configs = {name: dict(config) for name, config in CONFIGS[family].items()}
    if tiny:
        configs = _tiny(configs)
    before, scheduler = torch.get_default_dtype(), ddpm_scheduler()
    torch.set_default_dtype(dtype)
    try:
        with device:
            pipeline = FlexiSyncMVDPipeline(
                vae=AutoencoderKL.from_config(configs["vae"]),
                text_encoder=CLIPTextModel(CLIPTextConfig(**configs["text_encoder"])),
                tokenizer=CountedTokens(),
                unet=UNet2DConditionModel.from_config(configs["unet"]),
                scheduler=scheduler,
                controlnet=MultiControlNetModel([ControlNetModel.from_config(configs["controlnet"])]),
                image_encoder=CLIPVisionModelWithProjection(CLIPVisionConfig(**configs["image_encoder"])),
                feature_extractor=CLIPImageProcessor(),
                control_kinds=["depth"],
                **_second_encoder(configs),
            )
            add_image_adapter(pipeline.unet, configs["image_encoder"]["hidden_size"], **RESAMPLER[family])
    finally:
        torch.set_default_dtype(before)
    for network in pipeline.components.values():
        if isinstance(network, nn.Module):
            network.to(device, dtype).requires_grad_(False).eval()
    return pipeline


def _second_encoder(configs: dict[str, dict]) -> dict[str, Any]:
    if "text_encoder_2" not in configs:
        return {}
    return {
        "text_encoder_2": CLIPTextModelWithProjection(CLIPTextConfig(**configs["text_encoder_2"])),
        "tokenizer_2": CountedTokens(),
    }


def _tiny(configs: dict[str, dict]) -> dict[str, dict]:
    """The same kinds of networks for a CPU, to try the benchmark itself."""
    blocks = {**TINY, "transformer_layers_per_block": 1}
    ups = ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D")
    clip = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    tiny = {
        "unet": {**configs["unet"], **blocks, "up_block_types": ups},
        "controlnet": {**configs["controlnet"], **blocks},
        "vae": {**configs["vae"], "block_out_channels": (32, 32, 32, 32), "layers_per_block": 1},
        "text_encoder": {**configs["text_encoder"], **clip, "hidden_size": 64, "projection_dim": 64},
        "image_encoder": {**configs["image_encoder"], **clip},
    }
    if "text_encoder_2" in configs:
        tiny["text_encoder_2"] = {**configs["text_encoder_2"], **clip, "projection_dim": 64}
        tiny["text_encoder"] = {**tiny["text_encoder"], "hidden_size": 32}
        for name in ("unet", "controlnet"):
            tiny[name]["projection_class_embeddings_input_dim"] = 64 + 6 * tiny[name]["addition_time_embed_dim"]
    return tiny


def add_image_adapter(unet: UNet2DConditionModel, image_width: int, hidden_dims: int, heads: int) -> None:
    """An IP-Adapter "plus" of the published size, from diffusers' own layers."""
    context = unet.config.cross_attention_dim
    processors = {
        name: IPAdapterAttnProcessor2_0(
            unet.get_submodule(name.removesuffix(".processor")).inner_dim, context, (IMAGE_TOKENS,), 0.5
        )
        if name.endswith("attn2.processor")
        else processor
        for name, processor in unet.attn_processors.items()
    }
    unet.set_attn_processor(processors)
    unet.encoder_hid_proj = MultiIPAdapterImageProjection(
        [
            IPAdapterPlusImageProjection(
                image_width, context, hidden_dims, depth=4, dim_head=64, heads=heads, num_queries=IMAGE_TOKENS
            )
        ]
    )
    unet.config.encoder_hid_dim_type = "ip_image_proj"
