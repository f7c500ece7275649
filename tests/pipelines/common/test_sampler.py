# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop of all samplers, guidance, starting noise, and the check that values are numbers."""

import pytest
import torch

from backend.contract import Cancelled
from backend.pipelines.common.finiteness import NotFiniteError, finite
from backend.pipelines.common.sampler import guided, paced, starting_noise


def test_every_step_is_reported_after_it_ran() -> None:
    log: list[object] = []
    for step in paced("abc", "cpu", lambda done, of: log.append((done, of))):
        log.append(step)
    assert log == ["a", (1, 3), "b", (2, 3), "c", (3, 3)]


def test_a_cancel_ends_the_loop_at_once() -> None:
    ran = []

    def cancel(done: int, _of: int) -> None:
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        for step in paced(range(9), "cpu", cancel):
            ran.append(step)
    assert ran == [0, 1]


def test_guidance_goes_beyond_the_conditional() -> None:
    conditional, unconditional = torch.tensor([1.0]).half(), torch.tensor([0.5]).half()
    assert guided(conditional, unconditional, 1.0).item() == 1.0
    assert guided(conditional, unconditional, 3.0).item() == 2.0
    assert guided(conditional, unconditional, 3.0).dtype == torch.float32


def test_a_seed_names_noise_and_a_generator_goes_first() -> None:
    first = starting_noise((2, 3), "cpu", seed=4)
    assert torch.equal(first, starting_noise((2, 3), "cpu", seed=4))
    generator = torch.Generator().manual_seed(5)
    assert torch.equal(starting_noise((2, 3), "cpu", 4, generator), starting_noise((2, 3), "cpu", 5))


def test_values_that_are_not_numbers_are_refused_in_words() -> None:
    values = torch.zeros(4)
    assert finite(values, "The latent", "image", "Try again") is values
    values[2] = torch.nan
    with pytest.raises(NotFiniteError, match="The latent holds values that are not numbers"):
        finite(values, "The latent", "image", "Try again")
