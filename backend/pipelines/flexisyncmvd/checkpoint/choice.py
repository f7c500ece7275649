# SPDX-License-Identifier: GPL-3.0-or-later
"""Which checkpoint and LoRAs the artist chose: the options for it, and what their values mean. Free of torch."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ....contract import Choice, Parameter
from ....contract.parameter import Value

Prediction = Literal["auto", "epsilon", "v_prediction"]
LORA_SLOTS = 3


@dataclass(frozen=True)
class Lora:
    """A LoRA file and how strongly it counts; 1 is as trained, below 0 turns it round."""

    path: Path
    strength: float = 1.0


@dataclass(frozen=True)
class CheckpointChoice:
    """A checkpoint instead of the set's own base, LoRAs on top of it, what its network predicts, and a ControlNet for
    tile instead of the set's own."""

    checkpoint: Path | None = None
    loras: tuple[Lora, ...] = ()
    prediction: Prediction = "auto"
    tile: Path | None = None


def _slot(number: int) -> tuple[Parameter, Parameter]:
    ending, words = ("", "") if number == 1 else (f"_{number}", f" {number}")
    return (
        Parameter(f"lora{ending}", "file", "", f"LoRA{words}",
                  "A safetensors file that adds to the checkpoint, of the same family"),
        Parameter(f"lora{ending}_weight", "float", 1.0, f"LoRA{words} Weight",
                  "How strongly it counts; 1 is as trained, 0 leaves it out", -2.0, 2.0, 0.05),
    )


CHECKPOINT_PARAMETERS = tuple(replace(parameter, advanced=True, group="Checkpoint") for parameter in (
    Parameter("checkpoint", "file", "", "Checkpoint",
              "Your own checkpoint of the weights' family, as one safetensors file or a diffusers folder. Empty: "
              "the published one"),
    Parameter("prediction", "choice", "auto", "Prediction Type", "What the checkpoint was trained to predict",
              choices=(Choice("auto", "Auto", "What the file says; noise where it says nothing"),
                       Choice("epsilon", "Noise", "Most checkpoints"),
                       Choice("v_prediction", "Velocity", "Checkpoints called v-pred"))),
    *(parameter for number in range(1, LORA_SLOTS + 1) for parameter in _slot(number)),
    Parameter("tile_controlnet", "file", "", "Tile ControlNet",
              "Your own ControlNet to follow the texture so far, of the weights' family, as one safetensors file or a "
              "diffusers folder; for SD 1.5 it is called control_v11f1e_sd15_tile"),
))
"""Options of every task that paints with a checkpoint."""


def chosen(parameters: Mapping[str, Value]) -> CheckpointChoice:
    """What validated values of `CHECKPOINT_PARAMETERS` mean. A LoRA of weight 0 is left out."""
    loras = []
    for number in range(1, LORA_SLOTS + 1):
        file, weight = (parameters[parameter.name] for parameter in _slot(number))
        if file and weight:
            loras.append(Lora(Path(str(file)), float(weight)))
    checkpoint, tile = (Path(str(path)) if (path := parameters[name]) else None
                        for name in ("checkpoint", "tile_controlnet"))
    prediction: Prediction = parameters["prediction"]  # type: ignore[assignment]
    return CheckpointChoice(checkpoint, tuple(loras), prediction, tile)
