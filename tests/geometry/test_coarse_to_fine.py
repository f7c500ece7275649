# SPDX-License-Identifier: GPL-3.0-or-later
"""Coarse-to-fine evaluation against evaluating every point."""

import pytest
import torch

from backend.geometry.coarse_to_fine import FieldNotFiniteError, evaluate_field, resolution_ladder
from tests.parity.published.coarse_to_fine import published_grid

TRUNCATION = 0.1


def field(points: torch.Tensor) -> torch.Tensor:
    """A hollow ball (a shell) and a small ball beside it."""
    shell = 0.1507 - ((points - torch.tensor([-0.213, 0.117, 0.031])).norm(dim=-1) - 0.5).abs()
    ball = 0.2007 - (points - torch.tensor([0.713, -0.587, 0.531])).norm(dim=-1)  # no grid point is on the surface
    return (torch.maximum(shell, ball) / TRUNCATION).clamp(-1, 1)


def evaluate(resolution: int, **options):
    return evaluate_field(field, resolution, **{"device": "cpu", "chunk_size": 5000, "min_resolution": 12, **options})


@pytest.mark.parametrize(
    ("resolution", "ladder"),
    [
        (384, [96, 192, 384]),
        (256, [64, 128, 256]),
        (512, [64, 128, 256, 512]),
        (300, [75, 150, 300]),
        (385, [96, 192, 385]),
        (32, [32]),
    ],
)
def test_ladder(resolution, ladder):
    assert resolution_ladder(resolution) == ladder


@pytest.mark.parametrize("resolution", [48, 51, 96, 100])
def test_finds_the_sign_of_every_point_and_the_value_of_those_near_the_surface(resolution):
    grid = evaluate(resolution)
    dense = evaluate(resolution, min_resolution=resolution)
    assert grid.shape == (resolution + 1,) * 3
    assert torch.equal(grid >= 0, dense >= 0)
    near = dense.abs() < 0.95
    assert torch.allclose(grid[near], dense[near], atol=2e-6)
    assert torch.equal(grid[~near].sign(), dense[~near].sign())


def test_needs_fewer_queries_than_all_points_and_than_the_published_fill():
    counts = {"ours": 0, "published": 0}

    def ball(points, who):
        counts[who] += len(points)
        return ((0.607 - points.norm(dim=-1)) / 0.05).clamp(-1, 1)

    evaluate_field(lambda points: ball(points, "ours"), 96, device="cpu", chunk_size=10**9, min_resolution=24)
    published_grid(lambda points: ball(points, "published"), 96, min_resolution=24, chunk_size=10**9)
    assert counts["ours"] < counts["published"] < 97**3 / 2


def test_chunks_do_not_change_values():
    assert torch.equal(evaluate(48, chunk_size=777), evaluate(48, chunk_size=10**9))


def test_empty_field_is_evaluated_on_the_coarsest_level_only():
    asked = []
    evaluate_field(
        lambda points: (asked.append(len(points)), torch.full((len(points),), -1.0))[1],
        48, device="cpu", chunk_size=10**9, min_resolution=12,
    )  # fmt: skip
    assert asked == [13**3]


def test_progress_counts_every_query_and_ends_at_the_total():
    reports = []
    evaluate(48, on_chunk=lambda done, total: reports.append((done, total)))
    done = [report[0] for report in reports]
    assert done == sorted(done)
    assert all(0 < part <= total for part, total in reports)
    assert reports[-1][0] == reports[-1][1]


def test_cancellation_stops_at_the_next_chunk():
    class Stop(Exception):
        pass

    asked = []

    def stop(done, total):
        if len(asked) == 3:
            raise Stop

    def query(points):
        asked.append(len(points))
        return field(points)

    with pytest.raises(Stop):
        evaluate_field(query, 96, device="cpu", chunk_size=500, min_resolution=12, on_chunk=stop)
    assert len(asked) == 3


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_an_error(bad):
    def query(points):
        values = field(points)
        values[len(values) // 2] = bad
        return values

    with pytest.raises(FieldNotFiniteError, match="weights"):
        evaluate_field(query, 48, device="cpu", chunk_size=1000, min_resolution=12)
