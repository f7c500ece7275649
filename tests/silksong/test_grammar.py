# SPDX-License-Identifier: GPL-3.0-or-later
"""Sequences under the grammar are whole, and the grammar allows what the tokenizer writes."""

import numpy as np
import pytest
import torch

from backend.contract import MeshData
from backend.pipelines.silksong.generation import TokenGenerator
from backend.pipelines.silksong.grammar import MIN_TOKENS, Grammar
from backend.pipelines.silksong.sampling import SamplingSettings
from backend.pipelines.silksong.tokenizer import vocabulary
from backend.pipelines.silksong.tokenizer.decode import decode
from backend.pipelines.silksong.tokenizer.encode import encode
from tests.silksong.tiny_networks import random_condition, tiny_transformer

SETTINGS = SamplingSettings(temperature=2.0, top_k=vocabulary.VOCABULARY_SIZE, top_p=1.0)
PLENTY = torch.tensor([vocabulary.MAX_TOKENS])


@pytest.fixture(scope="module")
def grammar() -> Grammar:
    return Grammar("cpu")


def first_forbidden(grammar: Grammar, tokens: list[int]) -> int | None:
    """Index of the first token that the grammar does not allow."""
    state = grammar.start(1)
    for i, token in enumerate(tokens):
        if not grammar.allowed(state, PLENTY - i)[0, token]:
            return i
        grammar.advance(state, torch.tensor([token]))
    return None


def assert_whole(tokens: np.ndarray) -> None:
    assert tokens[-1] == vocabulary.END_COMPONENT
    assert decode(tokens).notes == ()


@pytest.mark.parametrize("seed", range(10))
def test_sequences_of_random_weights_need_no_salvage(seed):
    """A thousand in all, at the lengths that leave the grammar little room."""
    generator = TokenGenerator(tiny_transformer(depth=1), 100, 48 + 5 * seed, SETTINGS)
    for tokens in generator.run(random_condition(1), seed):
        assert_whole(tokens)


def test_long_random_walks_need_no_salvage(grammar):
    """Weights by class of token, so that walks reach many layers, several components and wide layers."""
    random, rows, length = torch.Generator().manual_seed(0), 12, 500
    classes = torch.bucketize(
        torch.arange(vocabulary.VOCABULARY_SIZE), torch.tensor([0, 1, 2, 202, 458, 5658, 6170, 10266])
    )
    preference = torch.randn(rows, 9, generator=random)
    preference[::2] += torch.tensor([0, 0, 3, -20, 0, 0, 0, 0, 0])  # small layers that end soon
    sizes = classes.bincount(minlength=9).clamp(min=1)
    weights = (preference - sizes.log()).exp()[:, classes]
    state, tokens = grammar.start(rows), []
    for i in range(length):
        allowed = grammar.allowed(state, torch.tensor([length - i]))
        assert allowed.any(dim=1).all()
        tokens.append(torch.multinomial(weights * allowed, 1, generator=random)[:, 0])
        grammar.advance(state, tokens[-1])
    sequences = torch.stack(tokens, dim=1).numpy()
    assert max((row == vocabulary.COMPONENT).sum() for row in sequences) > 1
    for row in sequences:
        assert_whole(row[: np.argmax(row == vocabulary.END)] if (row == vocabulary.END).any() else row)


def torus(major: int, minor: int) -> tuple[np.ndarray, np.ndarray]:
    i, j = np.mgrid[:major, :minor]
    a, b = 2 * np.pi * i / major, 2 * np.pi * j / minor
    radius = 0.65 + 0.3 * np.cos(b)
    vertices = np.stack([radius * np.cos(a), 0.3 * np.sin(b), radius * np.sin(a)], axis=-1).reshape(-1, 3)
    corner = lambda di, dj: ((i + di) % major * minor + (j + dj) % minor).ravel()  # noqa: E731
    first = np.stack([corner(0, 0), corner(1, 0), corner(1, 1)], axis=1)
    second = np.stack([corner(0, 0), corner(1, 1), corner(0, 1)], axis=1)
    return vertices, np.concatenate([first, second])


@pytest.mark.parametrize(("shape", "long_range"), [((12, 6), False), ((40, 9), True), ((24, 14), True)])
def test_what_the_tokenizer_writes_is_allowed(grammar, shape, long_range):
    tokens = encode(MeshData(*torus(*shape))).ids.tolist()
    assert any(vocabulary.LONG_RANGE <= token < vocabulary.SAME_LAYER for token in tokens) == long_range
    assert first_forbidden(grammar, [*tokens, vocabulary.END]) is None


BOX = [0, 5659, 6990, 1, 6107, 9294, 208, 460, 5666, 6999, 208, 460, 5722, 7143, 208, 460]


@pytest.mark.parametrize(
    ("tokens", "wrong"),
    [
        ([5659], 0),
        ([10267], 0),
        ([0, 6990], 1),
        ([0, 5659, 5660], 2),
        ([0, 5659, 6990, 2], 3),
        ([0, 5659, 6990, 1, 1], 4),
        ([0, 5659, 6990, 1, 6107, 9294, 460], 6),
        ([0, 5659, 6990, 1, 6107, 9294, 208, 1], 7),
        ([*BOX, 460], 16),
        ([*BOX, 486], 16),
        ([*BOX[:8], 2], 8),
        ([*BOX, 10267], 16),
        ([*BOX[:7], 3], 7),
        ([*BOX, 10268], 16),
    ],
)
def test_what_breaks_a_rule_is_forbidden(grammar, tokens, wrong):
    assert first_forbidden(grammar, tokens) == wrong


def test_layer_is_as_large_as_its_links_say(grammar):
    """Window code 208 has bit 3: its layer needs at least four vertices, and may end then."""
    vertex = [6107, 9294, 203, 460]
    assert first_forbidden(grammar, [*BOX[:8], *vertex, *vertex, 2]) == 16
    assert first_forbidden(grammar, [*BOX[:8], *vertex, *vertex, *vertex, 2]) is None


def test_no_layer_holds_more_than_two_hundred_vertices(grammar):
    vertex = [6107, 9294, 203, 460]
    assert first_forbidden(grammar, [*BOX[:4], *vertex * 201]) == 4 + 4 * 200
    assert first_forbidden(grammar, [*BOX[:4], *vertex * 200, 1]) is None


def test_no_component_has_more_than_two_hundred_layers(grammar):
    layer = [6107, 9294, 203, 460, 1]
    assert first_forbidden(grammar, [*BOX[:4], *layer * 199]) == 4 + 5 * 199 - 1
    assert first_forbidden(grammar, [*BOX[:4], *(layer * 199)[:-1], 2, 10267]) is None


def test_shortest_sequence():
    generator = TokenGenerator(tiny_transformer(depth=1), 3, MIN_TOKENS, SETTINGS)
    for tokens in generator.run(random_condition(1)):
        assert len(tokens) == MIN_TOKENS
        assert_whole(tokens)
    with pytest.raises(ValueError, match="max_tokens"):
        TokenGenerator(tiny_transformer(depth=1), 3, MIN_TOKENS - 1, SETTINGS)
