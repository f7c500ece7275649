# SPDX-License-Identifier: GPL-3.0-or-later
"""A checkpoint in one file, as model sites offer them: the original layout under diffusers' names.

diffusers' own conversion does the renaming. It is called part by part and offline; the networks' shapes are those of
the base that the file is an offspring of, so they are taken from the base's folder.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from diffusers.loaders.single_file_utils import (
    convert_ldm_clip_checkpoint,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_open_clip_checkpoint,
)
from torch import Tensor

from .components import Family
from .family import UNET
from .files import Stored

Config = Mapping[str, Any]


@dataclass(frozen=True)
class _Part:
    """A network's tensors in the file: their prefix, and how they are renamed (all of the file, configuration)."""

    prefix: str
    convert: Callable[[dict[str, Tensor], dict[str, Any]], dict[str, Tensor]]


def _text_encoder(tensors: dict[str, Tensor], _config: dict[str, Any]) -> dict[str, Tensor]:
    return convert_ldm_clip_checkpoint(tensors)


def _second_text_encoder(tensors: dict[str, Tensor], _config: dict[str, Any]) -> dict[str, Tensor]:
    if f"{_SDXL_SECOND}text_projection" not in tensors:
        raise KeyError("text_projection")
    # the first argument is only asked for the projection's width where the file does not say it
    return convert_open_clip_checkpoint(None, tensors, prefix=_SDXL_SECOND)


_SDXL_SECOND = "conditioner.embedders.1.model."
_UNET = _Part(UNET, convert_ldm_unet_checkpoint)
_VAE = _Part("first_stage_model.", convert_ldm_vae_checkpoint)
_PARTS: Mapping[Family, Mapping[str, _Part]] = {
    "sd15": {
        "unet": _UNET,
        "vae": _VAE,
        "text_encoder": _Part("cond_stage_model.transformer.", _text_encoder),
    },
    "sdxl": {
        "unet": _UNET,
        "vae": _VAE,
        "text_encoder": _Part("conditioner.embedders.0.transformer.", _text_encoder),
        "text_encoder_2": _Part(_SDXL_SECOND, _second_text_encoder),
    },
}


def parts_in(stored: Stored, family: Family) -> set[str]:
    """Which networks the file brings. Some bring a UNet only; the rest is then the base's."""
    return {component for component, part in _PARTS[family].items()
            if any(name.startswith(part.prefix) for name in stored.tensors)}


def converted(stored: Stored, family: Family, component: str, config: Config) -> Stored:
    """One network's tensors under diffusers' names. Raises CheckpointError where the conversion misses a tensor."""
    part = _PARTS[family][component]
    own = {name: tensor for name, tensor in stored.tensors.items() if name.startswith(part.prefix)}
    try:
        tensors = part.convert(own, dict(config))
    except KeyError as error:
        raise stored.origin.error(f"{stored.name} does not contain the expected weights.",
                                  f"{part.prefix}{error.args[0]} is missing.") from error
    return Stored(f"{stored.name} ({component})", tensors, stored.remarks, stored.origin)
