# SPDX-License-Identifier: GPL-3.0-or-later
"""Pieces of the exports: from a run's checkpoints to the float16 weights folder with its model card."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import PreTrainedModel

logger = logging.getLogger(__name__)

Encoder = TypeVar("Encoder", bound=PreTrainedModel)


def averaged_parts(stage: Path) -> dict[str, dict[str, Tensor]]:
    """Return the averaged weights of a stage of several networks, by network and by their names in it."""
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in load_file(stage / "average.safetensors").items():
        part, rest = name.split(".", 1)
        parts.setdefault(part, {})[rest] = tensor
    return parts


def filled_encoder(encoder: Encoder, tensors: Mapping[str, Tensor], untrained: Collection[str], run: Path) -> Encoder:
    """Return an encoder of the same configuration with a run's tensors, of which it keeps no `untrained` ones.

    It goes through ``from_pretrained``, because transformers renames tensors between versions and a run may come from
    another one. Raises ValueError when the run was trained with another preset.
    """
    library: Any = type(encoder)
    filled, report = library.from_pretrained(
        None, config=encoder.config, state_dict=dict(tensors), output_loading_info=True
    )
    strange = {name for names in report.values() for name in names} - set(untrained)
    if strange:
        raise ValueError(f"{run} was trained with another preset: {sorted(map(str, strange))[:3]}")
    loaded: Encoder = filled
    return loaded


def fill_conditioned(model: Any, stage: Path, untrained: Collection[str]) -> None:
    """Give a model of an `image_encoder` and a `denoiser` a stage's averaged weights; an encoder that stayed frozen is
    not among them. Raises ValueError when the run was trained with another preset.
    """
    parts = averaged_parts(stage)
    if "image_encoder" in parts:
        model.image_encoder = filled_encoder(model.image_encoder, parts["image_encoder"], untrained, stage)
    model.denoiser.load_state_dict(parts["denoiser"])


def steps_done(run: Path, stages: Iterable[str]) -> dict[str, int]:
    """Return how many steps each stage of a run has taken."""
    return {stage: json.loads((run / stage / "state.json").read_text(encoding="utf-8"))["step"] for stage in stages}


def millions(networks: Iterable[nn.Module]) -> float:
    """Return how many millions of parameters the networks have."""
    return sum(parameter.numel() for network in networks for parameter in network.parameters()) / 1e6


def finish(out: Path, card: str) -> None:
    """Write the model card and log the size of what was exported."""
    (out / "README.md").write_text(card, "utf-8")
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    logger.info("%s: %.2f MB in all", out, size / 1e6)
