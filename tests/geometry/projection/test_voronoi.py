# SPDX-License-Identifier: GPL-3.0-or-later
"""Nearest seeds against a search through all of them."""

import pytest
import torch

from backend.geometry.projection import nearest_seeds
from backend.geometry.projection.sorting import sort_keys
from tests.parity.published.projection import jump_flood


def searched(seeds):
    """The smallest index among the nearest seeds, and the squared distance."""
    height, width = seeds.shape
    index = seeds.flatten().nonzero()[:, 0]
    texel = torch.arange(height * width)[:, None]
    squared = (index // width - texel // width) ** 2 + (index % width - texel % width) ** 2
    least = squared.min(dim=1)
    return index[(squared == least.values[:, None]).int().argmax(dim=1)].view(height, width), least.values


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (37, 1), (23, 31), (48, 48)])
@pytest.mark.parametrize("share", [0.003, 0.05, 0.6])
def test_nearest_is_nearest_and_the_first_of_equally_near_ones(size, share):
    generator = torch.Generator().manual_seed(size[0])
    seeds = torch.rand(size, generator=generator) < share
    seeds[size[0] // 2, size[1] // 3] = True
    assert torch.equal(nearest_seeds(seeds), searched(seeds)[0].int())


def test_ties_on_a_lattice():
    seeds = torch.zeros(24, 24, dtype=torch.bool)
    seeds[::6, ::4] = True
    assert torch.equal(nearest_seeds(seeds), searched(seeds)[0].int())


def test_images_do_not_mix():
    seeds = torch.rand(3, 2, 20, 30, generator=torch.Generator().manual_seed(0)) < 0.02
    seeds[1, 1] = False
    cells = nearest_seeds(seeds)
    assert cells.shape == seeds.shape
    assert torch.equal(cells[2, 0], nearest_seeds(seeds[2, 0]))
    assert (cells[1, 1] == -1).all()


def test_jump_flooding_finds_seeds_and_is_nearly_exact():
    seeds = torch.rand(2, 40, 56, generator=torch.Generator().manual_seed(1)) < 0.01
    cells = jump_flood(seeds)
    for image, found in zip(seeds, cells, strict=True):
        assert image.flatten()[found.flatten().long()].all()
        texel = torch.arange(image.numel())
        index = found.flatten().long()
        squared = (index // 56 - texel // 56) ** 2 + (index % 56 - texel % 56) ** 2
        assert (squared != searched(image)[1]).float().mean() < 0.03
    assert torch.equal(cells[1], jump_flood(seeds[1]))
    assert (jump_flood(torch.zeros(5, 7, dtype=torch.bool)) == -1).all()


@pytest.mark.parametrize("bound", [1, 7, 1 << 20, 1 << 40])
def test_sorting_is_stable(bound):
    keys = torch.randint(bound, (5000,), generator=torch.Generator().manual_seed(2))
    found, order = sort_keys(keys, bound)
    expected, expected_order = keys.sort(stable=True)
    assert torch.equal(found, expected)
    assert torch.equal(order.long(), expected_order)
    assert len(sort_keys(keys[:0], bound)[0]) == 0
