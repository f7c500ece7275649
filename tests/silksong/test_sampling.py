# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of the sampling filters, and the draws."""

import pytest
import torch

from backend.pipelines.silksong.sampling import SamplingSettings, draw, filtered_probabilities, uniform_numbers


def logits_of(*probabilities: float) -> torch.Tensor:
    return torch.tensor([probabilities]).log()


def test_the_entry_that_crosses_the_threshold_stays():
    probabilities, tokens = filtered_probabilities(
        logits_of(0.1, 0.5, 0.25, 0.15), SamplingSettings(temperature=1, top_p=0.7)
    )
    assert tokens[0].tolist() == [1, 2, 3, 0]
    torch.testing.assert_close(probabilities[0], torch.tensor([2 / 3, 1 / 3, 0, 0]))


def test_temperature_comes_after_the_nucleus():
    """At temperature 0.5 first, the largest alone would hold 0.73 and end a nucleus of 0.7."""
    probabilities, _ = filtered_probabilities(logits_of(0.5, 0.25, 0.15, 0.1), SamplingSettings(0.5, 50, 0.7))
    torch.testing.assert_close(probabilities[0], torch.tensor([0.8, 0.2, 0, 0]))


def test_the_nucleus_is_cut_from_what_top_k_left():
    """Of all four, 0.4 + 0.3 would not exceed 0.75 and the third would stay; of the two largest, it cannot."""
    probabilities, tokens = filtered_probabilities(logits_of(0.4, 0.3, 0.2, 0.1), SamplingSettings(1, 2, 0.5))
    assert tokens.shape == (1, 2)
    torch.testing.assert_close(probabilities[0], torch.tensor([1.0, 0.0]))


def test_forbidden_tokens_are_never_drawn():
    logits = torch.full((1, 100), -torch.inf)
    logits[0, 17] = -3.0
    for uniform in (0.0, 0.5, 1 - 2**-24):
        assert draw(logits, torch.tensor([uniform]), SamplingSettings()).tolist() == [17]


def test_draws_follow_the_probabilities():
    uniform = torch.rand(20000, generator=torch.Generator().manual_seed(0))
    logits = logits_of(0.1, 0.6, 0.3).expand(20000, -1)
    share = draw(logits, uniform, SamplingSettings(1, 50, 1)).bincount(minlength=3) / 20000
    torch.testing.assert_close(share, torch.tensor([0.1, 0.6, 0.3]), atol=0.02, rtol=0)


def test_greedy_takes_the_largest():
    assert draw(logits_of(0.2, 0.3, 0.5), torch.tensor([0.0]), SamplingSettings(greedy=True)).tolist() == [2]


def test_a_variant_is_the_same_whatever_runs_beside_it():
    assert torch.equal(uniform_numbers([4, 9, 5], 50)[:, 2:], uniform_numbers([5], 50))
    assert not torch.equal(uniform_numbers([4], 50), uniform_numbers([5], 50))


@pytest.mark.parametrize("wrong", [{"temperature": 0}, {"top_k": 0}, {"top_p": 0}, {"top_p": 1.5}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SamplingSettings(**wrong)
