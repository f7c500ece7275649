# SPDX-License-Identifier: GPL-3.0-or-later
"""Hunyuan3D-2.1 paint's views, renders and bakes against golden numbers.

The original's rasterizer and back-projection differ from ours by half a pixel and in what counts as seen
(docs/algorithms/hunyuan3d_paint.md, "Differences"). `Published` is a small variant of both, on which our cameras, colors,
view selection and blending give the recorded numbers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, max_pool2d, normalize

from backend.geometry.projection import Cameras
from backend.painting.view_blend import ViewBlend
from backend.pipelines.hunyuan3d_paint.control_maps import normal_colors, position_colors, to_pixels
from backend.pipelines.hunyuan3d_paint.rig import CANDIDATES, HALF_WIDTH, RADIUS, Pose, paint_cameras, select_views

from . import CASES
from .comparison import Comparison
from .golden import Golden

NAME = "hunyuan3d_paint"
EXACT, GEOMETRY = 0.0, 1e-5
NEAR, FAR = 0.1, 100.0
NO_TOKEN, TOKENS = 2147483647**2 + 2147483646, 2147483647
DEPTH_LEVELS = 262144
TAPS = 1 << 22


def rasterize(clip: Tensor, faces: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Face of each pixel plus 1, int32 [H, W], 0 for none, and its barycentrics [H, W, 3]."""
    size = torch.tensor([width, height])
    xy = (clip[:, :2] / clip[:, 3:] * 0.5 + 0.5) * (size - 1) + 0.5
    depth = clip[:, 2] / clip[:, 3] * 0.49999 + 0.5
    corners, depths = xy[faces.long()], depth[faces.long()]
    low = corners.amin(dim=1).trunc().long().clamp(min=0)
    high = torch.minimum((corners.amax(dim=1) + 1).ceil().long(), size)
    extent = (high - low).clamp(min=0) * (_area(*corners.unbind(1)) != 0)[:, None]
    tokens = torch.full((height * width,), NO_TOKEN)
    counts = extent.prod(dim=1)
    for some in torch.arange(len(faces))[counts > 0].split(max(1, TAPS // int(counts.max()))):
        face = some.repeat_interleave(counts[some])
        number = torch.arange(len(face)) - (counts[some].cumsum(0) - counts[some]).repeat_interleave(counts[some])
        column, row = low[face, 0] + number % extent[face, 0], low[face, 1] + number // extent[face, 0]
        weights = _barycentric(corners[face], torch.stack([column, row], dim=1) + 0.5)
        at = (weights[:, 0] * depths[face, 0] + weights[:, 1] * depths[face, 1]) + weights[:, 2] * depths[face, 2]
        inside = ((weights >= 0) & (weights <= 1)).all(dim=1) & (at >= 0)
        token = (at * DEPTH_LEVELS).long() * TOKENS + face + 1
        tokens.scatter_reduce_(0, (row * width + column)[inside], token[inside], "amin")
    found = torch.where(tokens == NO_TOKEN, 0, tokens % TOKENS)
    pixel = found.nonzero()[:, 0]
    face = found[pixel] - 1
    weights = _barycentric(corners[face], torch.stack([pixel % width, pixel // width], dim=1) + 0.5)
    weights = weights / clip[faces.long()[face], 3]
    barycentric = torch.zeros(height * width, 3)
    barycentric[pixel] = weights * (1.0 / (weights[:, 0] + weights[:, 1] + weights[:, 2]))[:, None]
    return found.int().view(height, width), barycentric.view(height, width, 3)


def _area(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    return (c[..., 0] - a[..., 0]) * (b[..., 1] - a[..., 1]) - (b[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1])


def _barycentric(corners: Tensor, points: Tensor) -> Tensor:
    a, b, c = corners.unbind(1)
    scale = 1.0 / _area(a, b, c)
    beta, gamma = _area(a, points, c) * scale, _area(a, b, points) * scale
    alpha = (1.0 - beta.double() - gamma.double()).float()
    return torch.stack([alpha, beta, gamma], dim=1)


def interpolate(found: Tensor, barycentric: Tensor, values: Tensor, faces: Tensor) -> Tensor:
    """Values [V, C] over the pixels, [H, W, C]; 0 on the background."""
    corners = values[faces.long()[(found - 1).clamp(min=0).long()]]
    return (corners * barycentric[..., None]).sum(dim=-2)


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


def mirrored(points: Tensor) -> Tensor:
    """glTF's axes to those of the original's renderer, which mirrors."""
    x, y, z = points.unbind(-1)
    return torch.stack([-x, z, -y], dim=-1)


@dataclass(frozen=True)
class Published:
    """A mesh in the frame of the original's renderer, UVs with v downward."""

    vertices: Tensor
    faces: Tensor
    uvs: Tensor
    center: Tensor
    scale: Tensor

    @classmethod
    def of(cls, golden: Golden, prefix: str = "") -> "Published":
        vertices = golden.input(f"{prefix}vertices0")[golden.input(f"{prefix}vmapping").long()]
        uvs = golden.input(f"{prefix}uv")
        placed = mirrored(vertices)
        center = ((placed.amax(dim=0) + placed.amin(dim=0)) / 2)[None]
        scale = (RADIUS / (placed - center).double().norm(dim=1).max()).float()
        flipped = torch.stack([uvs[:, 0], 1.0 - uvs[:, 1]], dim=1)
        return cls((placed - center) * scale, golden.input(f"{prefix}faces"), flipped, center, scale)

    @cached_property
    def normals(self) -> Tensor:
        """Of the faces, in this frame: inward for a mesh whose normals point outward."""
        return _normals(self.vertices, self.faces)

    @cached_property
    def areas(self) -> Tensor:
        a, b, c = self.vertices[self.faces.long()].unbind(1)
        return (b - a).cross(c - a, dim=1).norm(dim=1) / 2

    def in_view(self, pose: Pose) -> Tensor:
        """Vertices in the camera's frame."""
        matrix = world_to_camera(paint_cameras([pose]))[0]
        return _homogeneous(self.vertices) @ matrix.T

    def render(self, pose: Pose, size: int) -> tuple[Tensor, Tensor]:
        return rasterize(self.in_view(pose) @ projection().T, self.faces, size, size)


def _normals(vertices: Tensor, faces: Tensor) -> Tensor:
    a, b, c = vertices[faces.long()].unbind(1)
    return normalize((b - a).cross(c - a, dim=1), eps=1e-12)


def _homogeneous(points: Tensor) -> Tensor:
    return torch.cat([points, torch.ones(len(points), 1)], dim=1)


def projection() -> Tensor:
    matrix = torch.diag(torch.tensor([1 / HALF_WIDTH, 1 / HALF_WIDTH, -2 / (FAR - NEAR), 1.0]))
    matrix[2, 3] = -(FAR + NEAR) / (FAR - NEAR)
    return matrix


def world_to_camera(cameras: Cameras) -> Tensor:
    """Our cameras as matrices [V, 4, 4] for column vectors of the mirrored frame."""
    left, up, look = (mirrored(axis) for axis in cameras.rotation.unbind(-1))
    rows = torch.stack([-left, -up, -look], dim=1)
    matrices = torch.eye(4).repeat(len(cameras), 1, 1)
    matrices[:, :3, :3] = rows
    matrices[:, :3, 3] = -cameras.translation
    return matrices


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


def rendered_maps(mesh: Published, pose: Pose, size: int) -> dict[str, Tensor]:
    """One view as the original renders it, colored by our functions."""
    found, barycentric = mesh.render(pose, size)
    covered = (found > 0)[..., None]
    x, y, z = mesh.normals[(found - 1).clamp(min=0).long()].unbind(-1)
    normals = normal_colors(torch.stack([x, z, -y], dim=-1))  # inward in this frame: outward in ours
    x, y, z = mesh.vertices.unbind(-1)
    places = position_colors(torch.stack([-x, -z, y], dim=-1))
    positions = interpolate(found, barycentric, places, mesh.faces)
    return {
        "face_id": found,
        "normal_u8": to_pixels(normals.where(covered, 1.0)),
        "position_u8": to_pixels(positions.where(covered, 1.0)),
    }


def texels_of(mesh: Published, size: int) -> tuple[Tensor, Tensor]:
    """Row and column of each covered texel, [T, 2], and its place on the surface, homogeneous [T, 4]."""
    places = torch.cat([mesh.uvs * 2 - 1, -torch.ones(len(mesh.uvs), 1), torch.ones(len(mesh.uvs), 1)], dim=1)
    found, barycentric = rasterize(places, mesh.faces, size, size)
    texels = found.nonzero()
    positions = interpolate(found, barycentric, mesh.vertices, mesh.faces)[found > 0]
    return texels, _homogeneous(positions)


def _compare_texels(golden: Golden, mesh: Published, size: int) -> Iterator[Comparison]:
    texels, positions = texels_of(mesh, size)
    yield Comparison("tex_grid", texels, golden.output("tex_grid"), EXACT)
    yield Comparison("tex_position", positions, golden.output("tex_position"), GEOMETRY)


def compare_view_selection(golden: Golden) -> Iterator[Comparison]:
    for name in golden.config["meshes"]:
        mesh = Published.of(golden, f"{name}.")
        seen = torch.zeros(len(CANDIDATES), len(mesh.faces) + 1, dtype=torch.bool)
        for row, pose in zip(seen, CANDIDATES, strict=True):
            row[mesh.render(pose, 1024)[0].long().unique()] = True
        for most in golden.config["max_views"]:
            chosen = [CANDIDATES[index] for index in select_views(seen[:, 1:], mesh.areas, most)]
            rows = torch.tensor([[pose.elevation, pose.azimuth, pose.weight] for pose in chosen]).T
            yield Comparison(f"{name}.{most}", rows, golden.output(f"{name}.{most}"), GEOMETRY)


@dataclass(frozen=True)
class Settings:
    """Of a bake: pixels that are left out around edges, and how sharply views are weighed."""

    margin: int
    exponent: float


def back_project(
    mesh: Published, pose: Pose, image: Tensor, texels: tuple[Tensor, Tensor], margin: int
) -> tuple[Tensor, Tensor, Tensor]:
    """What a view [S, S, 3] in [0, 1] shows at each texel: color [T, 3], cosine [T] and near an edge [T]."""
    size = len(image)
    depth, trusted, edges = _view_depth(mesh, pose, size, margin)
    place = texels[1] @ world_to_camera(paint_cameras([pose]))[0].T
    uv = place[:, :2] * projection()[0, 0]
    inside = (uv.abs() <= 1).all(dim=1)
    at = (uv.clamp(-1, 1) * 0.5 + 0.5) * size
    column, row = at.trunc().long().clamp(0, size - 1).unbind(1)
    seen = inside & ((place[:, 2] - depth[row, column]).abs() < DEPTH_TOLERANCE) & (trusted[row, column] > 0)
    x, y = ((uv * 0.5 + 0.5) * size - torch.stack([column, row], dim=1)).unbind(1)
    right, below = (column + 1).clamp(max=size - 1), (row + 1).clamp(max=size - 1)
    x, y = x[:, None], y[:, None]
    upper = image[row, column] * (1 - x) + image[row, right] * x
    lower = image[below, column] * (1 - x) + image[below, right] * x
    colors = upper * (1 - y) + lower * y
    return colors * seen[:, None], trusted[row, column] * seen, edges[row, column] * seen


DEPTH_TOLERANCE = 3e-3
STEEPEST = np.cos(np.radians(75.0))


def _view_depth(mesh: Published, pose: Pose, size: int, margin: int) -> tuple[Tensor, Tensor, Tensor]:
    """Depth of each pixel, the surface's cosine there where the pixel can be trusted, and pixels near an edge."""
    found, barycentric = mesh.render(pose, size)
    placed, covered = mesh.in_view(pose), found > 0
    depth = interpolate(found, barycentric, placed[:, 2:3], mesh.faces)[..., 0]
    normals = _normals(placed[:, :3].contiguous(), mesh.faces)[(found - 1).clamp(min=0).long()]
    cosine = cosine_similarity(normals, torch.tensor([0.0, 0.0, -1.0]), dim=-1) * covered
    cosine = cosine.where(cosine >= STEEPEST, 0.0)
    low, high = depth[covered].min(), depth[covered].max()
    picture = ((depth - low) / (high - low) * covered * 255).byte().numpy()
    edge = torch.from_numpy(cv2.Canny(picture, 30, 80) > 0)
    edges, background = (_grown(part, margin) for part in (edge, ~covered))
    trusted = ~(edges | background) if margin else covered
    return depth, cosine * trusted, edges.float()


def _grown(mask: Tensor, margin: int) -> Tensor:
    """A mask grown by a square; what is beyond the image's border adds nothing."""
    return max_pool2d(mask[None, None].float(), 2 * margin + 1, 1, margin)[0, 0] > 0


def baked(
    mesh: Published, views: Tensor, poses: list[Pose], size: int, settings: Settings
) -> tuple[Tensor, Tensor, list[tuple[Tensor, Tensor, Tensor]]]:
    """Texture [size, size, 3], mask [size, size], and each view's colors, cosine and edges as textures."""
    grid, _ = texels = texels_of(mesh, size)
    single = [back_project(mesh, pose, view, texels, settings.margin) for pose, view in zip(poses, views, strict=True)]
    blend = ViewBlend(len(grid), 3, settings.exponent)
    for pose, (colors, cosine, _edges) in zip(poses, single, strict=True):
        blend.add(colors, cosine, pose.weight)
    colors, painted = blend.result()
    spread = [tuple(_spread(part, grid, size) for part in view) for view in single]
    return _spread(colors, grid, size), _spread(painted, grid, size), spread  # type: ignore[return-value]


def _spread(values: Tensor, grid: Tensor, size: int) -> Tensor:
    texture = values.new_zeros(size, size, *values.shape[1:])
    texture[grid[:, 0], grid[:, 1]] = values
    return texture


def compare_bake(golden: Golden) -> Iterator[Comparison]:
    config, mesh = golden.config, Published.of(golden)
    settings = Settings(config["bake_unreliable_kernel_size"], config["bake_exp"])
    views = golden.input("views_u8").float() / 255
    texture, mask, single = baked(mesh, views, list(CANDIDATES[: len(views)]), config["texture"], settings)
    for index in range(len(views)):
        if f"out.view{index}.texture" in golden.tensors:
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


def in_gltf(mesh: Published) -> tuple[Tensor, Tensor]:
    """Vertices in glTF's axes at the renderer's scale, and UVs with v upward: what the fill is given."""
    x, y, z = mesh.vertices.unbind(-1)
    return torch.stack([-x, -z, y], dim=-1), torch.stack([mesh.uvs[:, 0], 1 - mesh.uvs[:, 1]], dim=1)


def filled(mesh: Published, texture: Tensor, mask: Tensor) -> Tensor:
    """The original's whole fill, uint8."""
    return inpainted(*propagated(texture, mask * 255, *in_gltf(mesh), mesh.faces, mesh.faces))


def inpainted(texture: Tensor, known: Tensor) -> Tensor:
    """The rest of the texture, uint8, by OpenCV."""
    pixels = (texture * 255).byte().numpy()
    return torch.from_numpy(cv2.inpaint(pixels, 255 - known.byte().numpy(), 3, cv2.INPAINT_NS))


def compare_mesh_inpaint(golden: Golden) -> Iterator[Comparison]:
    given = [golden.input(name) for name in ("texture", "mask", "vtx_pos", "vtx_uv", "pos_idx", "uv_idx")]
    for name, method in (("smooth", propagated), ("forward", propagated_in_waves)):
        texture, mask = method(*given)
        yield Comparison(f"{name}.texture", texture, golden.output(f"{name}.texture"), GEOMETRY)
        yield Comparison(f"{name}.mask", mask, golden.output(f"{name}.mask"), EXACT)
    filled = inpainted(golden.output("smooth.texture"), golden.output("smooth.mask"))
    yield Comparison("cv2_ns", filled, golden.output("cv2_ns"), EXACT)


@dataclass
class VertexColors:
    """The colors that the vertices find in the texture, and the mesh as the original's fill sees it."""

    colors: np.ndarray
    colored: np.ndarray
    work: list[int]
    neighbors: list[list[int]]
    texels: np.ndarray
    positions: np.ndarray
    faces: np.ndarray

    @classmethod
    def of(
        cls, texture: Tensor, mask: Tensor, positions: Tensor, uvs: Tensor, faces: Tensor, uv_faces: Tensor
    ) -> "VertexColors":
        height, width = mask.shape
        u, v = uvs.numpy().astype(np.float32).T
        column, row = u * np.float32(width - 1), (np.float32(1) - v) * np.float32(height - 1)
        texels = np.stack([np.floor(row + 0.5), np.floor(column + 0.5)], axis=1).astype(int)[uv_faces.numpy()]
        state = cls(np.zeros((len(positions), texture.shape[-1]), np.float32), np.zeros(len(positions), bool), [],
                    [[] for _ in positions], texels, positions.numpy(), faces.numpy())
        for face, places in zip(state.faces, texels, strict=True):
            for corner, (vertex, place) in enumerate(zip(face, places, strict=True)):
                if mask[tuple(place)] > 0:
                    state.colored[vertex] = True
                    state.colors[vertex] = texture[tuple(place)].numpy()
                else:
                    state.work.append(int(vertex))
                state.neighbors[vertex].append(int(face[(corner + 1) % 3]))
        return state

    def mean(self, vertex: int, among: np.ndarray) -> np.ndarray | None:
        """Weighted mean of the neighbors that are `among` the colored."""
        near = [other for other in self.neighbors[vertex] if among[other]]
        if not near:
            return None
        distance = np.maximum(np.linalg.norm(self.positions[near] - self.positions[vertex], axis=1), 1e-4)
        weight = (1.0 / distance).astype(np.float32) ** 2
        return (self.colors[near] * weight[:, None]).sum(axis=0) / weight.sum()

    def written(self, texture: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Texture and mask with the vertices' colors in their texels."""
        texture, mask = texture.clone(), mask.clone()
        for face, places in zip(self.faces, self.texels, strict=True):
            for vertex, place in zip(face, places, strict=True):
                if self.colored[vertex]:
                    texture[tuple(place)] = torch.from_numpy(self.colors[vertex])
                    mask[tuple(place)] = 255
        return texture, mask


def propagated(texture: Tensor, mask: Tensor, *mesh: Tensor) -> tuple[Tensor, Tensor]:
    """The original's fill along edges, its work list swept again and again, in place."""
    state = VertexColors.of(texture, mask, *mesh)
    counter, last = 2, 0
    while counter > 0:
        uncolored = 0
        for vertex in state.work:
            color = state.mean(vertex, state.colored)
            if color is None:
                uncolored += 1
            else:
                state.colors[vertex], state.colored[vertex] = color, True
        counter += -1 if uncolored == last else 1
        last = uncolored
    return state.written(texture, mask)


def propagated_in_waves(texture: Tensor, mask: Tensor, *mesh: Tensor) -> tuple[Tensor, Tensor]:
    """The original's other fill, which it does not use: breadth first from the colored vertices."""
    state = VertexColors.of(texture, mask, *mesh)
    reached = state.colored.copy()
    wave = reached.copy()
    while wave.any():
        found = np.zeros_like(wave)
        for vertex in np.flatnonzero(~reached):
            color = state.mean(int(vertex), wave)
            if color is not None:
                state.colors[vertex], found[vertex] = color, True
        reached |= found
        wave = found
    state.colored = reached
    return state.written(texture, mask)


CASES |= {(NAME, f"bake_{mesh}"): compare_bake for mesh in ("box", "chair")}
CASES |= {(NAME, "mesh_inpaint"): compare_mesh_inpaint}
CASES |= {(NAME, f"render_{mesh}"): compare_render for mesh in ("box", "torus", "chair", "nonmanifold")}
CASES |= {(NAME, "rasterizer"): compare_rasterizer, (NAME, "view_selection"): compare_view_selection}
