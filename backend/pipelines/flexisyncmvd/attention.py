# SPDX-License-Identifier: GPL-3.0-or-later
"""Self-attention across views: each view reads its neighbors', and early on the front's, keys and values.

See docs/algorithms/flexisyncmvd.md, section 7.

A batch holds the views once for each sign of guidance; signs never mix. Views are computed in chunks of queries where
memory asks for it, which changes nothing.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import chain, groupby, pairwise

import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


@dataclass(frozen=True)
class Windows:
    """Successive views whose neighbors lie side by side in `order`, a list of views: the first view's are the first
    `length` entries, and every next view's begin `step` entries later. So no key is copied for each of its readers.
    """

    views: slice
    order: tuple[int, ...]
    length: int
    step: int

    @classmethod
    def over(cls, neighbors: tuple[tuple[int, ...], ...], start: int, stop: int) -> "Windows":
        """Windows over the neighbors of the views from `start` to `stop`, which all have equally many."""
        lists = neighbors[start:stop]
        if all(before[1:] == after[:-1] for before, after in pairwise(lists)):
            return cls(slice(start, stop), (*lists[0], *(near[-1] for near in lists[1:])), len(lists[0]), 1)
        return cls(slice(start, stop), tuple(chain(*lists)), len(lists[0]), len(lists[0]))

    def read(self, source: Tensor) -> Tensor:
        """For each of the views the tokens of its neighbors in a row: [views, tokens, heads, width] to overlapping
        windows [views here, length * tokens, heads, width]."""
        _, tokens, heads, width = source.shape
        parts = [source[first : last + 1] for first, last in _stretches(self.order)]
        laid_out = torch.cat(parts) if len(parts) > 1 else parts[0].contiguous()
        row = heads * width
        size = (self.views.stop - self.views.start, self.length * tokens, heads, width)
        return laid_out.as_strided(size, (self.step * tokens * row, row, width, 1))


@dataclass
class ViewSharing:
    """Who looks at whom. `reference_weight` changes between steps; `views_per_chunk` bounds memory.

    `windows` are successive views with equally many neighbors, at most a chunk.
    """

    neighbors: tuple[tuple[int, ...], ...]
    references: tuple[int, ...]
    reference_weight: float = 0.0
    views_per_chunk: int | None = None
    windows: tuple[Windows, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.windows = tuple(Windows.over(self.neighbors, start, stop) for start, stop in self._bounds())

    def _bounds(self) -> Iterator[tuple[int, int]]:
        start = 0
        for _, same in groupby(self.neighbors, key=len):
            stop = start + len(list(same))
            chunk = self.views_per_chunk or stop - start
            for first in range(start, stop, chunk):
                yield first, min(first + chunk, stop)
            start = stop


class ViewSharingAttention:
    """Attention processor for the `attn1` layers of a Stable Diffusion UNet, which neither add nor scale afterward.

    `alike` says that all signs have the same input: in the first layer of networks that read their texts in later
    layers only. It is then computed once.
    """

    def __init__(self, sharing: ViewSharing, alike: bool = False) -> None:
        self.sharing, self.alike = sharing, alike

    def __call__(self, attn: Attention, hidden_states: Tensor, *_: object, **__: object) -> Tensor:
        """`hidden_states` [signs * views, tokens, width] to the same shape."""
        rows, tokens = hidden_states.shape[:2]
        views = len(self.sharing.neighbors)
        given = hidden_states[:views] if self.alike else hidden_states
        shape = (len(given) // views, views, tokens, attn.heads, -1)
        query, key, value = (project(given).view(shape) for project in (attn.to_q, attn.to_k, attn.to_v))
        mixed = shared_attention(query, key, value, self.sharing).reshape(len(given), tokens, -1)
        output = attn.to_out[1](attn.to_out[0](mixed))
        return output if len(given) == rows else output.repeat(rows // len(given), 1, 1)


def shared_attention(query: Tensor, key: Tensor, value: Tensor, sharing: ViewSharing) -> Tensor:
    """Attention of [signs, views, tokens, heads, width] tensors; the result has the query's shape."""
    near = torch.cat([
        _attend(query[sign, windows.views], windows.read(key[sign]), windows.read(value[sign]))
        for sign in range(len(query)) for windows in sharing.windows
    ]).view(query.shape)
    weight = sharing.reference_weight
    if not weight:
        return near
    front = torch.cat(
        [_attend(part.flatten(1, 2), *(_gathered(source, sharing.references) for source in (key, value)))
         .view(part.shape) for part in query.split(sharing.views_per_chunk or query.shape[1], dim=1)],
        dim=1,
    )
    return (near + weight * front) / (1 + weight)


def _stretches(order: tuple[int, ...]) -> list[tuple[int, int]]:
    """First and last of each stretch of successive numbers."""
    stretches: list[tuple[int, int]] = []
    for number in order:
        if stretches and stretches[-1][1] + 1 == number:
            stretches[-1] = (stretches[-1][0], number)
        else:
            stretches.append((number, number))
    return stretches


def _gathered(source: Tensor, views: tuple[int, ...]) -> Tensor:
    """The tokens of some views in a row, [signs, n * tokens, heads, width]."""
    return torch.cat([source[:, view] for view in views], dim=1)


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention of [rows, tokens, heads, width] tensors."""
    query, key, value = (tensor.transpose(1, 2) for tensor in (query, key, value))
    return scaled_dot_product_attention(query, key, value).transpose(1, 2)


class AttentionOfOneSign(AttnProcessor2_0):
    """Self-attention of rows that are the same for all `signs`: computed once."""

    def __init__(self, signs: int) -> None:
        super().__init__()
        self._signs = signs

    def __call__(self, attn: Attention, hidden_states: Tensor, *args: object, **kwargs: object) -> Tensor:
        """`hidden_states` [signs * views, tokens, width] to the same shape."""
        rows = len(hidden_states) // self._signs
        return super().__call__(attn, hidden_states[:rows], *args, **kwargs).repeat(self._signs, 1, 1)


def sharing_views(unet: UNet2DConditionModel, sharing: ViewSharing) -> AbstractContextManager[None]:
    """Within, the UNet's self-attention is shared between views; its processors come back afterward."""
    shared = dict.fromkeys(_self_attention(unet), ViewSharingAttention(sharing))
    if _begins_alike(unet):
        shared[next(iter(shared))] = ViewSharingAttention(sharing, alike=True)
    return _processors_changed(unet, shared)


def beginning_once(network: ControlNetModel, signs: int) -> AbstractContextManager[None]:
    """Within, the first self-attention of a ControlNet that is given the same views for all signs is computed once."""
    first = _self_attention(network)[:1] if _begins_alike(network) else []
    return _processors_changed(network, dict.fromkeys(first, AttentionOfOneSign(signs)))


def _self_attention(network: UNet2DConditionModel | ControlNetModel) -> list[str]:
    return [name for name in network.attn_processors if name.endswith("attn1.processor")]


def _begins_alike(network: UNet2DConditionModel | ControlNetModel) -> bool:
    """Whether texts are first read after the first self-attention, and not in the time's embedding already."""
    return network.config.addition_embed_type is None


@contextmanager
def _processors_changed(
    network: UNet2DConditionModel | ControlNetModel, changes: Mapping[str, object]
) -> Iterator[None]:
    before = dict(network.attn_processors)
    network.set_attn_processor({**before, **changes})
    try:
        yield
    finally:
        network.set_attn_processor(before)
