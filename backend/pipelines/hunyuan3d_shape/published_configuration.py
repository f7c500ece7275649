# SPDX-License-Identifier: GPL-3.0-or-later
"""The config.yaml next to a published checkpoint: its numbers are read, its class names only looked at."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from ..common.checkpoint_shapes import PUBLISHED, absent
from .variants import Variant


def read_configuration(path: Path, expected: Variant) -> Variant:
    """The variant with the file's numbers; what the file does not say is as expected. Raises CheckpointError."""
    if not path.is_file():
        raise absent(path)
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, RecursionError, yaml.YAMLError) as error:
        raise PUBLISHED.error(f"{path.name} cannot be read.", "It is damaged.", str(error)) from error
    scheduler = _at(content, "scheduler", "target", default="")
    schedule = "consistency" if "Consistency" in str(scheduler) else "flow" if scheduler else expected.schedule
    numbers = {
        "tokens": _at(content, "vae", "params", "num_latents", default=expected.tokens),
        "scale_factor": _at(content, "vae", "params", "scale_factor", default=expected.scale_factor),
        "image_size": _at(content, "image_processor", "params", "size", default=expected.image_size),
        "encoder_size": _at(
            content, "conditioner", "params", "main_image_encoder", "kwargs", "image_size",
            default=expected.encoder_size,
        ),
        "anchors": _at(content, "scheduler", "params", "pcm_timesteps", default=expected.anchors),
    }
    for name, value in numbers.items():
        kind = float if name == "scale_factor" else int
        if isinstance(value, bool) or not isinstance(value, (int, kind)) or value <= 0:
            raise PUBLISHED.error(f"{path.name} does not fit the model.", f"Its {name} is {value!r}.")
    return replace(expected, schedule=schedule, **numbers)


def _at(content: Any, *keys: str, default: Any) -> Any:
    """What lies under nested keys of a parsed file; the default where something on the way is missing."""
    for key in keys:
        if not isinstance(content, Mapping) or key not in content:
            return default
        content = content[key]
    return content
