# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tokens continue a valid sequence (docs/algorithms/silksong.md, section 5), as table look-ups for a whole batch.

Beyond the follow rules, a token is allowed only if the sequence can still become complete: within the layer's limits,
and within the tokens that are left. So a sequence under this grammar never needs to be salvaged, even when it runs
into its maximum length: it closes its last component in time. Nothing here waits for the device, so that it can be
part of a recorded graph.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor

from .tokenizer import vocabulary as v


class State(IntEnum):
    """What came last. In layer 0, which has one vertex without links, block and offset are states of their own."""

    START = 0
    COMPONENT = 1
    FIRST_BLOCK = 2
    FIRST_OFFSET = 3
    LAYER = 4
    BLOCK = 5
    OFFSET = 6
    CODE = 7
    LONG_RANGE = 8
    LINK = 9
    END_COMPONENT = 10
    END = 11


FORBIDDEN = -1
TOKENS_PER_VERTEX = 4
"""Block, offset, code and a link: the shortest vertex of a layer after layer 0."""
TOKENS_TO_CLOSE = {
    State.START: 9, State.COMPONENT: 8, State.FIRST_BLOCK: 7, State.FIRST_OFFSET: 6, State.LAYER: 5, State.BLOCK: 4,
    State.OFFSET: 3, State.CODE: 2, State.LONG_RANGE: 2, State.LINK: 1, State.END_COMPONENT: 0, State.END: 0,
}
"""Fewest tokens from each state to the end of the component, the vertices that a layer still owes not counted."""
MIN_TOKENS = TOKENS_TO_CLOSE[State.START]
"""Length of the shortest complete sequence."""
WINDOW_MARGIN = v.SAME_LAYER_WINDOW + 1
"""A long-range link spans at least this much, and this much is left of the ring behind it; nearer vertices are linked
by window codes."""
LINK_PLACE = v.MAX_LAYER_VERTICES
"""Links are placed behind all long-range links, so that the order of both is one comparison."""


@dataclass
class GrammarState:
    """One row per sequence, int64 `[B]` each; changed in place."""

    state: Tensor
    layer: Tensor
    """Number of the current layer."""
    vertices: Tensor
    """Vertices of the current layer so far."""
    required: Tensor
    """Vertices that the current layer must have for the links seen in it."""
    previous: Tensor
    """Vertices of the previous layer."""
    place: Tensor
    """Place of the current vertex' last link: links ascend."""

    def tensors(self) -> tuple[Tensor, ...]:
        return (self.state, self.layer, self.vertices, self.required, self.previous, self.place)


class Grammar:
    """Tables of the grammar on one device."""

    def __init__(self, device: torch.device | str, vocabulary_size: int = v.VOCABULARY_SIZE):
        self.device = torch.device(device)
        tables = (_following(vocabulary_size), *_token_properties(vocabulary_size))
        self._following, self._required, self._place, self._reach = (
            torch.from_numpy(table).to(device) for table in tables
        )
        closing = [TOKENS_TO_CLOSE[state] for state in State]
        self._closing = torch.tensor([*closing, 0], device=device)[self._following]

    def start(self, rows: int) -> GrammarState:
        """The state before the first token of `rows` sequences."""
        state = GrammarState(*(torch.zeros(rows, dtype=torch.int64, device=self.device) for _ in range(6)))
        self.reset(state)
        return state

    def reset(self, state: GrammarState) -> None:
        """Bring `state` back to before the first token."""
        for tensor in state.tensors():
            tensor.zero_()

    def allowed(self, now: GrammarState, remaining: Tensor) -> Tensor:
        """Bool `[B, V]`: the tokens that may come next when `remaining` tokens (int64 `[1]` or `[B]`) are left,
        the next one counted; the end token costs nothing. There is always one while `remaining` suffices."""
        following = self._following[now.state]
        counted = now.vertices[:, None] + (following == State.BLOCK)
        required = torch.maximum(self._required, now.required[:, None])
        owed = (required - counted).clamp(min=0)
        # A layer that U begins owes nothing yet; one that ends must owe nothing.
        ends_layer = (following == State.LAYER) | (following == State.END_COMPONENT)
        cost = self._closing[now.state] + TOKENS_PER_VERTEX * torch.where(ends_layer, 0, owed)
        return (
            (following != FORBIDDEN)
            & (counted <= v.MAX_LAYER_VERTICES)
            & ~(ends_layer & (owed > 0))
            & ~((following == State.LAYER) & (now.layer >= v.MAX_LAYERS - 1)[:, None])
            & (self._place >= now.place[:, None])
            & (self._reach < now.previous[:, None])
            & (cost < remaining.view(-1, 1))
        )

    def advance(self, now: GrammarState, token: Tensor) -> None:
        """Take `token` int64 `[B]`, which was allowed, as the next one."""
        following = self._following[now.state, token]
        block, layer, component = (following == state for state in (State.BLOCK, State.LAYER, State.COMPONENT))
        fresh = layer | component
        # Layer 0 has one vertex, which nothing counts.
        size = torch.where(now.state == State.FIRST_OFFSET, 1, now.vertices)
        now.previous.copy_(torch.where(layer, size, now.previous))
        now.vertices.copy_(torch.where(fresh, 0, now.vertices + block))
        now.required.copy_(torch.where(fresh, 0, torch.maximum(now.required, self._required[token])))
        now.layer.copy_(torch.where(component, 0, now.layer + layer))
        places = (following == State.LONG_RANGE) | (following == State.LINK)
        now.place.copy_(torch.where(places, self._place[token] + 1, torch.where(block, 0, now.place)))
        now.state.copy_(following)


def _following(vocabulary_size: int) -> np.ndarray:
    """State after each token in each state, int64 `[states, V]`, FORBIDDEN where it may not come."""
    table = np.full((len(State), vocabulary_size), FORBIDDEN, np.int64)
    offsets, blocks = slice(v.OFFSET, v.END), slice(v.BLOCK, v.OFFSET)
    codes, links = slice(v.SAME_LAYER, v.PREVIOUS_LAYER), slice(v.PREVIOUS_LAYER, v.BLOCK)
    # Offset o = d + 1 lies between both windows of the largest layer.
    longest = v.MAX_LAYER_VERTICES - WINDOW_MARGIN
    long_range = slice(v.LONG_RANGE + WINDOW_MARGIN - 1, v.LONG_RANGE + longest)
    rules = [
        (State.START, v.COMPONENT, State.COMPONENT),
        (State.COMPONENT, blocks, State.FIRST_BLOCK),
        (State.FIRST_BLOCK, offsets, State.FIRST_OFFSET),
        (State.FIRST_OFFSET, v.NEXT_LAYER, State.LAYER),
        (State.LAYER, blocks, State.BLOCK),
        (State.BLOCK, offsets, State.OFFSET),
        (State.OFFSET, codes, State.CODE),
        (State.CODE, long_range, State.LONG_RANGE),
        (State.CODE, links, State.LINK),
        (State.LONG_RANGE, long_range, State.LONG_RANGE),
        (State.LONG_RANGE, links, State.LINK),
        (State.LINK, links, State.LINK),
        (State.LINK, blocks, State.BLOCK),
        (State.LINK, v.NEXT_LAYER, State.LAYER),
        (State.LINK, v.END_COMPONENT, State.END_COMPONENT),
        (State.END_COMPONENT, v.COMPONENT, State.COMPONENT),
        (State.END_COMPONENT, v.END, State.END),
        (State.END, v.END, State.END),
    ]
    for state, tokens, after in rules:
        table[state, tokens] = after
    return table


def _token_properties(vocabulary_size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each token, int64 `[V]`: vertices that its layer must have, place among the links, and the furthest position
    of the previous layer that it links to. Tokens that are no links have the last place and reach nothing."""
    required = np.zeros(vocabulary_size, np.int64)
    place = np.full(vocabulary_size, np.iinfo(np.int64).max // 2)
    reach = np.full(vocabulary_size, -1)
    codes = np.arange(1, v.SAME_LAYER_COUNT)
    required[v.SAME_LAYER + codes] = np.floor(np.log2(codes)).astype(np.int64) + 2
    distances = np.arange(v.LONG_RANGE_COUNT)
    required[v.LONG_RANGE + distances] = distances + 1 + WINDOW_MARGIN
    place[v.LONG_RANGE + distances] = distances
    position = np.repeat(np.arange(v.MAX_LAYER_VERTICES), v.WINDOW_PATTERN_COUNT)
    steps = np.arange(1, v.PREVIOUS_LAYER_WINDOW + 1)
    span = np.tile((v.WINDOW_PATTERNS * steps).max(axis=1), v.MAX_LAYER_VERTICES)
    links = slice(v.PREVIOUS_LAYER, v.BLOCK)
    place[links] = LINK_PLACE + position
    reach[links] = position + span
    return required, place, reach
