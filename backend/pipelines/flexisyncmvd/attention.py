# SPDX-License-Identifier: GPL-3.0-or-later
"""Self-attention across views: each view reads its neighbours', and early on the front's, keys and values (spec 2.16b).

A batch holds the views once for each sign of guidance; signs never mix. Views are computed in chunks of queries where
memory asks for it, which changes nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


@dataclass
class ViewSharing:
    """Who looks at whom. `reference_weight` changes between steps; `views_per_chunk` bounds memory.

    `runs` are successive views with equally many neighbours, at most a chunk, and those neighbours' indices
    [views, n] on `device`.
    """

    neighbours: tuple[tuple[int, ...], ...]
    references: tuple[int, ...]
    reference_weight: float = 0.0
    views_per_chunk: int | None = None
    device: torch.device | str = "cpu"
    runs: list[tuple[slice, Tensor]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.runs = [
            (slice(start, stop), torch.tensor(self.neighbours[start:stop], device=self.device))
            for start, stop in self._bounds()
        ]

    def _bounds(self) -> Iterator[tuple[int, int]]:
        start = 0
        for _, same in groupby(self.neighbours, key=len):
            stop = start + len(list(same))
            chunk = self.views_per_chunk or stop - start
            for first in range(start, stop, chunk):
                yield first, min(first + chunk, stop)
            start = stop


class ViewSharingAttention:
    """Attention processor for the `attn1` layers of a Stable Diffusion UNet."""

    def __init__(self, sharing: ViewSharing) -> None:
        self.sharing = sharing

    def __call__(self, attn: Attention, hidden_states: Tensor, *_: object, **__: object) -> Tensor:
        """`hidden_states` [signs * views, tokens, width] to the same shape."""
        rows, tokens, _ = hidden_states.shape
        shape = (rows // len(self.sharing.neighbours), len(self.sharing.neighbours), tokens, attn.heads, -1)
        query, key, value = (project(hidden_states).view(shape) for project in (attn.to_q, attn.to_k, attn.to_v))
        mixed = shared_attention(query, key, value, self.sharing).reshape(rows, tokens, -1)
        return attn.to_out[1](attn.to_out[0](mixed)) / attn.rescale_output_factor


def shared_attention(query: Tensor, key: Tensor, value: Tensor, sharing: ViewSharing) -> Tensor:
    """Attention of [signs, views, tokens, heads, width] tensors; the result has the query's shape."""
    near = torch.cat(
        [
            _attend(query[:, views].flatten(0, 1), _read(key, sources), _read(value, sources))
            .view(len(query), len(sources), *query.shape[2:])
            for views, sources in sharing.runs
        ],
        dim=1,
    )
    weight = sharing.reference_weight
    if not weight:
        return near
    front = torch.cat(
        [_attend(part.flatten(1, 2), *(_gathered(source, sharing.references) for source in (key, value)))
         .view(part.shape) for part in query.split(sharing.views_per_chunk or query.shape[1], dim=1)],
        dim=1,
    )
    return (near + weight * front) / (1 + weight)


def _read(source: Tensor, sources: Tensor) -> Tensor:
    """For each of some views the tokens of its neighbours in a row: [signs * views, n * tokens, heads, width]."""
    return source[:, sources].flatten(2, 3).flatten(0, 1)


def _gathered(source: Tensor, views: tuple[int, ...]) -> Tensor:
    """The tokens of some views in a row, [signs, n * tokens, heads, width]."""
    return torch.cat([source[:, view] for view in views], dim=1)


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention of [rows, tokens, heads, width] tensors."""
    return scaled_dot_product_attention(*(tensor.transpose(1, 2) for tensor in (query, key, value))).transpose(1, 2)


@contextmanager
def sharing_views(unet: UNet2DConditionModel, sharing: ViewSharing) -> Iterator[None]:
    """Within, the UNet's self-attention is shared between views; its processors come back afterwards."""
    before = dict(unet.attn_processors)
    shared = ViewSharingAttention(sharing)
    own_layers = {name for name in before if name.endswith("attn1.processor")}
    unet.set_attn_processor({name: shared if name in own_layers else kept for name, kept in before.items()})
    try:
        yield
    finally:
        unet.set_attn_processor(before)
