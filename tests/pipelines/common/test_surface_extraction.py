# SPDX-License-Identifier: GPL-3.0-or-later
"""From a field that is queried in chunks to its surface: any chunk, any cube, short memory, and bad values."""

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.contract import Cancelled
from backend.pipelines.common.finiteness import NotFiniteError
from backend.pipelines.common.surface_extraction import (
    FEWEST_POINTS,
    no_surface,
    sample_field,
    surface_of,
)

CPU = torch.device("cpu")


def ball(points: Tensor) -> Tensor:
    """A truncated signed distance, positive inside a ball of radius 0.6."""
    return ((0.6 - points.norm(dim=-1)) * 20).clamp(-1, 1)


def test_any_chunk_gives_the_same_field() -> None:
    whole = sample_field(ball, 96, device=CPU, chunk=1 << 20)
    assert torch.equal(whole, sample_field(ball, 96, device=CPU, chunk=999))
    dense = sample_field(ball, 96, device=CPU, dense=True)
    assert torch.equal(whole > 0, dense > 0)


@pytest.mark.parametrize("half_side", [1.0, 1.01, 0.75])
def test_the_surface_lies_where_the_field_is_zero_in_any_cube(half_side: float) -> None:
    mesh = surface_of(sample_field(ball, 64, device=CPU, half_side=half_side), half_side)
    radius = np.linalg.norm(mesh.vertices, axis=1)
    assert abs(radius - 0.6).max() < 0.002
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * 0.6**3, rel=0.01)


def test_short_memory_means_smaller_chunks_and_the_same_field() -> None:
    sizes: list[int] = []

    def hungry(points: Tensor) -> Tensor:
        if len(points) > 3000:
            raise torch.OutOfMemoryError("too much")
        sizes.append(len(points))
        return ball(points)

    assert torch.equal(sample_field(hungry, 64, device=CPU, chunk=10_000), sample_field(ball, 64, device=CPU))
    assert max(sizes) == 2500


def test_memory_that_is_too_short_for_anything_is_an_error() -> None:
    def hopeless(points: Tensor) -> Tensor:
        assert len(points) >= FEWEST_POINTS or len(points) < 100
        raise torch.OutOfMemoryError("too much")

    with pytest.raises(torch.OutOfMemoryError):
        sample_field(hopeless, 64, device=CPU, chunk=FEWEST_POINTS * 8)


def test_progress_rises_to_a_hundred_and_can_cancel() -> None:
    shares: list[int] = []
    sample_field(ball, 128, device=CPU, chunk=20_000, report=lambda done, of: shares.append(done))
    assert shares == sorted(shares) and shares[-1] == 100 and len(shares) > 10

    def cancel(done: int, _of: int) -> None:
        if done > 20:
            raise Cancelled

    with pytest.raises(Cancelled):
        sample_field(ball, 128, device=CPU, chunk=20_000, report=cancel)


def test_a_field_of_nan_is_an_error_that_says_whose() -> None:
    with pytest.raises(NotFiniteError, match="The field of volume 2"):
        sample_field(lambda points: points[:, 0] * torch.nan, 64, device=CPU, holder="The field of volume 2")


def test_a_field_without_a_surface_gives_an_empty_mesh_and_words_for_it() -> None:
    assert surface_of(sample_field(lambda points: -torch.ones(len(points)), 64, device=CPU), 1.01).is_empty
    assert no_surface("The field has no surface.").report.remedy == "retry"
