# SPDX-License-Identifier: GPL-3.0-or-later
"""Hunyuan3D shape from latents to meshes against golden numbers, and its runs from image to mesh.

Where the original has a fault (positions scaled by one cell too little, a grid smaller than asked for, a filter that
only drops repeated indices) ours is right, and the golden number is reached by a variant here.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
import trimesh
from skimage.measure import marching_cubes as lewiner
from torch import Tensor
from torch.nn import functional

from backend.geometry.coarse_to_fine import evaluate_field, resolution_ladder
from backend.geometry.mesh import TriangleMesh
from backend.pipelines.hunyuan3d_shape.attention import KeyValue, attend
from backend.pipelines.hunyuan3d_shape.autoencoder import ShapeAutoencoder
from backend.pipelines.hunyuan3d_shape.restricted_field import (
    LATER_LEVELS,
    RestrictedField,
    best_keys,
    kept_keys,
    picked,
)

from . import CASES
from .comparison import Comparison
from .golden import Golden
from .hunyuan3d_shape import load_autoencoder

LevelQuery = Callable[[Tensor], Tensor]
"""All points `[P, 3]` of a level -> values `[P]`."""
UNEVALUATED = -10000.0
MERGE_EVERY, MERGE_SHARE = 30, 1e-6


def original_grid(
    query: LevelQuery, resolutions: list[int], half_side: float, level: float, *, stops_wide: bool = True
) -> Tensor:
    """The original's refinement: NaN where nothing was evaluated. Float32 `[R + 1] * 3`."""
    axis = torch.from_numpy(np.linspace(-half_side, half_side, resolutions[0] + 1).astype(np.float32))
    points = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1)
    grid = query(points.view(-1, 3)).view(points.shape[:3])
    for resolution in resolutions[1:]:
        last = resolution == resolutions[-1]
        near = changes_sign(grid, level) | (grid.abs() < 0.95)
        if not last:
            near = dilated(near)
        fine = torch.zeros((resolution + 1,) * 3, dtype=torch.bool)
        at = near.nonzero() * 2
        fine[tuple(at.T)] = True
        fine = dilated(dilated(fine)) if last else dilated(fine)
        place = fine.nonzero()
        cell = torch.tensor(2 * half_side / resolution, dtype=torch.float32)
        grid = torch.full(fine.shape, UNEVALUATED)
        grid[fine] = query(place * cell - torch.tensor(half_side))
    return torch.where(grid == UNEVALUATED, torch.nan, grid)


def changes_sign(grid: Tensor, level: float) -> Tensor:
    """Evaluated samples one of whose six neighbors has another sign; one that was not evaluated counts as equal."""
    value = grid + level
    valid = value > -9000
    padded = functional.pad(value[None, None], (1,) * 6, mode="replicate")[0, 0]
    size = value.shape[0]
    near = torch.zeros_like(valid)
    for axis in range(3):
        for start in (0, 2):
            place = [slice(1, size + 1)] * 3
            place[axis] = slice(start, start + size)
            neighbor = padded[tuple(place)]
            neighbor = torch.where(neighbor > -9000, neighbor, value)
            near |= neighbor.sign() != value.sign()
    return near & valid


def dilated(mask: Tensor) -> Tensor:
    return functional.max_pool3d(mask[None, None].float(), 3, stride=1, padding=1)[0, 0] > 0


def in_chunks(autoencoder: ShapeAutoencoder, context: KeyValue, chunk: int) -> LevelQuery:
    return lambda points: torch.cat([autoencoder.query(part[None], context)[0] for part in points.split(chunk)])


class OriginalField(RestrictedField):
    """The original does not ask for a stable order, and so takes its samples by the order of torch's fast sort."""

    def order(self, bins: Tensor) -> Tensor:
        return super().order(bins) if self.level == 0 else bins.argsort()


class MergedField(RestrictedField):
    """FlashVDM's other mode: from the second level on a bin keeps, for all heads, each key that any sample attends to."""

    def __call__(self, points: Tensor) -> Tensor:
        if self.level == 0:
            return super().__call__(points)
        bins = LATER_LEVELS.of(points)
        values = torch.empty(len(points))
        for number in bins.unique():
            inside = (bins == number).nonzero()[:, 0]
            queries = self.autoencoder.field_queries(points[inside][None])
            kept = merged_keys(queries.transpose(1, 2), self.context.key)
            context = KeyValue(self.context.key[:, :, kept], self.context.value[:, :, kept])
            values[inside] = self.autoencoder.query(points[inside][None], context)[0]
        self.level += 1
        return values


def merged_keys(query: Tensor, key: Tensor) -> Tensor:
    """Which keys a group keeps by its `query [1, heads, Q, D]`, bool `[K]`."""
    scores = (query[:, :, ::MERGE_EVERY] @ key.transpose(-1, -2)).softmax(dim=-1)
    return (scores.mean(dim=1) > MERGE_SHARE).any(dim=1)[0]


def volume_decoders(golden: Golden) -> Iterator[Comparison]:
    config = golden.config
    half_side, level, smallest = config["bounds"], config["mc_level"], config["min_resolution"]
    resolution, chunk = config["octree_resolution"], config["num_chunks"]
    autoencoder = load_autoencoder(config["vae"], golden.weights("vae.") or golden.weights())
    tokens = autoencoder.decode(golden.input("latents_scaled") / autoencoder.config.scale_factor)
    yield Comparison("decoded", tokens, golden.output("decoded"))
    context = autoencoder.field_context(tokens)
    query = in_chunks(autoencoder, context, chunk)
    dense = original_grid(query, [resolution], half_side, level)
    yield Comparison("vanilla", dense[None], golden.output("vanilla"))
    ladder = resolution_ladder(resolution, smallest)
    corrected = original_grid(query, ladder, half_side, level)
    yield Comparison("hierarchical", corrected[None], golden.output("hierarchical_float32_corrected"))
    flash_ladder = [round(ladder[0] / 4) * 4 - 1]
    while len(flash_ladder) < len(ladder):
        flash_ladder.append(2 * flash_ladder[-1])
    for name, field in (("flash_mean", OriginalField), ("flash_merge", MergedField)):
        grid = original_grid(field(autoencoder, context, chunk), flash_ladder, half_side, level)
        yield Comparison(name, grid[None], golden.output(name))
    mask = golden.output("near_surface_mask_of_vanilla_16")
    part = golden.output("vanilla")[0, :16, :16, :16]
    yield Comparison("near_surface_mask", changes_sign(part, level).int(), mask, 0.0)
    yield from product_grids(query, dense, config)


def product_grids(query: LevelQuery, dense: Tensor, config: dict[str, Any]) -> Iterator[Comparison]:
    """Our own coarse-to-fine grid holds no NaN, the dense one's signs, and its values near the surface."""
    grid = evaluate_field(
        query, config["octree_resolution"], device="cpu", chunk_size=config["num_chunks"],
        half_side=config["bounds"], min_resolution=config["min_resolution"],
    )
    yield Comparison("ours: signs", int(((grid > 0) != (dense > 0)).sum()), 0)
    near = dense.abs() < 0.95
    yield Comparison("ours: values near the surface", grid[near], dense[near])
    yield Comparison("ours: finite", bool(torch.isfinite(grid).all()), True)


def flash_attention_processors(golden: Golden) -> Iterator[Comparison]:
    """The choice of keys alone: none, the first level's, and that of groups of queries."""
    query, key, value = (golden.input(name) for name in "qkv")
    for mode in ("mean", "merge"):
        plain = functional.scaled_dot_product_attention(query, key, value)
        yield Comparison(f"{mode}_topk_false", plain, golden.output(f"{mode}_topk_false"))
        first = restricted(query, key, value, 100)
        yield Comparison(f"{mode}_topk_true", first, golden.output(f"{mode}_topk_true"))
    query, key, value = (golden.input(f"{name}1") for name in "qkv")
    expected = golden.output("mean_grouped")
    start, groups = 0, golden.config.get("groups") or groups_of(query, key, value, expected)
    for end in groups:
        ours = restricted(query[:, :, start:end], key, value, LATER_LEVELS.sample_every)
        yield Comparison(f"mean_grouped {start} to {end}", ours, expected[:, :, start:end])
        kept = merged_keys(query[:, :, start:end], key)
        ours = functional.scaled_dot_product_attention(query[:, :, start:end], key[:, :, kept], value[:, :, kept])
        yield Comparison(f"merge_grouped {start} to {end}", ours, golden.output("merge_grouped")[:, :, start:end])
        start = end
    yield Comparison("groups cover all queries", start, query.shape[2])


def restricted(query: Tensor, key: Tensor, value: Tensor, every: int) -> Tensor:
    """Heads first in and out, as the golden tensors are."""
    index = best_keys(query[:, :, ::every].mean(dim=2), key, kept_keys(key.shape[2]))
    chosen = KeyValue(*(part.take_along_dim(index.unsqueeze(-1), dim=2) for part in (key, value)))
    return functional.scaled_dot_product_attention(query, *chosen)


def groups_of(query: Tensor, key: Tensor, value: Tensor, expected: Tensor) -> list[int]:
    """Ends of the groups, which the file does not say: each is as long as it agrees."""
    ends = [0]
    while ends[-1] < query.shape[2]:
        start = ends[-1]
        agreeing = [
            end for end in range(start + 1, query.shape[2] + 1)
            if Comparison("", restricted(query[:, :, start:end], key, value, LATER_LEVELS.sample_every),
                          expected[:, :, start:end]).passed
        ]
        if not agreeing:
            break
        ends.append(agreeing[-1])
    return ends[1:]


for _case in (volume_decoders, flash_attention_processors):
    CASES["hunyuan3d_shape", _case.__name__] = _case
