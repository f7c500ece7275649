# SPDX-License-Identifier: GPL-3.0-or-later
"""Tiny random checkpoints in every form that artists have: a set of weights, a diffusers folder, a single file."""

import json
import re
import string
from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from backend.pipelines.flexisyncmvd.checkpoint.lora_names import original_name
from backend.pipelines.flexisyncmvd.published_networks import CONFIGS, SCHEDULER

LETTERS = [*string.ascii_lowercase, ",", "."]
TOKENS = ["<|startoftext|>", "<|endoftext|>", *LETTERS, *(f"{letter}</w>" for letter in LETTERS)]
LONGEST = 32
TEXT_WIDTH = 16
_UNET = {"norm_num_groups": 4, "sample_size": 8, "layers_per_block": 1}
TINY_UNET = {
    "sd15": {**CONFIGS["sd15"]["unet"], **_UNET, "block_out_channels": (8, 16, 16, 16), "attention_head_dim": 2,
             "cross_attention_dim": TEXT_WIDTH},
    "sdxl": {**CONFIGS["sdxl"]["unet"], **_UNET, "block_out_channels": (8, 16, 16), "attention_head_dim": (1, 2, 2),
             "transformer_layers_per_block": (1, 1, 2), "cross_attention_dim": 2 * TEXT_WIDTH,
             "addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 6 * 8 + TEXT_WIDTH},
}
_HINT = {"conditioning_embedding_out_channels": (4, 4, 8, 8)}


def tiny_vae(scaling: float, **changes: object) -> AutoencoderKL:
    """A VAE of the published form, 8 channels wide."""
    config = {**CONFIGS["sd15"]["vae"], "block_out_channels": (8, 8, 16, 16), "norm_num_groups": 4, "sample_size": 16}
    return AutoencoderKL.from_config({**config, "scaling_factor": scaling, **changes})


def tiny_text_encoder(projected: bool) -> nn.Module:
    """CLIP's text encoder, two layers; with a projection it is SDXL's second one."""
    config = CLIPTextConfig(
        vocab_size=len(TOKENS), hidden_size=TEXT_WIDTH, intermediate_size=24, num_hidden_layers=2,
        num_attention_heads=2, projection_dim=TEXT_WIDTH, hidden_act="gelu" if projected else "quick_gelu",
        max_position_embeddings=LONGEST, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)


def write_tokenizer(folder: Path, pad: str = "<|endoftext|>") -> None:
    """A vocabulary of single letters, in the files of the published ones. SDXL's second one pads with "!"."""
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(TOKENS)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer",
                                                              "model_max_length": LONGEST, "pad_token": pad}))


def randomized(network: nn.Module, seed: int) -> nn.Module:
    """The network with weights that are all different: zeros and ones would hide a tensor in another's place."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.1 + (0.5 if parameter.ndim == 1 else 0.0)
    return network.eval()


def write_diffusers_folder(folder: Path, family: str, seed: int = 0, fp16: bool = False,
                           **scheduler: object) -> Path:
    """A checkpoint as diffusers saves it, with tokenizers and a scheduler."""
    variant = {"variant": "fp16"} if fp16 else {}
    networks = base_networks(family, seed)
    for name, network in networks.items():
        if fp16:
            network.half()
        network.save_pretrained(folder / name, **(variant if name in ("unet", "vae") else {}))
    write_tokenizer(folder / "tokenizer")
    if family == "sdxl":
        write_tokenizer(folder / "tokenizer_2", pad="x")
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps({**SCHEDULER, **scheduler}))
    (folder / "model_index.json").write_text("{}")
    return folder


def base_networks(family: str, seed: int) -> dict[str, nn.Module]:
    """UNet, VAE and text encoders of a family, tiny and random."""
    networks = {
        "unet": UNet2DConditionModel.from_config(TINY_UNET[family]),
        "vae": tiny_vae(0.18215) if family == "sd15" else tiny_vae(0.13025, force_upcast=False),
        "text_encoder": tiny_text_encoder(projected=False),
    }
    if family == "sdxl":
        networks["text_encoder_2"] = tiny_text_encoder(projected=True)
    return {name: randomized(network, seed + index) for index, (name, network) in enumerate(networks.items())}


def tiny_controlnet(family: str, seed: int) -> ControlNetModel:
    """A ControlNet that goes with the family's tiny UNet."""
    unet = TINY_UNET[family]
    config = {name: unet[name] for name in unet if name not in ("out_channels", "up_block_types", "sample_size")}
    return randomized(ControlNetModel.from_config({**config, **_HINT}), seed)


def write_set(folder: Path, family: str, controls: tuple[str, ...] = ("depth",), adapter: bool = False) -> Path:
    """A set of weights in the layout that the download makes."""
    write_diffusers_folder(folder / "base", family)
    for index, kind in enumerate(controls):
        tiny_controlnet(family, 50 + index).save_pretrained(folder / "controlnet" / kind)
    if adapter:
        write_adapter(folder / "ip_adapter", family)
    return folder


def write_adapter(folder: Path, family: str) -> None:
    """An IP-Adapter "plus" with one layer and an image encoder, as published: flat names in one file."""
    vision = CLIPVisionConfig(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
                              image_size=28, patch_size=14, projection_dim=16)
    randomized(CLIPVisionModelWithProjection(vision), 70).save_pretrained(folder / "image_encoder")
    unet = UNet2DConditionModel.from_config(TINY_UNET[family])
    context = unet.config.cross_attention_dim
    # four layers with heads of 64, as diffusers takes for granted
    shapes = {
        "latents": (1, 4, 64), "proj_in.weight": (64, 16), "proj_in.bias": (64,), "proj_out.weight": (context, 64),
        "proj_out.bias": (context,), "norm_out.weight": (context,), "norm_out.bias": (context,),
    }
    layer = {"0.norm1.weight": (64,), "0.norm1.bias": (64,), "0.norm2.weight": (64,), "0.norm2.bias": (64,),
             "0.to_q.weight": (64, 64), "0.to_kv.weight": (128, 64), "0.to_out.weight": (64, 64),
             "1.0.weight": (64,), "1.0.bias": (64,), "1.1.weight": (256, 64), "1.3.weight": (64, 256)}
    shapes |= {f"layers.{index}.{name}": shape for index in range(4) for name, shape in layer.items()}
    generator = torch.Generator().manual_seed(80)
    tensors = {f"image_proj.{name}": torch.randn(shape, generator=generator) * 0.1 for name, shape in shapes.items()}
    cross = [name for name in unet.attn_processors if "attn2" in name]
    for index, name in enumerate(cross):
        inner = unet.get_submodule(name.removesuffix(".processor")).inner_dim
        for part in ("k", "v"):
            tensors[f"ip_adapter.{2 * index + 1}.to_{part}_ip.weight"] = \
                torch.randn(inner, context, generator=generator)
    save_file(tensors, folder / "ip-adapter-plus.safetensors")


def write_single_file(path: Path, folder: Path, family: str, extra: Mapping[str, Tensor] = {},
                      remarks: Mapping[str, str] | None = None,
                      parts: tuple[str, ...] = ("unet", "vae", "text")) -> Path:
    """A diffusers folder's networks in one file, in the layout of model sites."""
    tensors: dict[str, Tensor] = {}
    if "unet" in parts:
        unet = UNet2DConditionModel.from_pretrained(folder / "unet")
        tensors |= {f"model.diffusion_model.{name}": tensor for name, tensor in original_unet(unet).items()}
    if "vae" in parts:
        vae = load_file(folder / "vae" / "diffusion_pytorch_model.safetensors")
        tensors |= {f"first_stage_model.{_original_vae(name)}": _as_convolution(name, tensor)
                    for name, tensor in vae.items()}
    if "text" in parts:
        first = "cond_stage_model.transformer." if family == "sd15" else "conditioner.embedders.0.transformer."
        text = load_file(folder / "text_encoder" / "model.safetensors")
        tensors |= {f"{first}text_model.{name.removeprefix('text_model.')}": tensor for name, tensor in text.items()}
        tensors[f"{first}text_model.embeddings.position_ids"] = torch.arange(LONGEST)[None]
    if "text" in parts and family == "sdxl":
        second = load_file(folder / "text_encoder_2" / "model.safetensors")
        tensors |= {f"conditioner.embedders.1.model.{name}": tensor for name, tensor in _open_clip(second).items()}
    save_file({**tensors, **extra}, path, remarks)
    return path


def original_unet(unet: UNet2DConditionModel) -> dict[str, Tensor]:
    """A UNet's tensors under the names of single files."""
    tensors = {}
    for name, tensor in unet.state_dict().items():
        module, _, kind = name.rpartition(".")
        tensors[f"{original_name(module, unet)}.{kind}"] = tensor
    return tensors


def _original_vae(name: str) -> str:
    name = re.sub(r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2", name)
    name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(r"up_blocks\.(\d)\.resnets\.(\d)", lambda m: f"up.{3 - int(m[1])}.block.{m[2]}", name)
    name = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{3 - int(m[1])}.upsample", name)
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
    name = name.replace("mid_block.attentions.0", "mid.attn_1").replace("conv_shortcut", "nin_shortcut")
    for new, old in (("group_norm", "norm"), ("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out")):
        name = name.replace(f"attn_1.{new}.", f"attn_1.{old}.")
    return name.replace("conv_norm_out", "norm_out")


def _as_convolution(name: str, tensor: Tensor) -> Tensor:
    """The original VAE's attention is made of convolutions of one pixel."""
    return tensor[:, :, None, None].contiguous() if "attentions" in name and tensor.ndim == 2 else tensor


def _open_clip(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """OpenCLIP's names, with query, key and value in one matrix and the projection transposed."""
    renamed = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
               "self_attn.out_proj": "attn.out_proj"}
    result = {"logit_scale": torch.tensor(1.0)}
    for name, tensor in tensors.items():
        plain = name.removeprefix("text_model.")
        if found := re.fullmatch(r"encoder\.layers\.(\d+)\.self_attn\.q_proj\.(weight|bias)", plain):
            three = [tensors[name.replace("q_proj", part)] for part in ("q_proj", "k_proj", "v_proj")]
            result[f"transformer.resblocks.{found[1]}.attn.in_proj_{found[2]}"] = torch.cat(three)
        elif "k_proj" in plain or "v_proj" in plain:
            continue
        elif plain.startswith("encoder.layers."):
            for new, old in renamed.items():
                plain = plain.replace(new, old)
            result[plain.replace("encoder.layers.", "transformer.resblocks.")] = tensor
        else:
            result |= _open_clip_outside(plain, tensor)
    return result


def _open_clip_outside(name: str, tensor: Tensor) -> dict[str, Tensor]:
    names = {"embeddings.token_embedding.weight": "token_embedding.weight",
             "embeddings.position_embedding.weight": "positional_embedding",
             "final_layer_norm.weight": "ln_final.weight", "final_layer_norm.bias": "ln_final.bias"}
    if name == "text_projection.weight":
        return {"text_projection": tensor.T.contiguous()}
    return {names[name]: tensor}
