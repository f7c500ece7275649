# SPDX-License-Identifier: GPL-3.0-or-later
"""FlexiSyncMVD's rasterizer, weight maps, bake, Voronoi cells and UV strips against golden numbers."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from backend.geometry.normalization import Normalization
from backend.geometry.projection import (
    Cameras,
    UVMesh,
    area_weighted_normals,
    nearest_seeds,
    orbit_cameras,
    rasterize_views,
    view_geometry,
)
from backend.painting.uv_strip import UVStrip
from backend.pipelines.flexisyncmvd.rig import DISTANCE, CameraRig

from .comparison import Comparison
from .golden import Golden
from .kinds import kind
from .published.projection import (
    VISIBILITY_SIZE,
    PublishedProjector,
    jump_flood,
    published_fragments,
    shown_areas,
    texture_plane,
    visible_texels,
)

EXACT = 0.0
GEOMETRY = 1e-5
EDGE = 2e-7
"""Rounding of an edge function, in float32, which barycentrics divide by the face's area on the screen."""


def golden_mesh(golden: Golden) -> UVMesh:
    return UVMesh.of(*(golden.input(name) for name in ("verts_normalised", "faces", "verts_uvs", "faces_uvs")))


def golden_cameras(config: dict[str, Any]) -> Cameras:
    """Cameras at the configured poses, or at the default rig's."""
    poses = config.get("poses") or [(pose.elevation, pose.azimuth) for pose in CameraRig().poses]
    return orbit_cameras(poses, distance=config.get("camera_distance", DISTANCE))


def vertex_normals(golden: Golden, mesh: UVMesh) -> Iterator[Comparison]:
    """Most files have the mesh's normals, whatever their case."""
    if golden.has_output("vertex_normals"):
        yield Comparison("vertex_normals", mesh.normals, golden.output("vertex_normals"), GEOMETRY)


def longest_side_scaled(vertices: Tensor, half_side: float) -> Tensor:
    bounds = torch.stack([vertices.amin(dim=0), vertices.amax(dim=0)])
    return torch.from_numpy(Normalization.to_box(bounds, 2 * half_side).apply(vertices)).float()


@kind("flexisyncmvd", "geometry")
def geometry(golden: Golden) -> Iterator[Comparison]:
    """Cameras, and everything that a pixel knows."""
    config, cameras, mesh = golden.config, golden_cameras(golden.config), golden_mesh(golden)
    normalized = longest_side_scaled(golden.input("verts_raw"), config["mesh_scale"])
    yield Comparison("normalised", normalized, golden.input("verts_normalised"), GEOMETRY)
    yield from vertex_normals(golden, mesh)
    yield Comparison("R", cameras.rotation, golden.output("R"), GEOMETRY)
    yield Comparison("T", cameras.translation, golden.output("T"), GEOMETRY)
    yield Comparison("camera_centre", cameras.centers, golden.output("camera_centre"), GEOMETRY)
    yield Comparison("full_projection", cameras.full_projection(), golden.output("full_projection"), GEOMETRY)
    fragments = published_fragments(mesh, cameras, config["render_size"])
    surface, mask = view_geometry(mesh, cameras, fragments), fragments.mask
    background = torch.where(mask, 0.0, -1.0)  # where the original has -1
    smallest = float(shown_areas(mesh, cameras, fragments)[mask].min())
    expected = {
        "pix_to_face": fragments.face,
        "bary": fragments.barycentric + background[..., None],
        "zbuf": fragments.depth + background,
        "mask": mask.float(),
        "depth": fragments.depth,
        "position": surface.position,
        "normal": surface.normal,
        "cos": surface.cosine,
        "uv": surface.uv,
    }
    for name, value in expected.items():
        tolerance = EXACT if name in ("pix_to_face", "mask") else max(GEOMETRY, EDGE / smallest)
        yield Comparison(name, value, golden.output(name), tolerance)
    ours = rasterize_views(mesh, cameras, config["render_size"])
    yield Comparison("pix_to_face, ours", ours.face, golden.output("pix_to_face"), EXACT)


@kind("flexisyncmvd", "weights_maps")
def weights_maps(golden: Golden) -> Iterator[Comparison]:
    """The maps of each projector that the file has: for latents they are filled."""
    config, cameras, mesh = golden.config, golden_cameras(golden.config), golden_mesh(golden)
    yield from vertex_normals(golden, mesh)
    for name in [key.removesuffix(".cos_map") for key in golden.outputs if key.endswith(".cos_map")]:
        projector = PublishedProjector(
            mesh,
            cameras,
            config[f"{name}_view_size"],
            config[f"tex_size_requested_{name}"],
            fill_cosine=name == "latent",
            visibility_size=config["uv_mask_render_size"],
        )
        gradient = (2 * projector.hits).float()
        yield Comparison(f"{name} gradient_map", gradient, golden.output(f"{name}.gradient_map"), EXACT)
        yield Comparison(f"{name} visible", projector.visible, golden.output(f"{name}.visible"), EXACT)
        yield Comparison(f"{name} cos_map", projector.cosine, golden.output(f"{name}.cos_map"), GEOMETRY)


@kind("flexisyncmvd", "bake_latent")
def bake_latent(golden: Golden) -> Iterator[Comparison]:
    """Every recorded set of views with every recorded exponent."""
    yield from _bakes(golden, fill_cosine=True)


@kind("flexisyncmvd", "bake_rgb")
def bake_rgb(golden: Golden) -> Iterator[Comparison]:
    yield from _bakes(golden, fill_cosine=False)


def _bakes(golden: Golden, *, fill_cosine: bool) -> Iterator[Comparison]:
    """Outputs are named `<views>.exp<exponent>.texture`, or `texture` with the exponent in the configuration."""
    config, mesh = golden.config, golden_mesh(golden)
    cameras = golden_cameras(config)
    projector = PublishedProjector(mesh, cameras, config["render_size"], config["texture"], fill_cosine=fill_cosine)
    yield from vertex_normals(golden, mesh)
    for key in [name for name in golden.outputs if name == "texture" or name.endswith(".texture")]:
        case = key.removesuffix("texture")
        named = re.fullmatch(r"(?:(.+)\.)?exp([\d.]+)\.", case)
        exponent = float(named[2]) if named else config["exp"]
        views = golden.input(f"views_{named[1]}" if named and named[1] else "views")
        baked = projector.bake(views, exponent)
        yield Comparison(key, baked.texture, golden.output(key), GEOMETRY)
        yield Comparison(f"{case}total_weight", baked.weight, golden.output(f"{case}total_weight")[0], GEOMETRY)
        if golden.has_output(f"{case}rendered_views"):
            expected = golden.output(f"{case}rendered_views")
            rendered = projector.render(baked.texture)[: len(expected)]
            yield Comparison(f"{case}rendered_views", rendered, expected, GEOMETRY)


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
    """Textures in a strip, and visibility in a texture that is not square, for each file format in the metadata."""
    for case in [key for key in golden.metadata if "target_size" in golden.json(key)]:
        yield from _strip(golden, case, golden.json(case))


def _strip(golden: Golden, case: str, layout: dict[str, Any]) -> Iterator[Comparison]:
    """One format's strip. Options of its own go before those of the whole file."""
    options = golden.config | layout
    uvs, height = golden.input("raw_uvs"), layout["target_size"][0]
    texture = _texture_of(uvs, layout, options)
    images = [golden.optional_input(f"textures_{Path(name).stem}") for name in layout["tex_to_vt"]]
    sizes = [(len(image), image.shape[1]) if image is not None else (height, height) for image in images]
    strip = UVStrip(tuple(sizes), min(height, max(size[0] for size in sizes)))
    yield Comparison(f"{case} size", list(strip.texture_size), layout["target_size"])
    yield Comparison(f"{case} widths", list(strip.widths), layout["widths"])
    ratio = strip.texture_size[1] / strip.texture_size[0]
    yield Comparison(f"{case} w2h_ratio", torch.tensor(ratio), torch.tensor(layout["w2h_ratio"]))
    placed = strip.to_strip(uvs, texture)
    yield Comparison(f"{case} verts_uvs", placed, golden.output(f"{case}.verts_uvs"), GEOMETRY)
    if golden.has_output(f"{case}.uvs_scaled_back"):
        expected = golden.output(f"{case}.uvs_scaled_back")
        yield Comparison(f"{case} uvs_scaled_back", _scaled_back(strip, placed, texture), expected, GEOMETRY)
    if golden.has_output(f"{case}.texture"):
        pixels = [image.permute(2, 0, 1) / 255.0 for image in images if image is not None]
        joined = strip.join(pixels).permute(1, 2, 0)
        yield Comparison(f"{case} texture", joined, golden.output(f"{case}.texture"), GEOMETRY)
    yield from _strip_mesh(golden, case, strip, options)


def _texture_of(uvs: Tensor, layout: dict[str, Any], options: dict[str, Any]) -> Tensor:
    """Which texture each coordinate belongs to: by listed runs, by where the list is split, or in equal parts."""
    texture = torch.zeros(len(uvs), dtype=torch.long)
    runs = list(layout["tex_to_vt"].values())
    if all(isinstance(of_texture, list) and of_texture for of_texture in runs):
        for number, of_texture in enumerate(runs):
            for first, end in of_texture:
                texture[first:end] = number
        return texture
    splits = options.get("uv_split", [len(uvs) * i // len(runs) for i in range(1, len(runs))])
    for split in [splits] if isinstance(splits, int) else splits:
        texture[split:] += 1
    return texture


def _scaled_back(strip: UVStrip, placed: Tensor, texture: Tensor) -> Tensor:
    """Coordinates in the strip back to textures of their own."""
    width = placed.new_tensor(strip.widths)
    first = width.cumsum(0) - width
    u = (placed[:, 0] * strip.texture_size[1] - first[texture]) / width[texture]
    return torch.stack([u, placed[:, 1]], dim=1)


def _strip_mesh(golden: Golden, case: str, strip: UVStrip, options: dict[str, Any]) -> Iterator[Comparison]:
    """What the file says of the mesh in the strip: normalized or with its normals, and which texels views see."""
    vertices, faces = golden.output(f"{case}.verts_normalised"), golden.output(f"{case}.faces")
    if golden.has_output(f"{case}.vertex_normals"):
        expected = golden.output(f"{case}.vertex_normals")
        yield Comparison(f"{case} vertex_normals", area_weighted_normals(vertices, faces), expected, GEOMETRY)
        scaled = longest_side_scaled(vertices, options.get("mesh_scale", 0.9))
        yield Comparison(f"{case} verts_normalised", scaled, vertices, GEOMETRY)
    if not golden.has_output(f"{case}.faces_uvs"):
        return
    normalized = longest_side_scaled(golden.input("raw_verts"), options.get("mesh_scale", 0.9))
    yield Comparison(f"{case} verts_normalised", normalized, vertices, GEOMETRY)
    mesh = UVMesh.of(vertices, faces, golden.output(f"{case}.verts_uvs"), golden.output(f"{case}.faces_uvs"))
    if golden.has_output(f"{case}.mesh_uv_verts"):
        expected = golden.output(f"{case}.mesh_uv_verts")
        plane = torch.zeros_like(expected)
        plane[mesh.face_uvs.long().flatten()] = texture_plane(mesh, strip.texture_size)
        yield Comparison(f"{case} mesh_uv_verts", plane, expected, GEOMETRY)
    if golden.has_output(f"{case}.visible"):
        size = options.get("uv_mask_render_size", VISIBILITY_SIZE)
        visible = visible_texels(mesh, golden_cameras(options), strip.texture_size, size)
        yield Comparison(f"{case} visible", visible, golden.output(f"{case}.visible"), EXACT)
