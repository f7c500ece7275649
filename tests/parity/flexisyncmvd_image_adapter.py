# SPDX-License-Identifier: GPL-3.0-or-later
"""UNets of golden runs, with an image adapter of the sizes that its tensors have."""

import json
from collections.abc import Mapping
from typing import Any

from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import IPAdapterAttnProcessor2_0
from diffusers.models.embeddings import (
    ImageProjection,
    IPAdapterPlusImageProjection,
    MultiIPAdapterImageProjection,
)
from torch import Tensor, nn

from .golden import Golden

RESAMPLER_HEADS = 4
"""Heads of a resampler whose file does not say."""
PROJECTION = "encoder_hid_proj.image_projection_layers.0."


def unet_of(weights: Golden, config: Mapping[str, Any], image_scale: float) -> UNet2DConditionModel:
    """The UNet of a run's file; `config` is the run's."""
    unet_config = weights.json("unet")
    adapted = unet_config.pop("encoder_hid_dim_type", None) == "ip_image_proj"
    unet = UNet2DConditionModel.from_config(unet_config)
    tensors = weights.weights("unet.")
    if adapted:
        options = config.get("ip_projection") or json.loads(weights.metadata.get("ip_projection", "{}"))
        _add_image_adapter(unet, tensors, options if isinstance(options, dict) else {}, image_scale)
    unet.load_state_dict(tensors)
    return unet.eval()


def _add_image_adapter(
    unet: UNet2DConditionModel, tensors: dict[str, Tensor], options: Mapping[str, Any], image_scale: float
) -> None:
    projection, tokens = _resampler(tensors, options) if f"{PROJECTION}latents" in tensors else _linear(tensors)
    processors = dict(unet.attn_processors)
    for name in processors:
        if f"{name}.to_k_ip.0.weight" in tensors:
            width, context = tensors[f"{name}.to_k_ip.0.weight"].shape
            processors[name] = IPAdapterAttnProcessor2_0(width, context, (tokens,), image_scale)
    unet.set_attn_processor(processors)
    unet.encoder_hid_proj = MultiIPAdapterImageProjection([projection])
    unet.config.encoder_hid_dim_type = "ip_image_proj"


def _resampler(tensors: dict[str, Tensor], options: Mapping[str, Any]) -> tuple[nn.Module, int]:
    """The "plus" kind; only the number of its heads is not in its tensors."""
    _, tokens, width = tensors[f"{PROJECTION}latents"].shape
    inner = tensors[f"{PROJECTION}layers.0.attn.to_q.weight"].shape[0]
    heads = int(options.get("heads", options.get("num_heads", RESAMPLER_HEADS)))
    if "dim_head" in options:
        heads = inner // int(options["dim_head"])
    depth = len({name.split(".")[4] for name in tensors if name.startswith(f"{PROJECTION}layers.")})
    projection = IPAdapterPlusImageProjection(
        embed_dims=tensors[f"{PROJECTION}proj_in.weight"].shape[1],
        output_dims=tensors[f"{PROJECTION}proj_out.weight"].shape[0],
        hidden_dims=width,
        depth=depth,
        dim_head=inner // heads,
        heads=heads,
        num_queries=tokens,
        ffn_ratio=tensors[f"{PROJECTION}layers.0.ff.1.net.0.proj.weight"].shape[0] / width,
    )
    return projection, tokens


def _linear(tensors: dict[str, Tensor]) -> tuple[nn.Module, int]:
    """The plain kind: one linear layer to all tokens."""
    outputs, inputs = tensors[f"{PROJECTION}image_embeds.weight"].shape
    width = tensors[f"{PROJECTION}norm.weight"].shape[0]
    return ImageProjection(inputs, width, outputs // width), outputs // width
