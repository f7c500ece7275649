# SPDX-License-Identifier: GPL-3.0-or-later
"""Generation scale by scale agrees with the transformer's own forward, and a seed means the same everywhere."""

import pytest
import torch

from backend.pipelines.sar3d.generation import TokenGenerator
from backend.pipelines.sar3d.sampling import SamplingSettings, draw, filtered_probabilities
from backend.pipelines.sar3d.transformer import Condition

from .tiny_networks import SIDES, VOCABULARY, WIDTHS, tiny_decoder, tiny_transformer


def condition(kind, objects, seed=0):
    generator = torch.Generator().manual_seed(seed)
    pooled = torch.randn(objects, WIDTHS[kind], generator=generator)
    return Condition(pooled, torch.randn(objects, 5, WIDTHS[kind], generator=generator))


@pytest.mark.parametrize("kind", ["text", "image"])
@torch.no_grad()
def test_scale_by_scale_equals_all_at_once(kind):
    transformer, quantizer = tiny_transformer(kind), tiny_decoder().quantize
    given, null = condition(kind, 2), condition(kind, 1, seed=1)
    guidance = 3.0
    generator = TokenGenerator(transformer, quantizer, 2, 5, SamplingSettings(guidance))
    tokens = torch.randint(VOCABULARY, (2, quantizer.layout.total))
    inputs = quantizer.teacher_forcing_input(tokens)
    with_condition = transformer(given, inputs)
    without = transformer(Condition(*(part.expand(2, *part.shape[1:]) for part in null)), inputs)
    generator.begin(given, null)
    for scale in range(len(SIDES)):
        span, strength = quantizer.layout.span(scale), guidance * scale / (len(SIDES) - 1)
        expected = (1 + strength) * with_condition[:, span] - strength * without[:, span]
        assert torch.allclose(generator.logits(scale), expected, atol=2e-4)
        generator.accept(scale, tokens[:, span])
    assert torch.allclose(generator.latent, quantizer.decode(tokens), atol=1e-5)


def test_an_object_depends_on_its_own_seed_and_condition_only():
    transformer, quantizer = tiny_transformer(), tiny_decoder().quantize
    settings = SamplingSettings(2.0, top_k=0, top_p=0.95)
    given, null = condition("text", 3), condition("text", 1, seed=1)
    together = TokenGenerator(transformer, quantizer, 3, 5, settings).run(given, null, [7, 8, 7])
    alone = TokenGenerator(transformer, quantizer, 1, 5, settings)
    for number, seed in enumerate((7, 8, 7)):
        one = Condition(*(part[number : number + 1] for part in given))
        assert torch.equal(alone.run(one, null, [seed]).tokens[0], together.tokens[number])
    assert not torch.equal(together.tokens[0], together.tokens[1])


def test_the_network_keeps_what_the_first_scale_ignores():
    """Guidance is zero at the first scale, so it cannot change its tokens; later ones it changes."""
    transformer, quantizer = tiny_transformer(), tiny_decoder().quantize
    given, null = condition("text", 1), condition("text", 1, seed=1)
    runs = [TokenGenerator(transformer, quantizer, 1, 5, SamplingSettings(guidance, 0, 0)).run(given, null, [3]).tokens
            for guidance in (0.0, 8.0)]
    first = quantizer.layout.span(0)
    assert torch.equal(runs[0][:, first], runs[1][:, first])
    assert not torch.equal(*runs)


def test_progress_counts_scales():
    told = []
    generator = TokenGenerator(tiny_transformer(), tiny_decoder().quantize, 1, 5)
    generator.run(condition("text", 1), condition("text", 1, 1), [0], lambda done, of: told.append((done, of)))
    assert told == [(scale + 1, len(SIDES)) for scale in range(len(SIDES))]


def test_draws_follow_the_filtered_probabilities():
    torch.manual_seed(0)
    logits, settings = torch.randn(1, 12) * 2, SamplingSettings(top_k=6, top_p=0.9)
    probabilities, tokens = filtered_probabilities(logits, settings)
    expected = torch.zeros(12).scatter(0, tokens[0], probabilities[0])
    uniform = torch.rand(20000)
    drawn = draw(logits.expand(20000, -1), uniform, settings)
    frequencies = torch.bincount(drawn, minlength=12) / 20000
    assert torch.allclose(frequencies, expected, atol=0.015)
    assert (frequencies[expected == 0] == 0).all()


@pytest.mark.parametrize("uniform", [0.0, 1.0 - 2**-24])
def test_extreme_uniform_numbers_draw_a_possible_token(uniform):
    logits = torch.tensor([[0.0, 5.0, 4.9, -torch.inf]])
    drawn = draw(logits, torch.tensor([uniform]), SamplingSettings(top_k=0, top_p=0.6))
    assert drawn.item() in (1, 2)


@pytest.mark.parametrize("wrong", [{"guidance": -1.0}, {"top_k": -1}, {"top_p": 1.5}, {"guidance": float("nan")}])
def test_settings_out_of_range(wrong):
    with pytest.raises(ValueError, match="must be"):
        SamplingSettings(**wrong)
