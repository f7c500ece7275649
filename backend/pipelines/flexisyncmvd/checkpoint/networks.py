# SPDX-License-Identifier: GPL-3.0-or-later
"""From stored tensors to a network: planned and checked first, without memory, then filled tensor by tensor.

All networks of a checkpoint are planned before the first is filled, so a wrong file is found in a second and not after
minutes of reading.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from accelerate import init_empty_weights
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from torch import Tensor, nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from ....contract.reports import LoadReport, ignore
from ...common.checkpoint import Change, StoredTensors, fill, shapes_by_name
from ...common.checkpoint_shapes import PUBLISHED, Origin, Shapes
from .files import Stored, check_shapes

Build = Callable[[Mapping[str, Any]], nn.Module]

BUILDERS: Mapping[str, Build] = {
    "unet": UNet2DConditionModel.from_config,
    "vae": AutoencoderKL.from_config,
    "controlnet": ControlNetModel.from_config,
    "text_encoder": lambda config: CLIPTextModel(CLIPTextConfig.from_dict(dict(config))),
    "text_encoder_2": lambda config: CLIPTextModelWithProjection(CLIPTextConfig.from_dict(dict(config))),
    "image_encoder": lambda config: CLIPVisionModelWithProjection(CLIPVisionConfig.from_dict(dict(config))),
}
_OLD_ATTENTION = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}


@dataclass
class PlannedNetwork:
    """A network without memory and the stored tensors that go into it, by the network's own names."""

    label: str
    network: nn.Module
    tensors: dict[str, Tensor]
    origin: Origin = PUBLISHED

    def filled(
        self, dtype: torch.dtype, device: torch.device | str, report: LoadReport = ignore,
        change: Change = lambda _name, weight: weight,
    ) -> Any:
        """The network with its weights in `dtype` on `device`, frozen, for inference. It can be filled once.

        `report` is called with the label before each tensor and may raise to give up.
        """
        stored = StoredTensors(self.label, shapes_by_name(self.tensors), self.tensors.pop)
        return fill(self.network, stored, dtype, device, partial(report, self.label), change, self.origin)


def empty_network(component: str, config: Mapping[str, Any]) -> nn.Module:
    """A network of that kind ("unet", "vae", "text_encoder" …) whose parameters take no memory."""
    with init_empty_weights(include_buffers=False):
        return BUILDERS[component](config)


def plan(label: str, component: str, config: Mapping[str, Any], stored: Stored,
         published: Shapes | None = None) -> PlannedNetwork:
    """Compare a file with the network of its configuration, and with the published one if given.

    Raises CheckpointError that names the first wrong tensors.
    """
    tensors = {canonical(name): tensor for name, tensor in stored.tensors.items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if published is not None:
        check_shapes(stored, found, {canonical(name): shape for name, shape in published.items()})
    try:
        network = empty_network(component, config)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, NotImplementedError) as error:
        # a configuration that diffusers or transformers cannot build; it may have been written by anything
        raise stored.origin.error(f"The configuration of {stored.name} cannot be used.",
                                  "It describes no network of this kind.", str(error)) from error
    own_names = {canonical(name): name for name in network.state_dict()}
    check_shapes(stored, found, shapes_of(network))
    return PlannedNetwork(label, network, {own: tensors[name] for name, own in own_names.items()},
                          stored.origin)


def shapes_of(network: nn.Module) -> Shapes:
    """Canonical name and shape of every tensor of a network."""
    return {canonical(name): tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def canonical(name: str) -> str:
    """One name for what versions of diffusers and transformers name differently.

    The text encoders' outer `text_model.` came and went; the VAE's attention had other names in 2022.
    """
    name = name.removeprefix("text_model.")
    for old, new in _OLD_ATTENTION.items():
        name = name.replace(old, new)
    return name
