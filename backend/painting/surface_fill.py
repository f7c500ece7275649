# SPDX-License-Identifier: GPL-3.0-or-later
"""Colors for the parts of a surface that no view shows, from those around them, across UV seams.

A membrane is stretched over the holes: every texel becomes the mean of its neighbors on the surface. From coarse
textures to fine ones, so that wide holes need few rounds. What lies outside of all faces is filled afterward: next to
seams by what lies across, and else by `pull_push`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from scipy.spatial import cKDTree
from torch import Tensor

from ..contract.reports import ignore
from ..geometry.projection import Fragments, UVMesh
from .gutters import continue_over_seams
from .pull_push import pull_push
from .seams import Seams
from .texel_graph import AROUND, TexelGraph

COARSEST = 32
COARSE_ROUNDS, ROUNDS = 200, 40
KEPT = 0.2
"""Share of its old value that a texel keeps in each round: without it, neighbors would swap values forever."""


def fill_surface(
    mesh: UVMesh,
    colors: Tensor,
    known: Tensor,
    layout: Fragments | None = None,
    check: Callable[[], None] = ignore,
) -> Tensor:
    """Fill a square texture everywhere, float32 `[S, S, C]`; known texels of faces keep their colors.

    Args:
        mesh: with the UVs of the texture.
        colors: float32 `[S, S, C]`.
        known: bool `[S, S]`. Without a single known texel everything is 0.
        layout: of `rasterize_uvs` at that size, if it is there already.
        check: called between parts of the work; may raise to end it.
    """
    if not known.any():
        return torch.zeros_like(colors)
    graph = TexelGraph.of(mesh, Seams.of(mesh), len(colors), layout)
    filled = _membrane(mesh, graph, colors, known & graph.covered, check)
    check()
    return pull_push(*continue_over_seams(graph.seams, filled, graph.covered))


def _membrane(
    mesh: UVMesh, graph: TexelGraph, colors: Tensor, known: Tensor, check: Callable[[], None]
) -> Tensor:
    """Colors of all covered texels."""
    check()
    size = graph.size
    unknown = (graph.covered & ~known).flatten().nonzero()[:, 0]
    values, valued = (colors * known[..., None]).flatten(0, 1), known.flatten().clone()
    if len(unknown) == 0:
        return values.view_as(colors)
    neighbors = graph.neighbors(unknown)
    if size > COARSEST and size % 2 == 0:
        coarse = TexelGraph.of(mesh, graph.seams, size // 2)
        guess, guessed = _finer(_membrane(mesh, coarse, *_coarser(graph, coarse, colors, known), check), coarse, graph)
        usable = guessed[unknown]
        values[unknown[usable]] = guess[unknown[usable]]
        valued[unknown[usable]] = True
    _spread(values, valued, unknown, neighbors)
    _nearest(values, valued, unknown, graph)
    _relax(values, unknown, neighbors, ROUNDS if size > COARSEST else COARSE_ROUNDS)
    check()
    return values.view_as(colors)


def _relax(values: Tensor, unknown: Tensor, neighbors: Tensor, rounds: int) -> None:
    """Draw every unknown texel toward the mean of its neighbors, round after round, in place."""
    count = (neighbors >= 0).sum(dim=1, keepdim=True)
    connected = (count > 0)[:, 0]
    unknown, neighbors, count = unknown[connected], neighbors[connected], count[connected]
    around, across = neighbors[:, :AROUND], neighbors[:, AROUND:]
    at_seam = (across >= 0).any(dim=1).nonzero()[:, 0]
    across = across[at_seam]
    missing = [(part < 0).nonzero(as_tuple=True) for part in (around, across)]
    around, across = around.clamp(min=0), across.clamp(min=0)
    for _ in range(rounds):
        old = values[unknown]
        total = _sum(values, around, missing[0])
        total[at_seam] += _sum(values, across, missing[1])
        values[unknown] = torch.lerp(total / count, old, KEPT)


def _sum(values: Tensor, neighbors: Tensor, missing: tuple[Tensor, ...]) -> Tensor:
    """Sums over the neighbors `[N, C]`, without the missing (row, which)."""
    found = values[neighbors]
    found[missing] = 0.0
    return found.sum(dim=1)


def _mean(values: Tensor, neighbors: Tensor, use: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of the neighbors in use `[N, C]` and how many these are `[N]`."""
    total = torch.zeros(len(neighbors), values.shape[1], device=values.device)
    for neighbor, used in zip(neighbors.unbind(1), use.unbind(1), strict=True):
        total += values[neighbor.clamp(min=0)] * used[:, None]
    count = use.sum(dim=1)
    return total / count.clamp(min=1)[:, None], count


def _spread(values: Tensor, valued: Tensor, unknown: Tensor, neighbors: Tensor) -> None:
    """Let texels without a value take the mean of neighbors that have one, ring after ring, in place."""
    waiting = (~valued[unknown]).nonzero()[:, 0]
    while len(waiting):
        around = neighbors[waiting]
        mean, count = _mean(values, around, (around >= 0) & valued[around.clamp(min=0)])
        reached = count > 0
        if not reached.any():
            return
        texels = unknown[waiting[reached]]
        values[texels], valued[texels] = mean[reached], True
        waiting = waiting[~reached]


def _nearest(values: Tensor, valued: Tensor, unknown: Tensor, graph: TexelGraph) -> None:
    """Let texels of parts without any value take the nearest one in space, in place."""
    lost = unknown[~valued[unknown]]
    if len(lost) == 0 or not valued.any():
        return
    position, sources = graph.position.flatten(0, 1), valued.nonzero()[:, 0]
    tree = cKDTree(position[sources].cpu().numpy())
    nearest = torch.from_numpy(tree.query(position[lost].cpu().numpy())[1]).to(sources.device)
    values[lost], valued[lost] = values[sources[nearest]], True


def _coarser(graph: TexelGraph, coarse: TexelGraph, colors: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Known colors at half the size: means over the texels of the same chart."""
    size = coarse.size
    same = known & (graph.chart == coarse.chart.repeat_interleave(2, 0).repeat_interleave(2, 1))
    count = same.view(size, 2, size, 2).sum(dim=(1, 3))
    total = (colors * same[..., None]).view(size, 2, size, 2, -1).sum(dim=(1, 3))
    return total / count.clamp(min=1)[..., None], count > 0


def _finer(values: Tensor, coarse: TexelGraph, graph: TexelGraph) -> tuple[Tensor, Tensor]:
    """Coarse values at the finer texels, in a row, and which texels have one: those of the same chart."""
    doubled = values.repeat_interleave(2, 0).repeat_interleave(2, 1)
    chart = coarse.chart.repeat_interleave(2, 0).repeat_interleave(2, 1)
    return doubled.flatten(0, 1), ((chart == graph.chart) & graph.covered).flatten()
