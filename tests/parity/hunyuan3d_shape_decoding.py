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
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree
from skimage.measure import marching_cubes as lewiner
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
from backend.pipelines.hunyuan3d_shape.image_condition import VIEWS
from backend.pipelines.hunyuan3d_shape.pipeline import HunyuanShapePipeline
from backend.pipelines.hunyuan3d_shape.restricted_field import (
    LATER_LEVELS,
    RestrictedField,
    best_keys,
    kept_keys,
)
from backend.pipelines.hunyuan3d_shape.scheduler import ShapeScheduler

from . import CASES
from .comparison import FLOAT32_TOLERANCE, Comparison
from .golden import Golden
from .hunyuan3d_shape import load_autoencoder, load_denoiser, load_image_encoder, original_sigmas, original_view

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


def original_surface(grid: Tensor, resolution: int, half_side: float, level: float) -> tuple[np.ndarray, np.ndarray]:
    """The original's marching cubes: positions by one cell too many, invented vertices where the grid holds NaN."""
    vertices, faces, _, _ = lewiner(grid.numpy(), level)
    return vertices / (resolution + 1) * (2 * half_side) - half_side, faces


def original_mesh(vertices: np.ndarray, faces: np.ndarray) -> MeshData:
    """Turned outward, without vertices that are not finite, equal ones merged: what the original's mesh object does."""
    mesh = trimesh.Trimesh(vertices, faces[:, ::-1], process=True)
    return MeshData(mesh.vertices, mesh.faces)


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


def end_to_end(golden: Golden) -> Iterator[Comparison]:
    """Image or views to mesh, step by step."""
    config = golden.config
    pipeline, call = pipeline_of(golden), config["call"]
    views = {name: image.numpy() for name, image in golden.with_prefix("in.").items() if name in VIEWS}
    if not views:
        views = {"front": golden.input("image_rgba").numpy()}
    processor = config["image_processor"]["params"]
    images = torch.cat([
        original_view(views[name], processor["size"], processor["border_ratio"]) for name in VIEWS if name in views
    ])
    yield Comparison("preprocessed_image", images, golden.output("preprocessed_image").view_as(images), 0.0)
    condition = pipeline.encode_condition(images, pipeline.view_numbers(views))
    yield Comparison("cond", condition, golden.output("cond")[:1])
    yield from sampled(golden, pipeline, condition)
    tokens = pipeline.decode(golden.output("latents"))
    yield Comparison("decoded_tokens", tokens, golden.output("decoded_tokens"))
    resolution, half_side, level = call["octree_resolution"], call["box_v"], call["mc_level"]
    query = in_chunks(pipeline.autoencoder, pipeline.autoencoder.field_context(tokens), call["num_chunks"])
    grid = original_grid(query, [resolution], half_side, level)
    yield Comparison("grid_logits", grid[None], golden.output("grid_logits"), relative(grid))
    mesh = original_mesh(*original_surface(grid, resolution, half_side, level))
    distance, _ = cKDTree(mesh.vertices).query(golden.output("mesh_vertices").numpy())
    yield Comparison("mesh: distance", torch.tensor(distance.max()), torch.tensor(0.0), half_side / resolution)
    yield Comparison("mesh: faces", torch.tensor(len(mesh.faces)), torch.tensor(len(golden.output("mesh_faces"))), 8)


def relative(values: Tensor) -> float:
    """The tolerance of values of order ten, relative to the largest of them."""
    return FLOAT32_TOLERANCE * max(1.0, float(values.abs().max()) / 10)


def sampled(golden: Golden, pipeline: HunyuanShapePipeline, condition: Tensor) -> Iterator[Comparison]:
    """The sampler's steps; the original's may end with one of no length, which ours leaves out."""
    call, denoiser = golden.config["call"], pipeline.denoiser
    steps, guidance = call["num_inference_steps"], call["guidance_scale"]
    sigmas = original_sigmas(pipeline.scheduler, steps)
    train_steps = golden.config["scheduler"]["params"]["num_train_timesteps"]
    yield Comparison("timesteps", sigmas[:-1] * train_steps, golden.output("timesteps"), 1e-4)
    prepared, latent = denoiser.prepare_condition(condition), golden.input("initial_noise")
    for i, expected in enumerate(golden.output("raw_model_outputs")):
        time = sigmas[i : i + 1]
        if denoiser.guidance_embedded:
            raw = denoiser.velocity(latent, time, prepared, torch.tensor([float(guidance)]))
        else:
            raw = torch.cat(denoiser.guided_velocities(latent, time, prepared))
        yield Comparison(f"raw_model_outputs[{i}]", raw, expected)
        latent = golden.output("step_latents")[i]
    latent = pipeline.denoise(golden.input("initial_noise"), condition, steps, guidance)
    yield Comparison("latents", latent, golden.output("latents"))


def pipeline_of(golden: Golden) -> HunyuanShapePipeline:
    """The pipeline around the golden networks, as the configuration says."""
    config = golden.config
    encoder = config["conditioner"]["params"]["main_image_encoder"]
    image_encoder = load_image_encoder(
        encoder["kwargs"]["config"], golden.weights("conditioner.main_image_encoder.model.")
    )
    schedule = config["scheduler"]
    kind = "consistency" if "Consistency" in schedule["target"] else "flow"
    scheduler = ShapeScheduler(
        kind, schedule["params"].get("shift", 1.0), schedule["params"].get("pcm_timesteps", 100)
    )
    return HunyuanShapePipeline(
        image_encoder,
        load_denoiser(config["model"]["params"], golden.weights("model.")),
        load_autoencoder(config["vae"]["params"], golden.weights("vae.")),
        scheduler,
        tokens=config["vae"]["params"]["num_latents"],
        image_size=config["image_processor"]["params"]["size"],
        encoder_size=encoder["kwargs"]["image_size"],
        named_views=encoder["type"].endswith("MV"),
    )


for _case in (volume_decoders, flash_attention_processors, marching_cubes, postprocess):
    CASES["hunyuan3d_shape", _case.__name__] = _case
for _name in ("21", "20mv_turbo_like"):
    CASES["hunyuan3d_shape", f"end_to_end_{_name}"] = end_to_end
