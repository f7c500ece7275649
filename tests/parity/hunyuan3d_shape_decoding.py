# SPDX-License-Identifier: GPL-3.0-or-later
"""Hunyuan3D shape from latents to meshes against golden numbers."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import trimesh
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree
from torch import Tensor
from torch.nn import functional

from backend.contract import MeshData
from backend.geometry.cleaning import remove_floaters
from backend.geometry.coarse_to_fine import evaluate_field, resolution_ladder
from backend.geometry.components import is_watertight
from backend.geometry.isosurface import extract_isosurface
from backend.geometry.simplification import decimate
from backend.pipelines.hunyuan3d_shape.attention import KeyValue
from backend.pipelines.hunyuan3d_shape.autoencoder import ShapeAutoencoder
from backend.pipelines.hunyuan3d_shape.restricted_field import LATER_LEVELS, best_keys, kept_keys

from .comparison import Comparison
from .golden import Golden
from .hunyuan3d_shape import load_autoencoder
from .kinds import kind
from .published.hunyuan3d_shape import (
    LevelQuery,
    MergedField,
    OriginalField,
    changes_sign,
    merged_keys,
    original_grid,
    original_mesh,
    original_surface,
)


@kind("hunyuan3d_shape", "volume_decoders")
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


def in_chunks(autoencoder: ShapeAutoencoder, context: KeyValue, chunk: int) -> LevelQuery:
    return lambda points: torch.cat([autoencoder.query(part[None], context)[0] for part in points.split(chunk)])


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


@kind("hunyuan3d_shape", "flash_attention_processors")
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


@kind("hunyuan3d_shape", "marching_cubes")
def marching_cubes(golden: Golden) -> Iterator[Comparison]:
    config = golden.config
    resolution, half_side, level = config["octree_resolution"], config["bounds"], config["mc_level"]
    for name in ("grid", "grid_nan"):
        grid = golden.input(name)[0]
        vertices, faces = original_surface(grid, resolution, half_side, level)
        yield Comparison(f"{name}_mc_vertices", vertices, golden.output(f"{name}_mc_vertices"))
        yield Comparison(f"{name}_mc_faces", faces, golden.output(f"{name}_mc_faces"), 0.0)
        mesh = original_mesh(vertices, faces)
        yield Comparison(f"{name}_trimesh_faces", mesh.faces, golden.output(f"{name}_trimesh_faces"), 0.0)
        yield Comparison(f"{name}_volume", mesh.volume, golden.output(f"{name}_volume"))
        yield from product_surface(name, filled_by_sign(grid), golden, config)


def filled_by_sign(grid: Tensor) -> Tensor:
    """What was not evaluated by the sign of the nearest sample that was, as our own grids are."""
    unknown = torch.isnan(grid).numpy()
    nearest = distance_transform_edt(unknown, return_distances=False, return_indices=True)
    sign = torch.where(grid[tuple(torch.from_numpy(nearest).long())] > 0, 1.0, -1.0)
    return torch.where(torch.isnan(grid), sign, grid)


def product_surface(name: str, grid: Tensor, golden: Golden, config: dict[str, Any]) -> Iterator[Comparison]:
    """Our surface, at the samples' true places, is the original's after its fault in scale is undone."""
    half_side = config["bounds"]
    mesh = extract_isosurface(grid, level=config["mc_level"])
    expected = golden.output(f"{name}_trimesh_vertices").double().numpy()
    cells = grid.shape[0] - 1
    true = ((expected + half_side) / (2 * half_side) * (config["octree_resolution"] + 1) / cells) * 2 - 1
    distance, _ = cKDTree(mesh.vertices).query(true)
    yield Comparison(f"{name}: ours, vertices", float(distance.max()) < 1e-5, True)
    yield Comparison(f"{name}: ours, count", len(mesh.vertices), len(expected))
    yield Comparison(f"{name}: ours, closed", is_watertight(mesh) and mesh.volume > 0, True)


@kind("hunyuan3d_shape", "postprocess")
def postprocess(golden: Golden) -> Iterator[Comparison]:
    mesh = MeshData(golden.input("v").numpy(), golden.input("f").numpy())
    kept = remove_floaters(mesh)
    yield Comparison("floater_v", kept.vertices, golden.output("floater_v"), 1e-6)
    yield Comparison("floater_f", kept.faces, golden.output("floater_f"), 0.0)
    a, b, c = mesh.faces.T
    merged = trimesh.Trimesh(mesh.vertices, mesh.faces[(a != b) & (b != c) & (c != a)], process=True)
    counts = torch.tensor([len(merged.vertices), len(merged.faces)])
    yield Comparison("degenerate_counts", counts, golden.output("degenerate_counts"), 0.0)
    target = golden.config["max_facenum"]
    reduced = decimate(kept, target)
    _, faces, closed, volume, area = golden.output("reduced_stats").tolist()
    yield Comparison("reduced: faces", len(reduced.faces), int(faces), 0.01 * target)
    yield Comparison("reduced: closed", float(is_watertight(reduced)), closed)
    yield Comparison("reduced: volume", torch.tensor(reduced.volume), torch.tensor(volume), 0.02 * abs(volume))
    ours = torch.tensor(np.linalg.norm(reduced.area_vectors(), axis=1).sum())
    yield Comparison("reduced: area", ours, torch.tensor(area), 0.02 * area)
    yield Comparison("reduced: enough already", len(decimate(kept, len(kept.faces)).faces), len(kept.faces))
    golden.leave_out("reduced_noop_count", "compared as the count of a mesh that has few enough faces already")
    for name in ("reduced_v", "reduced_f"):
        golden.leave_out(name, "another simplification collapses other edges; its statistics are compared")
