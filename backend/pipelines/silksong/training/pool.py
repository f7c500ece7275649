# SPDX-License-Identifier: GPL-3.0-or-later
"""The training set: tokens and triangles of every object, made once by many processes and kept in a file."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ....contract import BadInput, MeshData, replace_whole
from ....geometry.manifold_repair.mesh_repair import LONGEST_SIDE
from ....geometry.normalization import Normalization
from .cleaning import CleaningRule, checked_tokens
from .presets import TrainingPreset

logger = logging.getLogger(__name__)

CHUNK = 250
"""Objects that one task of a worker process makes."""

Source = Callable[[int], MeshData]
"""From an object's number to the object, y up; picklable."""


@dataclass(frozen=True)
class Item:
    """One object: tokens int16 [T] without the end, corners of its triangles float16 [F, 3, 3], normalized, y up."""

    tokens: NDArray[np.int16]
    corners: NDArray[np.float16]


@dataclass(frozen=True)
class Pool:
    """Objects one behind the other: object i has ``tokens[token_starts[i] : token_starts[i + 1]]``."""

    tokens: Tensor
    """int16 [sum of T]."""
    token_starts: Tensor
    """int64 [N + 1]."""
    corners: Tensor
    """float16 [sum of F, 3, 3]."""
    face_starts: Tensor
    """int64 [N + 1]."""

    def __len__(self) -> int:
        return len(self.token_starts) - 1

    @classmethod
    def of(cls, items: list[Item]) -> Pool:
        def starts(lengths: Iterable[int]) -> Tensor:
            return torch.tensor([0, *lengths]).cumsum(0)

        return cls(
            torch.from_numpy(np.concatenate([item.tokens for item in items])),
            starts(len(item.tokens) for item in items),
            torch.from_numpy(np.concatenate([item.corners for item in items])),
            starts(len(item.corners) for item in items),
        )

    def save(self, path: Path, made_from: str) -> None:
        """Write a file that ``load`` takes only for the same ``made_from``."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_whole(path) as draft:
            save_file(vars(self).copy(), draft, {"made_from": made_from})

    @classmethod
    def load(cls, path: Path, made_from: str) -> Pool | None:
        """Read a saved pool; None where there is none that was made so."""
        if not path.is_file():
            return None
        with safe_open(path, "pt") as file:
            if (file.metadata() or {}).get("made_from") != made_from:
                return None
            return cls(**{name: file.get_tensor(name) for name in cls.__dataclass_fields__})


def normalized_corners(mesh: MeshData, longest_side: float = LONGEST_SIDE) -> NDArray[np.float16]:
    """Corners float16 [F, 3, 3] of a mesh whose longest side is brought to ``longest_side``, around the origin."""
    placed = Normalization.to_box(mesh.bounds, longest_side).apply(mesh.vertices)
    return placed[mesh.faces].astype(np.float16)


def _items(
    numbers: range, source: Source, rule: CleaningRule, smallest_side: float, seed: int
) -> tuple[list[Item], Counter[str]]:
    items, refusals = [], Counter[str]()
    for number in numbers:
        mesh = source(number)
        side = np.random.default_rng((seed, number, 1)).uniform(smallest_side, LONGEST_SIDE)
        tokens, reason = checked_tokens(mesh, rule, side)
        if reason:
            refusals[reason] += 1
        else:
            items.append(Item(tokens.astype(np.int16), normalized_corners(mesh, side)))
    return items, refusals


def make_pool(source: Source, count: int, preset: TrainingPreset, seed: int) -> Pool:
    """Tokenize the objects 0 to ``count`` - 1 of a source on all cores; logs how many are refused and why.

    Raises BadInput when none is left.
    """
    chunks = [range(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
    work = partial(_items, source=source, rule=preset.rule, smallest_side=preset.smallest_side, seed=seed)
    processes = min(os.cpu_count() or 1, len(chunks))
    if processes <= 1:
        pieces = [work(chunk) for chunk in chunks]
    else:
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as executor:
            pieces = list(executor.map(work, chunks))
    items = [item for piece, _ in pieces for item in piece]
    refusals = sum((counted for _, counted in pieces), Counter[str]())
    for reason, refused in refusals.most_common():
        logger.info("refused %d of %d: %s", refused, count, reason)
    if not items:
        raise BadInput("No mesh is fit to learn from.", f"All are refused: {', '.join(refusals)}.",
                       "Give other meshes, or choose a preset with another cleaning rule.")
    return Pool.of(items)


def fingerprint(*values: object) -> str:
    """A text that is the same for the same values."""
    return hashlib.sha256(json.dumps([repr(value) for value in values]).encode()).hexdigest()
