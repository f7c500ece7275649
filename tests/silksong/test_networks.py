# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks' own properties; their numbers are compared in tests/parity."""

import pytest
import torch

from backend.pipelines.silksong.decoding import CHUNK, StaticDecoder
from backend.pipelines.silksong.tokenizer import vocabulary
from backend.pipelines.silksong.transformer import IGNORED, cosine_normalized
from tests.silksong.tiny_networks import random_condition, tiny_pipeline, tiny_transformer


def random_tokens(rows: int, count: int) -> torch.Tensor:
    return torch.randint(vocabulary.END, (rows, count), generator=torch.Generator().manual_seed(3))


def test_product_of_normalized_vectors_is_ten_times_their_cosine():
    x, y = torch.randn(2, 7, 64, generator=torch.Generator().manual_seed(0))
    expected = 10 * torch.cosine_similarity(x, y)
    torch.testing.assert_close((cosine_normalized(x) * cosine_normalized(y)).sum(-1), expected)


def test_later_tokens_and_padding_change_nothing_before_them():
    transformer, condition, tokens = tiny_transformer(), random_condition(2), random_tokens(2, 20)
    whole = transformer(tokens, condition)
    padded = tokens.clone()
    padded[:, 12:] = IGNORED
    torch.testing.assert_close(transformer(padded, condition)[:, :13], whole[:, :13])
    assert (transformer(padded, condition)[:, 14] - whole[:, 14]).abs().max() > 1e-3


def test_every_class_of_token_has_its_vector():
    transformer = tiny_transformer()
    table = transformer.class_table()
    for token in (0, 1, 2, vocabulary.END, vocabulary.PADDING):
        assert not table[token].any()
    assert torch.equal(table[3], transformer.matrix_in0_embed[0])
    assert torch.equal(table[202], transformer.matrix_in0_embed[0])
    assert torch.equal(table[203], transformer.matrix_in1_embed[0])
    assert torch.equal(table[458], transformer.matrix_in1_embed[0])
    assert torch.equal(table[5658], transformer.matrix_out_embed[0])
    assert torch.equal(table[5659], transformer.block_embed[0])
    assert torch.equal(table[10266], transformer.offset_embed[0])


@pytest.mark.parametrize(("shared_condition", "embedding_width"), [(False, None), (True, None), (False, 12)])
def test_cached_steps_equal_the_whole_sequence(shared_condition, embedding_width):
    """Over several chunks, read at the shortest length and at more than is filled, and in a second run."""
    transformer = tiny_transformer(embedding_width=embedding_width)
    decoder = StaticDecoder(transformer, 2, 3 * CHUNK)
    condition = random_condition(2)
    for run in range(2):
        tokens = random_tokens(2, 2 * CHUNK + 5 - 100 * run)
        given = condition[run : run + 1] if shared_condition else condition.roll(run, 0)
        expected = transformer(tokens, given.expand(2, -1, -1))
        decoder.begin(given)
        steps = torch.cat([torch.full_like(tokens[:, :1], decoder.start), tokens], dim=1)
        for i in range(steps.shape[1]):
            length = (i // CHUNK + 1) * CHUNK if i % 2 else decoder.capacity
            logits = decoder.logits(steps[:, i], torch.tensor([i]), length)
            assert (logits - expected[:, i]).abs().max() < 2e-4, i


def test_half_precision_stays_near():
    transformer, condition, tokens = tiny_transformer(), random_condition(1), random_tokens(1, CHUNK + 20)
    expected = transformer(tokens, condition)[0]
    decoder = StaticDecoder(transformer.half(), 1, 2 * CHUNK)
    decoder.begin(condition)
    steps = [decoder.start, *tokens[0].tolist()]
    logits = [
        decoder.logits(torch.tensor([token]), torch.tensor([i]), decoder.capacity).float()
        for i, token in enumerate(steps)
    ]
    error = (torch.cat(logits) - expected).square().mean() / expected.square().mean()
    assert error.sqrt() < 0.01


def test_extreme_scores_stay_finite_in_half_precision():
    """Every key equal to the query: all scores are 10, the most that a sum of exponentials can be."""
    decoder = StaticDecoder(tiny_transformer().half(), 1, 2 * CHUNK)
    attention = decoder.prefix[0]
    direction = cosine_normalized(torch.randn(len(attention.keys), attention.head_width).half())
    attention.keys[:] = direction[:, None]
    attention.values[..., : attention.head_width] = 3 * 2.0**-8
    attention.values[..., attention.head_width] = 2.0**-8
    mixed = attention._attend(direction, 2 * CHUNK)
    torch.testing.assert_close(mixed, torch.full_like(mixed, 3), rtol=5e-3, atol=0)


def test_a_narrow_table_serves_tokens_and_logits():
    transformer, tokens = tiny_transformer(embedding_width=12), random_tokens(2, 9)
    assert transformer.token_embed.weight.shape == (vocabulary.VOCABULARY_SIZE, 12)
    before = transformer(tokens, random_condition(2))
    assert before.shape == (2, 10, vocabulary.VOCABULARY_SIZE)
    unused = next(token for token in range(100, 200) if token not in tokens)
    transformer.token_embed.weight[unused] += 1.0
    changed = (transformer(tokens, random_condition(2)) - before).abs().amax(dim=(0, 1)) > 0
    assert changed.nonzero().flatten().tolist() == [unused]


def test_gradients_reach_every_parameter():
    pipeline = tiny_pipeline()
    models = (pipeline.conditioner.requires_grad_(True), pipeline.transformer.requires_grad_(True))
    tokens = torch.tensor([[0, 5659, 6990, 1, 6107, 9294, 211, 11, 460, 2], [0, 5659, 6990, 1, *[IGNORED] * 6]])
    pipeline.transformer.loss(tokens, pipeline.conditioner(torch.randn(2, 30, 6))).backward()
    assert not [name for model in models for name, p in model.named_parameters() if p.grad is None]
