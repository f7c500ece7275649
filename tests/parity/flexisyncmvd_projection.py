# SPDX-License-Identifier: GPL-3.0-or-later
"""FlexiSyncMVD's projector against golden numbers: rasterizer, weight maps, bake, Voronoi cells, UV strips."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from backend.geometry.normalization import Normalization
from backend.geometry.projection import (
    Cameras,
    Projector,
    UVMesh,
    area_weighted_normals,
    faces_in_texture,
    jump_flood,
    nearest_seeds,
    orbit_cameras,
    rasterize_views,
    view_geometry,
)
from backend.geometry.projection.projector import VISIBILITY_SIZE
from backend.geometry.projection.visibility import seen_faces, texels_of_seen_faces
from backend.painting.uv_strip import UVStrip

from .comparison import Comparison
from .golden import Golden
from .kinds import kind

EXACT = 0.0
GEOMETRY = 1e-5
DEFAULT_POSES = [(0.0, float(azimuth % 360)) for azimuth in range(-180, 180, 45)] + [(30.0, 0.0), (30.0, 180.0)]
"""The published rig (spec 2.4), for the case whose file does not name its poses."""


def golden_mesh(golden: Golden) -> UVMesh:
    return UVMesh.of(*(golden.input(name) for name in ("verts_normalised", "faces", "verts_uvs", "faces_uvs")))


def golden_cameras(config: dict[str, Any]) -> Cameras:
    return orbit_cameras(config["poses"])


def longest_side_scaled(vertices: Tensor, half_side: float) -> Tensor:
    bounds = torch.stack([vertices.amin(dim=0), vertices.amax(dim=0)])
    return torch.from_numpy(Normalization.to_box(bounds, 2 * half_side).apply(vertices)).float()


@kind("flexisyncmvd", "geometry")
def geometry(golden: Golden) -> Iterator[Comparison]:
    """Cameras, and everything that a pixel knows, in reference mode."""
    config, cameras, mesh = golden.config, golden_cameras(golden.config), golden_mesh(golden)
    normalized = longest_side_scaled(golden.input("verts_raw"), config["mesh_scale"])
    yield Comparison("normalised", normalized, golden.input("verts_normalised"), GEOMETRY)
    yield Comparison("vertex_normals", mesh.normals, golden.output("vertex_normals"), GEOMETRY)
    yield Comparison("R", cameras.rotation, golden.output("R"), GEOMETRY)
    yield Comparison("T", cameras.translation, golden.output("T"), GEOMETRY)
    yield Comparison("camera_centre", cameras.centers, golden.output("camera_centre"), GEOMETRY)
    yield Comparison("full_projection", cameras.full_projection(), golden.output("full_projection"), GEOMETRY)
    fragments = rasterize_views(mesh, cameras, config["render_size"], reference=True)
    yield Comparison("pix_to_face", fragments.face, golden.output("pix_to_face"), EXACT)
    yield Comparison("mask", fragments.mask.float(), golden.output("mask"), EXACT)
    background = ~fragments.mask
    barycentric = fragments.barycentric.masked_fill(background[..., None], -1.0)
    yield Comparison("bary", barycentric, golden.output("bary"), GEOMETRY)
    yield Comparison("zbuf", fragments.depth.masked_fill(background, -1.0), golden.output("zbuf"), GEOMETRY)
    pixels = view_geometry(mesh, cameras, fragments)
    for name in ("position", "normal", "uv", "depth"):
        yield Comparison(name, getattr(pixels, name), golden.output(name), GEOMETRY)
    yield Comparison("cos", pixels.cosine, golden.output("cos"), GEOMETRY)
    exact = rasterize_views(mesh, cameras, config["render_size"])
    yield Comparison("pix_to_face, no offset", exact.face, golden.output("pix_to_face"), EXACT)


@kind("flexisyncmvd", "weights_maps")
def weights_maps(golden: Golden) -> Iterator[Comparison]:
    """Both projectors' maps in reference mode."""
    config, cameras, mesh = golden.config, golden_cameras(golden.config), golden_mesh(golden)
    for name, filled in (("latent", True), ("rgb", False)):
        projector = Projector.build(
            mesh,
            cameras,
            config[f"{name}_view_size"],
            config[f"tex_size_requested_{name}"],
            fill_cosine=filled,
            visibility_size=config["uv_mask_render_size"],
            reference=True,
        )
        gradient = (2 * projector.hits).float()
        yield Comparison(f"{name} gradient_map", gradient, golden.output(f"{name}.gradient_map"), EXACT)
        yield Comparison(f"{name} visible", projector.visible, golden.output(f"{name}.visible"), EXACT)
        yield Comparison(f"{name} cos_map", projector.cosine, golden.output(f"{name}.cos_map"), GEOMETRY)


@kind("flexisyncmvd", "bake_latent")
def bake_latent(golden: Golden) -> Iterator[Comparison]:
    projector = golden_projector(golden, fill_cosine=True)
    for views in ("const", "grad"):
        for exponent in (0.0, 0.6, 3.0, 6.0):
            case = f"{views}.exp{exponent}"
            baked = projector.bake(golden.input(f"views_{views}"), exponent)
            yield Comparison(f"{case}.texture", baked.texture, golden.output(f"{case}.texture"), GEOMETRY)
            weight = golden.output(f"{case}.total_weight")[0]
            yield Comparison(f"{case}.total_weight", baked.weight, weight, GEOMETRY)
            if f"out.{case}.rendered_views" in golden.names:
                rendered = projector.render(baked.texture)
                expected = golden.output(f"{case}.rendered_views")
                yield Comparison(f"{case}.rendered_views", rendered, expected, GEOMETRY)


@kind("flexisyncmvd", "bake_rgb")
def bake_rgb(golden: Golden) -> Iterator[Comparison]:
    projector = golden_projector(golden, fill_cosine=False)
    baked = projector.bake(golden.input("views"), golden.config["exp"])
    yield Comparison("texture", baked.texture, golden.output("texture"), GEOMETRY)
    yield Comparison("total_weight", baked.weight, golden.output("total_weight")[0], GEOMETRY)
    expected = golden.output("rendered_views")
    yield Comparison("rendered_views", projector.render(baked.texture)[: len(expected)], expected, GEOMETRY)


def golden_projector(golden: Golden, *, fill_cosine: bool) -> Projector:
    config = golden.config
    return Projector.build(
        golden_mesh(golden),
        golden_cameras(config),
        config["render_size"],
        config["texture"],
        fill_cosine=fill_cosine,
        reference=True,
    )


@kind("flexisyncmvd", "voronoi")
def voronoi(golden: Golden) -> Iterator[Comparison]:
    """Jump flooding seed by seed, the exact cells by their distance."""
    for size, mask in golden.with_prefix("in.mask_").items():
        seeds = mask.bool()
        yield Comparison(f"index {size}", jump_flood(seeds), golden.output(f"index_{size}"), EXACT)
        height, width = seeds.shape
        row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        nearest = nearest_seeds(seeds)
        squared = (nearest // width - row) ** 2 + (nearest % width - column) ** 2
        yield Comparison(f"exact_sqdist {size}", squared, golden.output(f"exact_sqdist_{size}"), EXACT)


@kind("flexisyncmvd", "uv_layout")
def uv_layout(golden: Golden) -> Iterator[Comparison]:
    """Two textures of different sizes in a strip, and visibility in a texture that is not square."""
    images = [golden.input(f"textures_{name}") for name in ("wide", "sq")]
    strip = UVStrip(tuple((image.shape[0], image.shape[1]) for image in images), 48)
    yield from _strip(golden, "obj", strip)
    joined = strip.join([image.permute(2, 0, 1) / 255.0 for image in images]).permute(1, 2, 0)
    yield Comparison("obj texture", joined, golden.output("obj.texture"), GEOMETRY)
    yield from _strip(golden, "glb", UVStrip(((32, 32), (32, 32)), 32))
    vertices, faces = golden.output("glb.verts_normalised"), golden.output("glb.faces")
    expected = golden.output("glb.vertex_normals")
    yield Comparison("glb vertex_normals", area_weighted_normals(vertices, faces), expected, GEOMETRY)
    normalized = longest_side_scaled(golden.input("raw_verts"), 0.9)
    yield Comparison("obj verts_normalised", normalized, golden.output("obj.verts_normalised"), GEOMETRY)
    names = ("obj.verts_normalised", "obj.faces", "obj.verts_uvs", "obj.faces_uvs")
    mesh = UVMesh.of(*(golden.output(name) for name in names))
    views = rasterize_views(mesh, orbit_cameras(DEFAULT_POSES), VISIBILITY_SIZE, reference=True)
    layout = faces_in_texture(mesh, strip.texture_size)
    visible = texels_of_seen_faces(layout, seen_faces(views, len(mesh.faces)))
    yield Comparison("obj visible", visible, golden.output("obj.visible"), EXACT)


def _strip(golden: Golden, case: str, strip: UVStrip) -> Iterator[Comparison]:
    uvs, layout = golden.input("raw_uvs"), _layout(golden, case)
    texture = torch.arange(len(uvs)) // (len(uvs) // 2)
    placed = strip.to_strip(uvs, texture)
    yield Comparison(f"{case} size", list(strip.texture_size), layout["target_size"])
    yield Comparison(f"{case} widths", list(strip.widths), layout["widths"])
    yield Comparison(f"{case} verts_uvs", placed, golden.output(f"{case}.verts_uvs"), GEOMETRY)


def _layout(golden: Golden, case: str) -> dict[str, Any]:
    """What this one file keeps in metadata of its own."""
    return golden.json(case)
