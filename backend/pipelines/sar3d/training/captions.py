# SPDX-License-Identifier: GPL-3.0-or-later
"""Prompts of procedural objects: what they are and the color of most of their surface, in several wordings."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np
import torch

from ....procedural.families import FAMILIES
from ....procedural.primitives import ObjectBatch
from ....procedural.surface import surface_areas

NAMES = tuple(FAMILIES)
WORDINGS = (
    "a {color} {thing}", "{color} {thing}", "a {thing}", "{thing}", "a {thing} in {color}",
    "a 3D model of a {color} {thing}", "a simple {color} {thing}", "a photo of a {color} {thing}",
)
"""Those without a color leave it to chance."""
HUES = ((15, "red"), (44, "orange"), (70, "yellow"), (160, "green"), (200, "turquoise"), (252, "blue"), (300, "purple"),
        (344, "pink"), (361, "red"))
"""Names of hues up to each angle, in degrees."""
COLORS = tuple(dict.fromkeys([*(name for _, name in HUES), "brown", "white", "gray", "black"]))


def color_name(linear: Sequence[float]) -> str:
    """The name of a linear RGB color in [0, 1]."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(channel ** (1 / 2.2) for channel in linear))
    if value < 0.25:
        return "black"
    if saturation < 0.2:
        return "white" if value > 0.75 else "gray"
    if 8 <= hue * 360 <= 46 and value < 0.65:
        return "brown"
    return next(name for end, name in HUES if hue * 360 < end)


def main_colors(objects: ObjectBatch) -> list[str]:
    """The name of the color that covers most of each object."""
    areas = surface_areas(objects).cpu().numpy()
    colors, present = objects.color.cpu().numpy(), objects.present.cpu().numpy()
    names = []
    for area, color, there in zip(areas, colors, present, strict=True):
        shares: dict[str, float] = {}
        for slot in np.flatnonzero(there):
            name = color_name(color[slot].tolist())
            shares[name] = shares.get(name, 0.0) + float(area[slot])
        names.append(max(shares, key=lambda name: shares[name]))
    return names


def prompts_of(objects: ObjectBatch, count: int, seed: int) -> list[list[str]]:
    """`count` prompts of each object, in random wordings."""
    random, colors = np.random.default_rng(seed), main_colors(objects)
    things = [NAMES[number] for number in objects.family.tolist()]
    return [
        [WORDINGS[number].format(color=color, thing=thing) for number in random.integers(len(WORDINGS), size=count)]
        for color, thing in zip(colors, things, strict=True)
    ]


def every_prompt() -> list[str]:
    """All prompts that there can be, for the vocabulary."""
    return [wording.format(color=color, thing=thing) for wording in WORDINGS for color in COLORS for thing in NAMES]


def test_prompts(count: int, seed: int) -> tuple[list[str], torch.Tensor]:
    """Prompts "a <color> <thing>" and the family asked for, int64 [count], families in turn and colors by chance."""
    random = np.random.default_rng(seed)
    families = [number % len(NAMES) for number in range(count)]
    texts = [f"a {random.choice(COLORS)} {NAMES[family]}" for family in families]
    return texts, torch.tensor(families)
