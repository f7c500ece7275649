# SPDX-License-Identifier: GPL-3.0-or-later
"""What every family promises: declared contacts are real, parts of one volume stay apart, nothing is too thin."""

import dataclasses

import numpy as np
import pytest
import torch

from backend.procedural.assembly import ABSENT, contacts_of, draw_object, pack, stack
from backend.procedural.dataset import Split, draw_objects, object_at
from backend.procedural.draw import Draw
from backend.procedural.families import FAMILIES
from backend.procedural.primitives import ObjectBatch, signed_distance, slot_kinds
from backend.procedural.shapes import Kind
from backend.procedural.surface import sample_surface

SEEDS = 200
POINTS = 160
CLEAR = 0.07
"""Gap between parts of one volume: more than two cells of a grid of 64."""
THIN = 0.08


def _family(name: str, count: int = SEEDS) -> ObjectBatch:
    return ObjectBatch.from_arrays(stack([object_at(Split.TRAINING, seed, 0, name) for seed in range(count)]))


def _part_gaps(batch: ObjectBatch) -> torch.Tensor:
    """Distance from the surface of part p to part q, [B, P, P]; infinite where one of them is absent or p = q."""
    parts = int(batch.part.max()) + 1
    gaps = torch.full((len(batch), parts, parts), torch.inf)
    for first in range(parts):
        has = (batch.part == first).any(dim=1)
        some = batch[has]
        alone = dataclasses.replace(some, volume=torch.where(some.part == first, some.volume, ABSENT))
        points = sample_surface(alone, POINTS, torch.Generator().manual_seed(first))
        distances = signed_distance(some, points)
        for second in range(parts):
            if second != first:
                to_second = distances.masked_fill((some.part != second)[:, None], torch.inf)
                gaps[has, first, second] = to_second.amin(dim=(1, 2))
    return torch.minimum(gaps, gaps.transpose(1, 2))


def _volume_of_parts(batch: ObjectBatch) -> torch.Tensor:
    parts = int(batch.part.max()) + 1
    member = batch.part[:, None] == torch.arange(parts)[None, :, None]
    return torch.where(member, batch.volume[:, None], ABSENT).amax(dim=2)


@pytest.mark.parametrize("name", FAMILIES)
def test_parts_of_one_volume_stay_apart_and_contacts_are_real(name: str) -> None:
    batch = _family(name)
    gaps, volume = _part_gaps(batch), _volume_of_parts(batch)
    same = (volume[:, :, None] == volume[:, None]) & (volume[:, :, None] >= 0)
    assert gaps[same].min() > CLEAR
    for row in range(SEEDS):
        parts = int(batch.part_count[row])
        touching = gaps[row, :parts, :parts] < 0
        assert touching.any(dim=1).all(), f"a part of {name} {row} touches nothing"


@pytest.mark.parametrize("name", FAMILIES)
def test_every_declared_contact_is_one(name: str) -> None:
    for seed in range(0, SEEDS, 10):
        sketch = FAMILIES[name](Draw(np.random.default_rng(seed)))
        groups, volumes = pack(sketch)
        assert len(set(groups)) == len(sketch.parts), "this family's contacts have an odd cycle"
        assert volumes[0] == 0
        assert set(volumes) == {0, 1}
        for first, second in contacts_of(sketch):
            assert volumes[first] != volumes[second]


@pytest.mark.parametrize("name", FAMILIES)
def test_objects_fill_the_frame_and_nothing_is_thin(name: str) -> None:
    batch = _family(name, 60)
    points = sample_surface(batch, 1500, torch.Generator().manual_seed(0))
    low, high = points.amin(dim=1), points.amax(dim=1)
    assert (high - low).amax(dim=1).min() > 1.8
    assert max(high.max(), -low.min()) <= 0.9505
    assert _thickness(batch)[batch.present].min() >= THIN


def _thickness(batch: ObjectBatch) -> torch.Tensor:
    """Smallest full extent of every primitive, [B, S]; of a cone at its wide end."""
    kind = slot_kinds(batch.size.device)
    a, b, c, rounding = batch.size.unbind(-1)
    box, disc = torch.minimum(torch.minimum(a, b), c), torch.minimum(torch.maximum(a, b), c)
    half = torch.where(kind == int(Kind.BOX), box, disc)
    half = torch.where(kind == int(Kind.RING), torch.minimum(b, c), half)
    half = torch.where(kind == int(Kind.ARC), 0.0, half)
    half = torch.where(kind == int(Kind.WEDGE), box, half)
    return 2 * (half + rounding)


def test_splits_are_disjoint_and_objects_repeat_by_seed() -> None:
    first, again = object_at(Split.TRAINING, 5), object_at(Split.TRAINING, 5)
    held_out, other = object_at(Split.HELD_OUT, 5), object_at(Split.TRAINING, 5, seed=1)
    assert np.array_equal(first.center, again.center)
    assert np.array_equal(first.color, again.color)
    assert not np.array_equal(first.color, held_out.color)
    assert not np.array_equal(first.color, other.color)


def test_many_processes_draw_what_one_draws() -> None:
    many, one = draw_objects(Split.TRAINING, 501, processes=2), draw_objects(Split.TRAINING, 501, processes=1)
    assert np.array_equal(many.center, one.center)
    assert np.array_equal(many.volume, one.volume)


def test_there_are_at_least_twelve_families_with_several_parts() -> None:
    assert len(FAMILIES) >= 12
    for number in range(len(FAMILIES)):
        arrays = draw_object((0, 0, number), number)
        assert arrays.part.max() >= 1
        assert {0, 1} <= set(arrays.volume.tolist())
