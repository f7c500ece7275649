# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes into Hunyuan3D shape's networks against golden numbers: images, times, points of a mesh."""

from collections.abc import Iterator

import numpy as np
import torch
import trimesh

from backend.geometry.normalization import Normalization
from backend.pipelines.hunyuan3d_shape.image import as_tensor, centered_on_white, resized
from backend.pipelines.hunyuan3d_shape.image_condition import VIEWS
from backend.pipelines.hunyuan3d_shape.scheduler import ShapeScheduler
from backend.pipelines.hunyuan3d_shape.sharp_edges import SharpEdges, vertex_sharpness
from backend.pipelines.hunyuan3d_shape.surface_points import LONGEST_SIDE

from .comparison import Comparison
from .golden import Golden
from .kinds import kind
from .published.hunyuan3d_shape import original_centering, original_sharpness, original_sigmas, original_view

DOUBLE = 1e-12
"""Tolerance of geometry in double precision."""


@kind("hunyuan3d_shape", "scheduler_tables")
def scheduler_tables(golden: Golden) -> Iterator[Comparison]:
    """Our times, and the original's repeated last one where it has that."""
    tables = {
        "euler": ShapeScheduler("flow"), "euler_shift3": ShapeScheduler("flow", shift=3.0),
        "consistency": ShapeScheduler("consistency", anchors=golden.config["consistency"]["pcm_timesteps"]),
    }
    for name, expected in golden.with_prefix("out.").items():
        kind, steps, what = name.rsplit("_", 2)
        sigmas = original_sigmas(tables[kind], int(steps))
        train_steps = golden.config[kind.split("_")[0]]["num_train_timesteps"]
        actual = sigmas if what == "sigmas" else sigmas[:-1] * train_steps
        yield Comparison(name, actual, expected, 0.0 if what == "sigmas" else 1e-4)


@kind("hunyuan3d_shape", "preprocess_single")
def preprocess_single(golden: Golden) -> Iterator[Comparison]:
    size, border = golden.config["size"], golden.config["border_ratio"]
    rgba = golden.input("rgba").numpy()
    centered = centered_on_white(rgba, original_centering(border))
    yield Comparison("recenter_rgb_uint8", centered, golden.output("recenter_rgb_uint8"), 0.0)
    yield Comparison("rgba_512_uint8", resized(centered, 512), golden.output("rgba_512_uint8"), 0.0)
    yield Comparison("rgba_image", as_tensor(resized(centered, size)), golden.output("rgba_image"), 0.0)
    rgb = golden.input("rgb").numpy()
    opaque = np.concatenate([rgb, np.full_like(rgb[..., :1], 255)], axis=-1)
    yield Comparison("rgb_image", original_view(opaque, size, border), golden.output("rgb_image"), 0.0)
    for mask in ("recenter_mask_uint8", "rgba_mask", "rgb_mask"):
        golden.leave_out(mask, "no network reads the mask")


@kind("hunyuan3d_shape", "preprocess_multiview")
def preprocess_multiview(golden: Golden) -> Iterator[Comparison]:
    size, border = golden.config["size"], golden.config["border_ratio"]
    given = golden.with_prefix("in.")
    views = [name for name in VIEWS if name in given]
    yield Comparison("view_idxs", [VIEWS.index(name) for name in views], golden.output("view_idxs").tolist())
    image = torch.stack([original_view(given[name].numpy(), size, border) for name in views], dim=1)
    yield Comparison("image", image, golden.output("image"), 0.0)
    golden.leave_out("mask", "no network reads the mask")


@kind("hunyuan3d_shape", "surface_loader")
def surface_loader(golden: Golden) -> Iterator[Comparison]:
    """Normalization, normals, sharp vertices and points on sharp edges, in double precision."""
    names = [name.removesuffix("_v") for name in golden.with_prefix("in.") if name.endswith("_v")]
    for name in names:
        vertices, faces = golden.input(f"{name}_v").numpy(), golden.input(f"{name}_f").numpy()
        bounds = np.stack([vertices.min(axis=0), vertices.max(axis=0)])
        vertices = Normalization.to_box(bounds, LONGEST_SIDE).apply(vertices)
        mesh = trimesh.Trimesh(vertices, faces, process=False)
        yield Comparison(f"{name}_normalized_v", vertices, golden.output(f"{name}_normalized_v"), DOUBLE)
        yield Comparison(f"{name}_face_normals", mesh.face_normals, golden.output(f"{name}_face_normals"), DOUBLE)
        normals = golden.output(f"{name}_vertex_normals")
        yield Comparison(f"{name}_vertex_normals", mesh.vertex_normals, normals, DOUBLE)
        sharpness = original_sharpness(mesh)
        yield Comparison(f"{name}_vertex_sharpness", sharpness, golden.output(f"{name}_vertex_sharpness"), DOUBLE)
        lower = bool((vertex_sharpness(mesh) <= sharpness + DOUBLE).all())
        yield Comparison(f"{name}: ours is the minimum", lower, True)
        if golden.has_output(f"{name}_sharp_points"):
            expected = golden.output(f"{name}_sharp_points")
            places, weights = golden.output(f"{name}_rand_edge").numpy(), golden.output(f"{name}_rand_w").numpy()
            points = SharpEdges.of(mesh, sharpness).points(places, weights[:, 0])
            yield Comparison(f"{name}_sharp_points", points[:, :3], expected, DOUBLE)
            yield Comparison(f"{name}_sharp_normals", points[:, 3:], golden.output(f"{name}_sharp_normals"), DOUBLE)
