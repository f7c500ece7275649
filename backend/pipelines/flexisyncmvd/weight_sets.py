# SPDX-License-Identifier: GPL-3.0-or-later
"""The weights that FlexiSyncMVD paints with: where they are, their sizes and terms. Free of torch.

Published sets of one family share a folder: with the small one installed, only the rest of the large one is fetched.
"""

from collections.abc import Mapping

from ...contract import License, WeightFile, WeightSet
from ...contract.parameter import Value
from ..common.components import CLIP_VIT_H
from ..common.starter_license import STARTER_LICENSE

_RESTRICTIONS = (
    "You may use the weights and what you make with them, commercially too; the makers claim no rights in your "
    "images. You may not use them: to break a law; to exploit or harm minors; to spread verifiably false information "
    "that harms others; to spread personal data that can harm somebody; to defame, disparage or harass; for fully "
    "automated decisions that affect somebody's legal rights; to discriminate against or harm people or groups by "
    "behavior, traits or protected characteristics; to exploit the weakness of a group; to give medical advice or "
    "interpret medical results; or for the administration of justice, law enforcement, immigration or asylum, such as "
    "predicting crime. Who passes on the weights, or a model made from them, must pass on the license and bind the "
    "next user to the same restrictions."
)

_SUMMARY = "These words are our summary; what counts are the licenses on the model pages: read them before you accept."
_ADAPTER = "IP-Adapter is by Tencent AI Lab, Apache-2.0. "

SD15_LICENSE = License(
    name="CreativeML Open RAIL-M",
    url="https://huggingface.co/spaces/CompVis/stable-diffusion-license",
    text=f"Stable Diffusion 1.5 is under the CreativeML Open RAIL-M, ControlNet 1.1 under its own OpenRAIL. {_ADAPTER}"
         f"{_RESTRICTIONS} {_SUMMARY}",
    commercial_use=True,
)

SDXL_LICENSE = License(
    name="CreativeML Open RAIL++-M",
    url="https://huggingface.co/stabilityai/stable-diffusion-xl-base-1.0/blob/main/LICENSE.md",
    text=f"Stable Diffusion XL and the ControlNets for depth and canny are under the CreativeML Open RAIL++-M, the "
         f"ControlNet for tile is Apache-2.0, the VAE for half precision MIT. {_ADAPTER}{_RESTRICTIONS} {_SUMMARY}",
    commercial_use=True,
)

STARTER = WeightSet(
    name="starter",
    label="Demo",
    description="Demo model (included). Paints an object all over in one color and material",
    files=(),
    license=STARTER_LICENSE,
    gigabytes=0.01,
    memory={"full": 1.0},
    bundled=True,
    takes=(),
    parameter_defaults={
        "steps": 12, "guidance_scale": 2.5, "latent_view_size": "32", "texture_size": "512",
        "conditioning_scale": 1.0, "conditioning_scale_end": 1.0, "control_guidance_end": 1.0,
    },
    preset_values={"draft": {"steps": 6, "views": 4}, "best": {"steps": 24, "texture_size": "1024"}},
)

SD15, SDXL = "stable-diffusion-v1-5/stable-diffusion-v1-5", "stabilityai/stable-diffusion-xl-base-1.0"
HALF_VAE = "madebyollin/sdxl-vae-fp16-fix"
ADAPTER = "h94/IP-Adapter"
_NETWORK, _HALF = "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.fp16.safetensors"
_TEXT = "model.fp16.safetensors"
_VOCABULARY = ("vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json")


def _files(repository: str, remote: str, local: str, names: tuple[str, ...]) -> tuple[WeightFile, ...]:
    """Files of one folder of a repository; `remote` and `local` end with "/" or are empty."""
    return tuple(WeightFile(repository, f"{remote}{name}", f"{local}{name}") for name in names)


def _diffusers(repository: str, networks: Mapping[str, str], tokenizers: tuple[str, ...]) -> tuple[WeightFile, ...]:
    parts = [_files(repository, f"{name}/", f"base/{name}/", ("config.json", file)) for name, file in networks.items()]
    parts += [_files(repository, f"{name}/", f"base/{name}/", _VOCABULARY) for name in tokenizers]
    parts += [_files(repository, "scheduler/", "base/scheduler/", ("scheduler_config.json",))]
    return tuple(file for part in parts for file in part)


def _controlnet(repository: str, kind: str, file: str = _HALF) -> tuple[WeightFile, ...]:
    return _files(repository, "", f"controlnet/{kind}/", ("config.json", file))


def _adapter(remote: str) -> tuple[WeightFile, ...]:
    return (WeightFile(ADAPTER, remote, "ip_adapter/ip-adapter-plus.safetensors"),)


_SD15_SMALL = (
    *_diffusers(SD15, {"unet": _HALF, "vae": _HALF, "text_encoder": _TEXT}, ("tokenizer",)),
    *_controlnet("lllyasviel/control_v11f1p_sd15_depth", "depth"),
)
_SD15_ALL = (
    *_SD15_SMALL,
    *_controlnet("lllyasviel/control_v11p_sd15_normalbae", "normal"),
    *_controlnet("lllyasviel/control_v11p_sd15_canny", "canny"),
    *_adapter("models/ip-adapter-plus_sd15.safetensors"),
)

_SDXL_SMALL = (
    *_diffusers(SDXL, {"unet": _HALF, "text_encoder": _TEXT, "text_encoder_2": _TEXT}, ("tokenizer", "tokenizer_2")),
    *_files(HALF_VAE, "", "base/vae/", ("config.json", _NETWORK)),
    *_controlnet("diffusers/controlnet-depth-sdxl-1.0", "depth"),
)

_SDXL_ALL = (
    *_SDXL_SMALL,
    *_controlnet("diffusers/controlnet-canny-sdxl-1.0", "canny"),
    *_controlnet("xinsir/controlnet-tile-sdxl-1.0", "tile", _NETWORK),
    *_adapter("sdxl_models/ip-adapter-plus_sdxl_vit-h.safetensors"),
)


def published_sets(
    sd15_defaults: Mapping[str, Value] | None = None, sdxl_defaults: Mapping[str, Value] | None = None
) -> tuple[WeightSet, ...]:
    """The catalogue, with the options' defaults that suit each family.

    Sizes are those of the tensors in the manifests, in the precision in which they are published. The memory is what
    ten views with depth and an image take on an H200 (docs/performance.md); the complete sets' further networks are
    added.
    """
    sd15, sdxl = sd15_defaults or {}, sdxl_defaults or {}
    return (
        WeightSet("sd15", "SD 1.5", "Stable Diffusion 1.5, guided by depth", _SD15_SMALL, SD15_LICENSE, gigabytes=2.9,
                  memory={"full": 6.8, "balanced": 4.3}, takes=(), parameter_defaults=sd15, folder="sd15"),
        WeightSet("sd15_all", "SD 1.5 Complete", "With normals, canny edges, and an image as prompt", _SD15_ALL,
                  SD15_LICENSE, gigabytes=4.4, memory={"full": 8.2, "balanced": 4.3}, components=(CLIP_VIT_H,),
                  parameter_defaults=sd15, folder="sd15"),
        WeightSet("sdxl", "SDXL", "Stable Diffusion XL, guided by depth", _SDXL_SMALL, SDXL_LICENSE, gigabytes=9.6,
                  memory={"full": 15.3, "balanced": 10.6}, takes=(), parameter_defaults=sdxl, folder="sdxl"),
        WeightSet("sdxl_all", "SDXL Complete", "With canny edges, the current texture, and an image as prompt",
                  _SDXL_ALL, SDXL_LICENSE, gigabytes=15.5, memory={"full": 20.0, "balanced": 10.6},
                  components=(CLIP_VIT_H,),
                  parameter_defaults=sdxl, folder="sdxl"),
    )
