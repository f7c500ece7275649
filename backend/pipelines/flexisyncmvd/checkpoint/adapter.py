# SPDX-License-Identifier: GPL-3.0-or-later
"""The IP-Adapter, which lets an image speak as a prompt: from its file into the UNet, and out of it again."""

from collections.abc import Mapping

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor2_0
from torch import Tensor

from ....contract.reports import LoadReport, ignore
from ...common.checkpoint_shapes import Shapes
from .files import Stored, check_shapes

PARTS = ("image_proj", "ip_adapter")
LABEL = "image adapter"
LATENTS, PROJECTION = "image_proj.latents", "image_proj.proj_in.weight"
RESAMPLER_LAYERS = 4

Adapter = dict[str, dict[str, Tensor]]


def check_adapter(stored: Stored, unet: UNet2DConditionModel, published: Shapes | None = None) -> None:
    """Raise CheckpointError unless the file is an adapter of the "plus" kind for this UNet.

    See docs/algorithms/flexisyncmvd.md, section 9.
    """
    if LATENTS not in stored.tensors or PROJECTION not in stored.tensors:
        raise stored.origin.error(f"{stored.name} is not the adapter that is needed.",
                                  f"Only IP-Adapters of the kind 'plus' are read; {LATENTS} is missing.")
    queries, features = stored.tensors[LATENTS].shape, stored.tensors[PROJECTION].shape[-1]
    context = unet.config.cross_attention_dim
    layers = {**_resampler(queries[-1], features, context), **_cross_attention(unet, context)}
    expected = {LATENTS: tuple(queries), **layers, **(published or {})}
    check_shapes(stored, stored.shapes, expected)


def _resampler(width: int, features: int, context: int) -> dict[str, tuple[int, ...]]:
    """The projection's tensors, but for its queries, whose number is free."""
    shapes: dict[str, tuple[int, ...]] = {
        "proj_in.weight": (width, features), "proj_in.bias": (width,),
        "proj_out.weight": (context, width), "proj_out.bias": (context,),
        "norm_out.weight": (context,), "norm_out.bias": (context,),
    }
    for layer in range(RESAMPLER_LAYERS):
        vectors = ("0.norm1.weight", "0.norm1.bias", "0.norm2.weight", "0.norm2.bias", "1.0.weight", "1.0.bias")
        shapes |= {f"layers.{layer}.{name}": (width,) for name in vectors}
        # the inner width is the outer one in all published adapters: heads of 64
        matrices = {"0.to_q": (width, width), "0.to_kv": (2 * width, width), "0.to_out": (width, width),
                    "1.1": (4 * width, width), "1.3": (width, 4 * width)}
        shapes |= {f"layers.{layer}.{name}.weight": shape for name, shape in matrices.items()}
    return {f"image_proj.{name}": shape for name, shape in shapes.items()}


def _cross_attention(unet: UNet2DConditionModel, context: int) -> dict[str, tuple[int, ...]]:
    """The keys' and values' weights of every cross attention, counted in diffusers' order."""
    cross = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
    inner = [unet.get_submodule(name.removesuffix(".processor")).inner_dim for name in cross]
    return {f"ip_adapter.{2 * index + 1}.to_{part}_ip.weight": (width, context)
            for index, width in enumerate(inner) for part in ("k", "v")}


def read_adapter(
    stored: Stored, dtype: torch.dtype, device: torch.device | str, report: LoadReport = ignore
) -> Adapter:
    """A checked file's two parts, {"image_proj": …, "ip_adapter": …}, as diffusers takes them."""
    adapter: Adapter = {part: {} for part in PARTS}
    for name, tensor in stored.tensors.items():
        part, _, inner = name.partition(".")
        if part in adapter:
            report(LABEL)
            adapter[part][inner] = tensor.to(device, dtype)
    return adapter


def attach_adapter(unet: UNet2DConditionModel, adapter: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Put the adapter into the UNet: its layers into the cross attentions first, then its projection.

    In the other order the projection's own attention would be replaced too.
    """
    detach_adapter(unet)
    # Not public, but what diffusers' public `load_ip_adapter` ends in, which belongs to a pipeline and loads more.
    unet._load_ip_adapter_weights([adapter])
    unet.requires_grad_(False).eval()


def detach_adapter(unet: UNet2DConditionModel) -> None:
    """Leave a UNet without image adapter and with ordinary attention."""
    unet.encoder_hid_proj = None
    unet.config.encoder_hid_dim_type = None
    unet.set_attn_processor(AttnProcessor2_0())
