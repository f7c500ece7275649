# SPDX-License-Identifier: GPL-3.0-or-later
"""How LoRA files name the layers of the networks: kohya's underscores, diffusers' dots, the original layout's numbers.

All of a network's layers are named in all forms, and a file's names are looked up. Taking the names apart
instead would be guesswork: an underscore may stand for a dot or for itself.
"""

import re
from collections.abc import Iterator, Mapping

from diffusers import UNet2DConditionModel
from torch import nn

from .networks import canonical

Place = tuple[str, str]
"""Network ("unet", "text_encoder", "text_encoder_2") and the layer's name in it."""

_KOHYA = {"unet": ("lora_unet_",), "text_encoder": ("lora_te_", "lora_te1_"), "text_encoder_2": ("lora_te2_",)}
_OLD_PROJECTIONS = {"to_q": "q_proj", "to_k": "k_proj", "to_v": "v_proj", "to_out": "out_proj"}
_RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
    "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}
_OUTSIDE_BLOCKS = {
    "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
}
_MIDDLE = {("resnets", 0): 0, ("attentions", 0): 1, ("resnets", 1): 2}


def module_names(networks: Mapping[str, nn.Module]) -> dict[str, Place]:
    """Every layer that a LoRA may change, under all names that it goes by in files."""
    names = {}
    for network, whole in networks.items():
        for own, _ in whole.named_modules():
            for name in (_unet_names(own, whole) if network == "unet" else _text_names(network, own)):
                names[name] = (network, own)
    return names


def original_name(module: str, unet: UNet2DConditionModel) -> str | None:
    """A UNet layer's name in the layout of single files ("input_blocks.4.1.proj_in"), or None for a container."""
    if module in _OUTSIDE_BLOCKS:
        return _OUTSIDE_BLOCKS[module]
    per_block = unet.config.layers_per_block + 1
    if found := re.fullmatch(r"mid_block\.(resnets|attentions)\.(\d+)\.(.+)", module):
        kind, index, inner = found[1], int(found[2]), found[3]
        return f"middle_block.{_MIDDLE[kind, index]}.{_inner(kind, inner)}"
    found = re.fullmatch(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)", module)
    if found is None:
        return None
    side, block, kind, index, inner = found[1], int(found[2]), found[3], int(found[4]), found[5]
    if kind == "downsamplers":
        return f"input_blocks.{(block + 1) * per_block}.0.op"
    if kind == "upsamplers":
        attends = bool(getattr(unet.up_blocks[block], "attentions", None))
        return f"output_blocks.{(block + 1) * per_block - 1}.{2 if attends else 1}.conv"
    number = 1 + block * per_block + index if side == "down" else block * per_block + index
    blocks = "input_blocks" if side == "down" else "output_blocks"
    return f"{blocks}.{number}.{0 if kind == 'resnets' else 1}.{_inner(kind, inner)}"


def _inner(kind: str, name: str) -> str:
    return _RESNET[name] if kind == "resnets" and name in _RESNET else name


def _unet_names(module: str, unet: UNet2DConditionModel) -> Iterator[str]:
    dotted = module.replace(".to_out.0", ".to_out")  # diffusers' older form
    original = original_name(module, unet)
    for name in (module, dotted, *([original] if original else [])):
        yield f"unet.{name}"
        yield f"base_model.model.{name}"
        yield f"diffusion_model.{name}"
        yield "lora_unet_" + name.replace(".", "_")


def _text_names(network: str, module: str) -> Iterator[str]:
    plain = canonical(module)
    old = plain
    for new_name, old_name in _OLD_PROJECTIONS.items():
        old = re.sub(rf"\.{old_name}$", f".{new_name}", old)
    for name in (plain, old, f"text_model.{plain}", f"text_model.{old}"):
        yield f"{network}.{name}"
        for prefix in _KOHYA[network]:
            yield prefix + name.replace(".", "_")
