# SPDX-License-Identifier: GPL-3.0-or-later
"""How the tokens of a triplane follow one another: scale by scale, in each the three planes, in each rows of tokens."""

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor

PLANES = 3
SIDES = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16)
"""Tokens along the side of a plane at each published scale."""


class TokenLayout:
    """Positions of tokens, for planes of `sides[s]` x `sides[s]` tokens at scale s.

    Attributes:
        sides: tokens along a plane's side, one for each scale.
        counts: tokens of each scale, all planes together.
        starts: position of each scale's first token, and at the end the number of all tokens.
    """

    def __init__(self, sides: Sequence[int] = SIDES):
        self.sides = tuple(sides)
        self.counts = tuple(PLANES * side * side for side in self.sides)
        self.starts = (0, *accumulate(self.counts))

    @property
    def total(self) -> int:
        """Number of tokens of all scales."""
        return self.starts[-1]

    def span(self, scale: int) -> slice:
        """The positions of a scale's tokens."""
        return slice(self.starts[scale], self.starts[scale + 1])

    def levels(self) -> Tensor:
        """The scale of every token, int64 [L]."""
        return torch.repeat_interleave(torch.arange(len(self.sides)), torch.tensor(self.counts))

    def planes(self) -> Tensor:
        """The plane of every token, int64 [L]."""
        return torch.cat([torch.arange(PLANES).repeat_interleave(side * side) for side in self.sides])

    def visible(self) -> Tensor:
        """Whether a position (row) may attend to another (column) in training, bool [L, L]: its scale and earlier."""
        levels = self.levels()
        return levels[:, None] >= levels[None, :]

    def split(self, tokens: Tensor) -> list[Tensor]:
        """`tokens [B, L]` -> for each scale int64 [3 B, side²], the planes of one object after each other."""
        return [tokens[:, self.span(scale)].reshape(-1, side * side) for scale, side in enumerate(self.sides)]

    def join(self, scales: Sequence[Tensor]) -> Tensor:
        """The opposite of `split`: int64 [B, L]."""
        rows = [indices.reshape(-1, count) for indices, count in zip(scales, self.counts, strict=True)]
        return torch.cat(rows, dim=1)
