# SPDX-License-Identifier: GPL-3.0-or-later
"""The captions of the images: color, material and object, in some wordings, with the side seen.

See docs/algorithms/flexisyncmvd.md, section 6.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import CLIPTokenizer

from ....procedural.families import FAMILIES
from ..prompts import DIRECTIONS, suffix, token_ids
from ..spec import NEGATIVE_PROMPT
from .color_kinds import COLORS

MATERIALS = {"plastic": "plastic", "wooden": "wood", "metal": "metal", "stone": "stone", "fabric": "fabric"}
"""Adjective and noun of each."""
UNNAMED = "object"
"""What any object may also be called."""
OBJECTS = (*FAMILIES, UNNAMED)
WORDINGS = (
    "a {color} {adjective} {thing}",
    "{color} {adjective} {thing}",
    "a {thing} of {color} {noun}",
    "{adjective} {thing}, {color}",
    "a photo of a {junk} {color} {adjective} {thing}",
    "{junk} {thing} in {color} {adjective} {junk}",
    "a {color} and {adjective} {thing}, best quality, {junk}",
)
JUNK = ("old", "new", "beautiful", "shiny", "simple", "big", "small", "cute", "detailed", "high quality", "8k", "toy",
        "cartoon", "realistic", "nice", "painted", "clean", "game asset", "3d", "")
JUNK_LETTERS = "abcdefghijklmnopqrstuvwxyz"
EMPTY_PROMPTS = ("", NEGATIVE_PROMPT)
"""What stands for no wish: nothing, and what the views shall not show."""


@dataclass(frozen=True)
class CaptionTable:
    """Token ids int16 of every caption [colors + 1, materials + 1, objects, wordings, directions, 77], the last color
    and material being none, and of the prompts without a wish [2, directions, 77]."""

    captions: Tensor
    empty: Tensor

    def to(self, device: torch.device) -> CaptionTable:
        """Moved."""
        return CaptionTable(self.captions.to(device), self.empty.to(device))


def caption(color: str, material: str, thing: str, wording: str, direction: str, junk: str = "") -> str:
    """One caption; color and material may be empty. Words that are left out leave no blanks behind."""
    text = wording.format(color=color, adjective=material, noun=MATERIALS.get(material, "something"), thing=thing,
                          junk=junk)
    text = " ".join(text.replace(" and  ", " ").split()).replace(" ,", ",").strip(" ,")
    return text + suffix(direction)


def _junk(random: np.random.Generator) -> str:
    if random.random() < 0.5:
        return str(random.choice(JUNK))
    return "".join(random.choice(list(JUNK_LETTERS), size=random.integers(2, 8)))


def every_caption(wordings: int, seed: int) -> list[str]:
    """The captions in the order of the table's axes, in the first ``wordings`` wordings."""
    random = np.random.default_rng(seed)
    choices = itertools.product((*COLORS, ""), (*MATERIALS, ""), OBJECTS, WORDINGS[:wordings], DIRECTIONS)
    return [caption(*choice, junk=_junk(random)) for choice in choices]


def words() -> list[str]:
    """All words that captions and prompts without a wish are made of, for the vocabulary."""
    plain = [*COLORS, *MATERIALS, *MATERIALS.values(), *OBJECTS, *JUNK, *EMPTY_PROMPTS, "something"]
    plain += [wording.replace("{", " ").replace("}", " ") for wording in WORDINGS]
    plain += [suffix(direction) for direction in DIRECTIONS]
    return plain


def caption_table(tokenizer: CLIPTokenizer, wordings: int = len(WORDINGS), seed: int = 0) -> CaptionTable:
    """Tokenize every caption, in the first ``wordings`` wordings."""
    texts = every_caption(wordings, seed)
    rows = tokenizer(texts, padding="max_length", truncation=True, max_length=tokenizer.model_max_length).input_ids
    shape = len(COLORS) + 1, len(MATERIALS) + 1, len(OBJECTS), wordings, len(DIRECTIONS), -1
    empty = [[token_ids(tokenizer, text, suffix(side)) for side in DIRECTIONS] for text in EMPTY_PROMPTS]
    return CaptionTable(torch.tensor(rows, dtype=torch.int16).view(shape),
                        torch.stack([torch.stack(row) for row in empty]).to(torch.int16))
