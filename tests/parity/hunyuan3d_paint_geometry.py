# SPDX-License-Identifier: GPL-3.0-or-later
"""Hunyuan3D-2.1 paint's views, renders and bakes against golden numbers.

The original's rasterizer, back-projection and fill are in `published/paint_*.py`; on them our cameras, colors, view
selection and blending give the recorded numbers.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from backend.pipelines.hunyuan3d_paint.rig import CANDIDATES, Pose, paint_cameras, select_views

from .comparison import Comparison
from .golden import Golden
from .hunyuan3d_paint import NAME
from .kinds import kind
from .published.paint_fill import inpainted, propagated, propagated_in_waves
from .published.paint_rasterizer import interpolate, rasterize
from .published.paint_renderer import (
    Published,
    Settings,
    baked,
    in_gltf,
    projection,
    rendered_maps,
    texels_of,
    world_to_camera,
)

EXACT, GEOMETRY = 0.0, 1e-5
SELECTION_SIZE = 1024


@kind(NAME, "rasterizer")
def compare_rasterizer(golden: Golden) -> Iterator[Comparison]:
    height, width = golden.config["height"], golden.config["width"]
    clip, faces, values = golden.input("pos"), golden.input("tri"), golden.input("attr")
    # The quad in the background is the last two faces.
    for ending, some in (("", faces), ("_nobg", faces[:-2])):
        found, barycentric = rasterize(clip, some, height, width)
        yield Comparison(f"findices{ending}", found, golden.output(f"findices{ending}"), EXACT)
        yield Comparison(f"interp{ending}", interpolate(found, barycentric, values, some),
                         golden.output(f"interp{ending}"), GEOMETRY)
        if not ending:
            yield Comparison("barycentric", barycentric, golden.output("barycentric"), GEOMETRY)


@kind(NAME, "render_")
def compare_render(golden: Golden) -> Iterator[Comparison]:
    config, mesh = golden.config, Published.of(golden)
    size, texture = config["resolution"], config["texture"]
    poses = [Pose(*angles, 1.0) for angles in zip(config["elevs"], config["azims"], strict=True)]
    yield Comparison("vtx_pos", mesh.vertices, golden.output("vtx_pos"), GEOMETRY)
    yield Comparison("vtx_uv", mesh.uvs, golden.output("vtx_uv"), GEOMETRY)
    yield Comparison("center", mesh.center, golden.output("center"), GEOMETRY)
    yield Comparison("scale_factor", mesh.scale, golden.output("scale_factor"), GEOMETRY)
    yield Comparison("w2c", world_to_camera(paint_cameras(poses)), golden.output("w2c"), GEOMETRY)
    yield Comparison("proj", projection(), golden.output("proj"), GEOMETRY)
    yield Comparison("face_areas", mesh.areas, golden.output("face_areas")[1:], GEOMETRY)
    restored = mesh.vertices / mesh.scale + mesh.center
    restored = torch.stack([-restored[:, 0], -restored[:, 2], restored[:, 1]], dim=1)
    yield Comparison("restored_vertices", restored, golden.output("restored_vertices"), GEOMETRY)
    for name, expected in (("face_id", EXACT), ("normal_u8", EXACT), ("position_u8", EXACT)):
        rendered = torch.stack([rendered_maps(mesh, pose, size)[name] for pose in poses])
        yield Comparison(name, rendered, golden.output(name), expected)
    yield from _compare_texels(golden, mesh, texture)


def _compare_texels(golden: Golden, mesh: Published, size: int) -> Iterator[Comparison]:
    texels, positions = texels_of(mesh, size)
    yield Comparison("tex_grid", texels, golden.output("tex_grid"), EXACT)
    yield Comparison("tex_position", positions, golden.output("tex_position"), GEOMETRY)


@kind(NAME, "view_selection")
def compare_view_selection(golden: Golden) -> Iterator[Comparison]:
    for name in golden.config["meshes"]:
        mesh = Published.of(golden, f"{name}.")
        seen = torch.zeros(len(CANDIDATES), len(mesh.faces) + 1, dtype=torch.bool)
        for row, pose in zip(seen, CANDIDATES, strict=True):
            row[mesh.render(pose, SELECTION_SIZE)[0].long().unique()] = True
        for most in golden.config["max_views"]:
            chosen = [CANDIDATES[index] for index in select_views(seen[:, 1:], mesh.areas, most)]
            rows = torch.tensor([[pose.elevation, pose.azimuth, pose.weight] for pose in chosen]).T
            yield Comparison(f"{name}.{most}", rows, golden.output(f"{name}.{most}"), GEOMETRY)
        # Left from rendering for the selection, and kept for baking, which is done at twice the size.
        kernel = torch.tensor(int(2 / 512 * SELECTION_SIZE))
        yield Comparison(f"{name}.kernel", kernel, golden.output(f"{name}.bake_unreliable_kernel_size"), EXACT)


@kind(NAME, "bake_")
def compare_bake(golden: Golden) -> Iterator[Comparison]:
    config, mesh = golden.config, Published.of(golden)
    settings = Settings(config["bake_unreliable_kernel_size"], config["bake_exp"])
    views = golden.input("views_u8").float() / 255
    texture, mask, single = baked(mesh, views, list(CANDIDATES[: len(views)]), config["texture"], settings)
    for index in range(len(views)):
        if golden.has_output(f"view{index}.texture"):
            colors, cosine, edges = single[index]
            yield Comparison(f"view{index}.texture", colors, golden.output(f"view{index}.texture"), GEOMETRY)
            yield Comparison(f"view{index}.cos", cosine[..., None], golden.output(f"view{index}.cos"), GEOMETRY)
            yield Comparison(f"view{index}.boundary", edges.flatten(), golden.output(f"view{index}.boundary"), EXACT)
    yield Comparison("texture", texture, golden.output("texture"), GEOMETRY)
    yield Comparison("mask", mask, golden.output("mask"), EXACT)
    yield from _compare_fill(golden, mesh, texture, mask)


def _compare_fill(golden: Golden, mesh: Published, texture: Tensor, mask: Tensor) -> Iterator[Comparison]:
    positions, uvs = in_gltf(mesh)
    yield Comparison("inpaint_vtx_uv", uvs, golden.output("inpaint_vtx_uv"), GEOMETRY)
    yield Comparison("inpaint_vtx_pos", positions, golden.output("inpaint_vtx_pos"), GEOMETRY)
    colored, known = propagated(texture, mask * 255, positions, uvs, mesh.faces, mesh.faces)
    yield Comparison("texture_vertex", colored, golden.output("texture_vertex"), GEOMETRY)
    yield Comparison("mask_vertex", known, golden.output("mask_vertex"), EXACT)
    final = inpainted(colored, known)
    yield Comparison("texture_final_u8", final, golden.output("texture_final_u8"), 0)
    yield Comparison("texture_final", final.float() / 255, golden.output("texture_final"), GEOMETRY)


@kind(NAME, "mesh_inpaint")
def compare_mesh_inpaint(golden: Golden) -> Iterator[Comparison]:
    given = [golden.input(name) for name in ("texture", "mask", "vtx_pos", "vtx_uv", "pos_idx", "uv_idx")]
    for name, method in (("smooth", propagated), ("forward", propagated_in_waves)):
        texture, mask = method(*given)
        yield Comparison(f"{name}.texture", texture, golden.output(f"{name}.texture"), GEOMETRY)
        yield Comparison(f"{name}.mask", mask, golden.output(f"{name}.mask"), EXACT)
    filled = inpainted(golden.output("smooth.texture"), golden.output("smooth.mask"))
    yield Comparison("cv2_ns", filled, golden.output("cv2_ns"), EXACT)
