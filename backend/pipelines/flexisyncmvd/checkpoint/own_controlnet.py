# SPDX-License-Identifier: GPL-3.0-or-later
"""A ControlNet of the artist's own: a diffusers folder, or a safetensors file in diffusers' or the original layout."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint

from ...common.checkpoint_shapes import Origin
from .files import Stored, open_component, open_stored, read_config
from .networks import PlannedNetwork, empty_network, plan, shapes_of
from .plan import STEMS

OWN = Origin("Choose a ControlNet of the weights' family, or leave the field empty.")
_DIFFUSERS, _ORIGINAL = "controlnet_cond_embedding.conv_in.weight", "input_hint_block.0.weight"
_PREFIX = "control_model."


def plan_own_controlnet(label: str, path: Path, like: Mapping[str, Any]) -> PlannedNetwork:
    """The network at `path`, checked against one that goes with the checkpoint, whose configuration is `like`.

    A single file brings no configuration and takes that one. Raises CheckpointError.
    """
    folder = path.parent if path.name == "config.json" else path
    if not folder.exists():
        raise OWN.error(f"{path.name} is missing.", f"{path} does not exist.")
    config = read_config(folder, origin=OWN) if folder.is_dir() else like
    stored = open_component(folder, STEMS["controlnet"], OWN) if folder.is_dir() else open_stored(path, OWN)
    fitting = shapes_of(empty_network("controlnet", like))
    return plan(label, "controlnet", config, _under_diffusers_names(stored, config), fitting)


def _under_diffusers_names(stored: Stored, config: Mapping[str, Any]) -> Stored:
    if _DIFFUSERS in stored.tensors:
        return stored
    if _ORIGINAL not in stored.tensors and _PREFIX + _ORIGINAL not in stored.tensors:
        raise OWN.error(f"{stored.name} is not a ControlNet.", f"It holds neither {_DIFFUSERS} nor {_ORIGINAL}.")
    renamed = convert_controlnet_checkpoint(dict(stored.tensors), dict(config))
    found = {name: tensor for name, tensor in renamed.items() if tensor is not None}  # diffusers' sign of a missing one
    return Stored(stored.name, found, stored.remarks, stored.origin)
