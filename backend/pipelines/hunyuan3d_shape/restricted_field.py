# SPDX-License-Identifier: GPL-3.0-or-later
"""FlashVDM: field queries that lie close together attend only to the latent tokens that matter to them.

The points of a level are sorted into the bins of a regular grid over their bounding box; the mean query of a sample
of a bin's points picks the bin's keys, for every head its own. Source: FlashVDM (Lai et al. 2025);
docs/algorithms/hunyuan3d_shape.md, "FlashVDM".
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .attention import KeyValue
from .autoencoder import ShapeAutoencoder

KEPT_KEYS = {3072: 1024, 512: 256}
"""Keys that a bin keeps, by the number of tokens; otherwise a third of them."""


@dataclass(frozen=True)
class Binning:
    """How a level's points are put together: bins along each axis, and every how many points one is sampled."""

    bins_per_axis: int
    sample_every: int

    def of(self, points: Tensor) -> Tensor:
        """The bin of each of the points `[P, 3]`, int64 `[P]`."""
        low, high = points.amin(dim=0), points.amax(dim=0)
        extent = (high - low).clamp(min=torch.finfo(points.dtype).tiny)
        place = ((points - low) / extent * (self.bins_per_axis - 0.001)).long()
        return (place[:, 0] * self.bins_per_axis + place[:, 1]) * self.bins_per_axis + place[:, 2]


FIRST_LEVEL = Binning(4, 100)
LATER_LEVELS = Binning(6, 50)


def kept_keys(tokens: int) -> int:
    """How many of `tokens` keys a bin attends to."""
    return KEPT_KEYS.get(tokens, max(tokens // 3, 1))


def best_keys(mean_queries: Tensor, key: Tensor, kept: int) -> Tensor:
    """The keys with the highest mean score, int64 `[G, heads, kept]`.

    `mean_queries [G, heads, D]` are the means of each group's sampled queries: the mean of their scores with a key is
    the score of their mean. `key [1, heads, K, D]` or `[G, heads, K, D]`.
    """
    return (key @ mean_queries.to(key.dtype).unsqueeze(-1)).squeeze(-1).topk(kept, dim=-1).indices


def picked(key_value: KeyValue, index: Tensor) -> KeyValue:
    """The keys and values `[G, heads, kept, D]` at `index [G, heads, kept]`."""
    return KeyValue(*(
        part.expand(len(index), -1, -1, -1).take_along_dim(index.unsqueeze(-1), dim=2) for part in key_value
    ))


class RestrictedField:
    """The field of one shape, level by level: call it once with all points of each level, coarsest first."""

    def __init__(
        self,
        autoencoder: ShapeAutoencoder,
        context: KeyValue,
        chunk_size: int,
        report: Callable[[int, int, int], None] = lambda _level, _done, _of: None,
    ) -> None:
        """`context` is of a batch of one. `report(level, done, of)` follows each chunk and may raise to give up."""
        self.autoencoder, self.context, self.report = autoencoder, context, report
        self.row = max(min(2048, chunk_size // 8), 1)
        """Points of one bin that are queried side by side; the last of a bin's rows is filled up."""
        self.rows = max(chunk_size // self.row, 1)
        self.level = 0

    def __call__(self, points: Tensor) -> Tensor:
        """Field float32 `[P]` at `points [P, 3]`."""
        binning = FIRST_LEVEL if self.level == 0 else LATER_LEVELS
        bins = binning.of(points)
        order = self.order(bins)
        counts = torch.bincount(bins)
        ends = counts.cumsum(0)
        index = best_keys(
            self._mean_queries(points[order], counts, ends, binning.sample_every),
            self.context.key,
            kept_keys(self.context.key.shape[2]),
        )
        values = self._query_rows(points[order], counts, ends, index)
        self.level += 1
        return torch.empty_like(values).scatter_(0, order, values)

    def order(self, bins: Tensor) -> Tensor:
        """The points bin after bin, int64 `[P]`. Stable, so that a bin's sample is the same on every machine."""
        return bins.argsort(stable=True)

    def _mean_queries(self, points: Tensor, counts: Tensor, ends: Tensor, every: int) -> Tensor:
        """Mean query of every bin's sample, float32 `[G, heads, D]`; zeros for an empty bin."""
        bins = torch.repeat_interleave(counts)
        rank = torch.arange(len(points), device=points.device) - (ends - counts)[bins]
        sampled = (rank % every == 0).nonzero()[:, 0]
        _, heads, _, width = self.context.key.shape
        sums = torch.zeros(len(counts), heads * width, device=points.device)
        for part in sampled.split(self.row * self.rows):
            queries = self.autoencoder.field_queries(points[part][None])[0].flatten(1).float()
            # A product with the membership, not an atomic sum: the same on every run.
            member = bins[part] == torch.arange(len(counts), device=points.device)[:, None]
            sums += member.float() @ queries
        share = torch.bincount(bins[sampled], minlength=len(counts)).clamp(min=1)
        return (sums / share[:, None]).unflatten(-1, (heads, width))

    def _query_rows(self, points: Tensor, counts: Tensor, ends: Tensor, index: Tensor) -> Tensor:
        """Field at sorted points, every row of points with the keys of its bin."""
        rows_of_bin = (counts + self.row - 1) // self.row
        bins = torch.repeat_interleave(rows_of_bin)
        number = torch.arange(len(bins), device=points.device) - (rows_of_bin.cumsum(0) - rows_of_bin)[bins]
        first = (ends - counts)[bins] + number * self.row
        place = first[:, None] + torch.arange(self.row, device=points.device)
        place = torch.minimum(place, (ends[bins] - 1)[:, None])
        values = torch.empty(len(points), device=points.device)
        for start in range(0, len(bins), self.rows):
            part = slice(start, start + self.rows)
            context = picked(self.context, index[bins[part]])
            values[place[part]] = self.autoencoder.query(points[place[part]], context)
            self.report(self.level, min(start + self.rows, len(bins)), len(bins))
        return values
