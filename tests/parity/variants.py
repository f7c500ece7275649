# SPDX-License-Identifier: GPL-3.0-or-later
"""Golden files of known kinds with other options than the recorded ones, made by our own and the published functions.

Nothing here reads the cases: expected values come from the functions with the options written out.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import trimesh
from safetensors.torch import save_file
from torch import Tensor

from backend.contract.mesh_data import MeshData
from backend.geometry.farthest_point import farthest_points
from backend.geometry.isosurface import extract_with_warp
from backend.geometry.manifold_repair.mesh_repair import normalize
from backend.geometry.normalization import Normalization
from backend.geometry.projection import UVMesh, nearest_seeds, orbit_cameras
from backend.geometry.surface_sampling import stratified_surface_points
from backend.pipelines.flexisyncmvd.schedule import ddpm_scheduler
from backend.pipelines.flexisyncmvd.sync_step import NoiseLevels, step_texture
from backend.pipelines.silksong.point_sampling import sample_condition_points
from backend.pipelines.silksong.tokenizer.small_holes import close_small_holes

from .published.coarse_to_fine import published_grid
from .published.marching_cubes import merged_surface
from .published.projection import PublishedProjector, jump_flood
from .published.silksong import published_decode, published_tokens, tokenizer_manifold

RIG = [[0, 10], [0, 130], [0, 250], [45, 0]]


@dataclass
class Variant:
    """A file to be written: its place, tensors, and JSON for the metadata."""

    pipeline: str
    name: str
    tensors: dict[str, Any]
    metadata: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        path = folder / self.pipeline / f"{self.name}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        tensors = {name: torch.as_tensor(value).clone().contiguous() for name, value in self.tensors.items()}
        save_file(tensors, path, {key: json.dumps(value) for key, value in self.metadata.items()})
        return path


def torus() -> trimesh.Trimesh:
    return trimesh.creation.torus(0.6, 0.2, major_sections=7, minor_sections=5)


def three_balls() -> Variant:
    """Fields given as lists of balls, sizes and truncations of no recorded file."""
    balls = [[[0.1, -0.2, 0.3], 0.35], [[-0.5, 0.4, -0.1], 0.2], [[0.5, 0.5, -0.5], 0.15]]

    def distance(points: Tensor, truncation: float) -> Tensor:
        every = [r - (points.double() - torch.tensor(c, dtype=torch.float64)).norm(dim=-1) for c, r in balls]
        return (torch.stack(every).amax(0) / truncation).clamp(-1, 1).float()

    tensors: dict[str, Any] = {}
    cases = {"small": [22, 11, 0.15], "halves": [40, 10, 0.1]}
    for name, (resolution, smallest, truncation) in cases.items():
        asked: list[int] = []

        def query(points: Tensor, truncation: float = truncation, asked: list[int] = asked) -> Tensor:
            asked.append(len(points))
            return distance(points, truncation)

        grid = published_grid(query, resolution, smallest, chunk_size=900)
        tensors[f"out.{name}.queries"] = torch.tensor(asked)
        # Every point, at the coordinates that finer levels have.
        axis = 2 * torch.arange(resolution + 1, dtype=torch.float32) / resolution - 1
        filled = query(torch.cartesian_prod(axis, axis, axis)).view((resolution + 1,) * 3)
        mesh = extract_with_warp(filled)
        if name == "small":
            tensors |= {"out.small.grid": grid, "out.small.vertices": mesh.vertices.astype(np.float64),
                        "out.small.faces": mesh.faces.astype(np.int64)}
        else:
            merged = merged_surface(filled)
            tensors |= {
                "out.halves.nan_count": int(grid.isnan().sum()),
                "out.halves.n_faces_trimesh": len(merged.faces),
                "out.halves.n_vertices_trimesh": len(merged.vertices),
                "out.halves.volume_trimesh": np.float32(mesh.volume),
                "out.halves.bounds_trimesh": mesh.bounds.astype(np.float64),
            }
    return Variant("partpacker", "grid_refine_three_balls", tensors,
                   {"config": {"field_spheres": balls, "cases": cases}})


def points() -> Variant:
    """Other counts, another angle, and a cloud under another name."""
    generator = torch.Generator().manual_seed(3)
    cloud = torch.randn(200, 3, generator=generator)
    cylinder = trimesh.creation.cylinder(1.0, 2.0, sections=9)
    vertices, faces = np.array(cylinder.vertices), np.array(cylinder.faces, np.int64)
    normalized = Normalization.to_box([vertices.min(0), vertices.max(0)], 1.9).apply(vertices)
    angles = np.degrees(cylinder.face_adjacency_angles)
    rims = normalized[cylinder.face_adjacency_edges[angles > 60]]  # the rims, but not the sides' edges of 40 degrees
    uniform, _ = stratified_surface_points(MeshData(normalized, faces), 31, generator=generator)
    return Variant("partpacker", "points_cylinder", {
        "in.dust": cloud,
        "out.dust.fps9": farthest_points(cloud[None], 9, start=5)[0],
        "in.can.vertices": vertices,
        "in.can.faces": faces,
        "out.can.box_normalized": normalized,
        "out.can.salient12": torch.from_numpy(rims.reshape(-1, 3)[:12]).float(),
        "out.can.salient_n_of_50": 50,
        "out.can.uniform31": uniform,
    }, {"config": {"thresh_bihedral": 60, "uniform": 31, "salient": 12}})


def tokens() -> Variant:
    mesh = torus()
    mesh = MeshData(np.array(mesh.vertices), np.array(mesh.faces, np.int64))
    surface, ids = tokenizer_manifold(mesh), published_tokens(mesh)
    decoded = published_decode(ids)
    fixed = close_small_holes(decoded.faces)
    trip = {"faces_decoded": len(decoded.faces), "faces_after_repair": len(fixed)}
    layers = _layers(ids)
    return Variant("silksong", "tok_own_torus", {
        "in.vertices": mesh.vertices,
        "in.faces": mesh.faces,
        "out.normalised": normalize(mesh.vertices).apply(mesh.vertices),
        "out.quantised_vertices": surface.split.vertices,
        "out.clean_faces": surface.faces,
        "out.tokens": ids,
        "out.decoded_vertices": decoded.vertices,
        "out.decoded_quantised": decoded.cells,
        "out.decoded_faces": decoded.faces,
        "out.fixed_faces": fixed,
    }, {"info": {"layers": [_as_vertices(layers, surface.split.vertices, decoded.cells)], "component_kept": [True],
                 "token_length": len(ids), "round_trip": trip}})


def _layers(ids: np.ndarray) -> list[list[int]]:
    """Vertices of each layer of one component by the order of their tokens: every block token begins one."""
    layers: list[list[int]] = [[]]
    count = 0
    for token in ids.tolist():
        if token == 1:
            layers.append([])
        elif 5659 <= token < 6171:
            layers[-1].append(count)
            count += 1
    return layers


def _as_vertices(layers: list[list[int]], cells: np.ndarray, decoded: np.ndarray) -> list[list[int]]:
    """Their indices in the encoded mesh, whose cells are all different."""
    index = {tuple(cell): number for number, cell in enumerate(cells.tolist())}
    return [[index[tuple(decoded[vertex].tolist())] for vertex in layer] for layer in layers]


def refused_strip() -> Variant:
    """A Moebius strip of another size."""
    steps = 15
    angle = np.repeat(2 * np.pi * np.arange(steps) / steps, 2)
    across = np.tile([-0.3, 0.3], steps)
    radius = 1 + across * np.cos(angle / 2)
    vertices = np.stack([radius * np.cos(angle), across * np.sin(angle / 2), radius * np.sin(angle)], axis=1)
    faces = []
    for i in range(steps):
        a, b = 2 * i, 2 * i + 1
        c, d = (2 * i + 2, 2 * i + 3) if i + 1 < steps else (1, 0)
        faces += [[a, b, d], [a, d, c]]
    mesh = MeshData(vertices, np.array(faces, np.int64))
    wrong = tokenizer_manifold(mesh).contradictions
    return Variant("silksong", "tok_strip_of_30", {
        "in.vertices": vertices, "in.faces": mesh.faces, "out.normalised": normalize(vertices).apply(vertices),
    }, {"info": {"error": f"mobius cycle topology: {wrong} faces flip fixing wrong"}})


def seeded_points() -> Variant:
    mesh = torus()
    vertices, faces = np.array(mesh.vertices), np.array(mesh.faces, np.int64)
    sampled = sample_condition_points(vertices, faces, seed=11)
    return Variant("silksong", "point_sampling_seed11", {
        "in.vertices": vertices, "in.faces": faces, "out.pc_normal": sampled,
    }, {"info": {"seed": 11}})


def charted_sphere() -> UVMesh:
    sphere = trimesh.creation.icosphere(1, radius=0.8)
    vertices, faces = torch.tensor(np.array(sphere.vertices)).float(), torch.tensor(np.array(sphere.faces)).int()
    corners = torch.arange(len(faces) * 3, dtype=torch.int32).view(-1, 3)
    side = int(np.ceil(len(faces) ** 0.5))
    cell = torch.stack([torch.arange(len(faces)) % side, torch.arange(len(faces)) // side], dim=1) / side
    triangle = torch.tensor([[0.1, 0.1], [0.9, 0.1], [0.1, 0.9]]) / side
    return UVMesh.of(vertices, faces, (cell[:, None] + triangle).reshape(-1, 2), corners)


def _mesh_tensors(mesh: UVMesh) -> dict[str, Tensor]:
    return {"in.verts_normalised": mesh.vertices, "in.faces": mesh.faces, "in.verts_uvs": mesh.uvs,
            "in.faces_uvs": mesh.face_uvs, "out.vertex_normals": mesh.normals}


def bake() -> Variant:
    """A mesh, a rig, sizes, exponents and a set of views of no recorded file."""
    mesh, generator = charted_sphere(), torch.Generator().manual_seed(5)
    projector = PublishedProjector(mesh, orbit_cameras(RIG), 20, (40, 56))
    views = torch.randn(len(RIG), 2, 20, 20, generator=generator)
    tensors: dict[str, Any] = _mesh_tensors(mesh) | {"in.views_noise": views}
    for exponent in (0.0, 1.5):
        baked = projector.bake(views, exponent)
        tensors |= {f"out.noise.exp{exponent}.texture": baked.texture,
                    f"out.noise.exp{exponent}.total_weight": baked.weight[None]}
    tensors["out.noise.exp1.5.rendered_views"] = projector.render(baked.texture)
    return Variant("flexisyncmvd", "bake_latent_charts", tensors,
                   {"config": {"render_size": 20, "texture": [40, 56], "channels": 2, "poses": RIG}})


def sync_step() -> Variant:
    """Times and exponents from the configuration, for a rig of four."""
    mesh, generator = charted_sphere(), torch.Generator().manual_seed(6)
    projector = PublishedProjector(mesh, orbit_cameras(RIG), 8, 24)
    sample, output = (torch.randn(len(RIG), 4, 8, 8, generator=generator) for _ in range(2))
    noise, texture = (torch.randn(4, 24, 24, generator=generator) for _ in range(2))
    scheduler = {"beta_start": 0.001, "beta_end": 0.01, "beta_schedule": "linear", "num_train_timesteps": 1000}
    levels = NoiseLevels.between(ddpm_scheduler(**scheduler).alphas_cumprod, 640, 555)
    clean = levels.clean(sample, output, "sample")
    done = step_texture(projector, levels, clean, texture, 2.5, noise)
    return Variant("flexisyncmvd", "sync_step_sample", _mesh_tensors(mesh) | {
        "in.sample": sample, "in.model_output": output, "in.texture": texture, "in.middle.variance_noise": noise,
        "out.middle.pred_x0": clean, "out.middle.x0_texture": done.clean_texture,
        "out.middle.prev_texture": done.texture, "out.middle.prev_views": done.views[:, :-1],
    }, {"config": {"latent_view": 8, "tex": 24, "scheduler": scheduler, "poses": RIG, "prediction_type": "sample",
                   "cases": {"middle": {"t": 640, "exp": 2.5, "prev_t": 555}}}})


def voronoi() -> Variant:
    seeds = torch.rand(11, 29, generator=torch.Generator().manual_seed(1)) < 0.1
    nearest = nearest_seeds(seeds)
    rows, columns = torch.meshgrid(torch.arange(11), torch.arange(29), indexing="ij")
    return Variant("flexisyncmvd", "voronoi_wide", {
        "in.mask_11x29": seeds.byte(), "out.index_11x29": jump_flood(seeds),
        "out.exact_sqdist_11x29": (nearest // 29 - rows) ** 2 + (nearest % 29 - columns) ** 2,
    })


VARIANTS: tuple[Callable[[], Variant], ...] = (
    three_balls, points, tokens, refused_strip, seeded_points, bake, sync_step, voronoi,
)


def perturbed(variant: Variant) -> Iterator[tuple[str, Variant]]:
    """The variant with one wrong number, once for each of its outputs."""
    for name in [name for name in variant.tensors if name.startswith("out.")]:
        value = torch.as_tensor(variant.tensors[name]).clone()
        flat = value.view(-1)
        known = flat.isfinite().nonzero()[:, 0]
        middle = known[len(known) // 2]
        flat[middle] = 1 - flat[middle] if value.dtype == torch.bool else flat[middle] + 1
        yield name, Variant(variant.pipeline, variant.name, variant.tensors | {name: value}, variant.metadata)
