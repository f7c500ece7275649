# SPDX-License-Identifier: GPL-3.0-or-later
"""Many objects by number: training and held-out objects come from seeds that cannot meet."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from enum import IntEnum
from functools import partial
from multiprocessing import get_context

import numpy as np

from .assembly import SlotArrays, draw_object, stack
from .families import FAMILIES

CHUNK = 500
"""Objects that one task of a worker process draws."""


class Split(IntEnum):
    """The second number of every object's seed: an object of one split never has a seed of another."""

    TRAINING = 0
    HELD_OUT = 1
    EXAMPLES = 2


def object_at(split: Split, number: int, seed: int = 0, family: str | None = None) -> SlotArrays:
    """Return object ``number`` of a split; families take turns unless one is named."""
    names = list(FAMILIES)
    index = number % len(names) if family is None else names.index(family)
    return draw_object((seed, int(split), number), index)


def _objects_between(bounds: tuple[int, int], split: Split, seed: int) -> SlotArrays:
    return stack([object_at(split, number, seed) for number in range(*bounds)])


def draw_objects(split: Split, count: int, seed: int = 0, processes: int | None = None) -> SlotArrays:
    """Return the first ``count`` objects of a split, drawn by several processes where there are many."""
    chunks = [(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
    work = partial(_objects_between, split=split, seed=seed)
    processes = min(processes or os.cpu_count() or 1, len(chunks))
    if processes <= 1:
        pieces = [work(chunk) for chunk in chunks]
    else:
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            pieces = list(pool.map(work, chunks))
    names = SlotArrays.__dataclass_fields__
    return SlotArrays(**{name: np.concatenate([getattr(piece, name) for piece in pieces]) for name in names})
