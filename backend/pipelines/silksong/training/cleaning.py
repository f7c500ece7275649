# SPDX-License-Identifier: GPL-3.0-or-later
"""Which meshes are fit to learn from (docs/algorithms/silksong.md, section 9): tokenized, decoded again and counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....contract import BadInput, MeshData
from ..tokenizer import decode, encode
from ..tokenizer.vocabulary import COMPONENT

MOST_FACES = 16_000
"""Meshes with more are refused before anything is computed."""


@dataclass(frozen=True)
class CleaningRule:
    """What a mesh must be after it was tokenized and decoded again; the widest layer has 200 vertices by the format."""

    fewest_faces: int
    most_components: int
    most_tokens: int


RULE_11 = CleaningRule(fewest_faces=40, most_components=50, most_tokens=10_000)
"""The published recipe's recommended rule."""


def checked_tokens(mesh: MeshData, rule: CleaningRule, longest_side: float) -> tuple[NDArray[np.int64], str]:
    """Tokens of a mesh, y up, brought to ``longest_side``; and why it is refused, empty where it is not."""
    none = np.zeros(0, np.int64)
    if len(mesh.faces) > MOST_FACES:
        return none, "too many faces"
    try:
        tokens = encode(mesh, longest_side=longest_side).ids
    except BadInput as refusal:
        return none, f"not tokenized: {refusal.report.why}"
    if len(tokens) > rule.most_tokens:
        return none, "too many tokens"
    if (tokens == COMPONENT).sum() > rule.most_components:
        return none, "too many components"
    if len(decode(tokens).faces) < rule.fewest_faces:
        return none, "too few faces"
    return tokens, ""
