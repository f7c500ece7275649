# SPDX-License-Identifier: GPL-3.0-or-later
"""From a sketch to an object ready for training: normalized, packed into two volumes, in fixed slots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..geometry.packing.graph import color_two_volumes
from .draw import Draw
from .families import FAMILIES
from .shapes import Kind, Sketch

LONGEST_SIDE = 1.9
SLOTS = {Kind.BOX: 12, Kind.FRUSTUM: 8, Kind.RING: 1, Kind.ARC: 1, Kind.WEDGE: 1}
"""Primitives of each kind that one object may have; an object's arrays hold them in this order."""
SLOT_COUNT = sum(SLOTS.values())
SLOT_KINDS = np.concatenate([np.full(count, kind) for kind, count in SLOTS.items()])
ABSENT = -1


@dataclass(frozen=True)
class SlotArrays:
    """Objects as arrays with a leading axis of objects (or none for one object); float32, int64.

    ``center`` [S, 3], ``rotation`` [S, 3, 3] local to object, ``size`` [S, 4], ``color`` [S, 3] linear RGB,
    ``part`` [S] index of the part after packing has merged groups and ``volume`` [S] 0 or 1, both ABSENT in empty
    slots, ``family`` [] index into FAMILIES.
    """

    center: np.ndarray
    rotation: np.ndarray
    size: np.ndarray
    color: np.ndarray
    part: np.ndarray
    volume: np.ndarray
    family: np.ndarray


def contacts_of(sketch: Sketch) -> dict[tuple[int, int], float]:
    """Return the touching pairs that the family declared, all of the same depth."""
    index = {part.name: number for number, part in enumerate(sketch.parts)}
    return {(index[other], index[part.name]): 1.0 for part in sketch.parts for other in part.touches}


def pack(sketch: Sketch) -> tuple[list[int], list[int]]:
    """Return the group and the volume of every part; the first drawn part is in volume 0.

    The order of drawing is the packing's order key, so that one family always fills its volumes alike.
    """
    group_of, volume_of_group = color_two_volumes(contacts_of(sketch), list(range(len(sketch.parts))))
    return list(group_of), [volume_of_group[group] for group in group_of]


def assemble(sketch: Sketch, family: int) -> SlotArrays:
    """Normalize a sketch (box center to 0, longest side 1.9), pack it and lay its primitives into the slots."""
    low, high = sketch.bounds()
    scale = LONGEST_SIDE / (high - low).max()
    middle = (low + high) / 2.0
    groups, volumes = pack(sketch)
    first = dict(zip(SLOTS, np.cumsum([0, *SLOTS.values()]), strict=False))
    used = dict.fromkeys(SLOTS, 0)
    arrays = SlotArrays(
        center=np.zeros((SLOT_COUNT, 3), np.float32),
        rotation=np.tile(np.eye(3, dtype=np.float32), (SLOT_COUNT, 1, 1)),
        size=np.full((SLOT_COUNT, 4), 0.1, np.float32),
        color=np.zeros((SLOT_COUNT, 3), np.float32),
        part=np.full(SLOT_COUNT, ABSENT, np.int64),
        volume=np.full(SLOT_COUNT, ABSENT, np.int64),
        family=np.array(family, np.int64),
    )
    for part, group, volume in zip(sketch.parts, groups, volumes, strict=True):
        for primitive in part.primitives:
            if used[primitive.kind] == SLOTS[primitive.kind]:
                raise ValueError(f"an object may have {SLOTS[primitive.kind]} primitives of kind {primitive.kind.name}")
            slot = first[primitive.kind] + used[primitive.kind]
            used[primitive.kind] += 1
            arrays.center[slot] = (primitive.center - middle) * scale
            arrays.rotation[slot] = primitive.rotation
            arrays.size[slot] = primitive.size * scale
            if primitive.kind == Kind.ARC:
                arrays.size[slot, 2] = primitive.size[2]  # an angle does not scale
            arrays.color[slot], arrays.part[slot], arrays.volume[slot] = part.color, group, volume
    return arrays


def draw_object(seed: Sequence[int], family: int) -> SlotArrays:
    """Return the object of one family that a seed (a sequence of integers) stands for."""
    draw = Draw(np.random.default_rng(np.random.SeedSequence(list(seed))))
    return assemble(list(FAMILIES.values())[family](draw), family)


def stack(objects: Sequence[SlotArrays]) -> SlotArrays:
    """Return one SlotArrays with a leading axis of objects."""
    names = SlotArrays.__dataclass_fields__
    return SlotArrays(**{name: np.stack([getattr(item, name) for item in objects]) for name in names})
