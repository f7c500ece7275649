# SPDX-License-Identifier: GPL-3.0-or-later
"""Warp kernels that ask for each texel which views see it, by comparing its depth with what the view's pixels show."""

# ruff: noqa: UP018 - warp takes a bare literal for a constant, which a loop may not change
import warp as wp

from .surface_kernels import facing_cosine, interpolate3

wp.set_module_options({"fuse_fp": False, "enable_backward": False})

STEEPEST = wp.constant(10.0)
"""Slope against the view's plane up to which depths may differ within a pixel."""
SMALLEST_WEIGHT = wp.constant(1e-30)


@wp.struct
class Rig:
    """The views' cameras and depths: ``depth`` [V, S, S], 0 on the background."""

    rotation: wp.array(dtype=wp.mat33)
    translation: wp.array(dtype=wp.vec3)
    center: wp.array(dtype=wp.vec3)
    scale: float
    perspective: bool
    depth: wp.array(dtype=wp.float32, ndim=3)


@wp.struct
class TexelSurface:
    """The mesh, and the face and barycentrics of every texel."""

    vertices: wp.array(dtype=wp.vec3)
    normals: wp.array(dtype=wp.vec3)
    faces: wp.array(dtype=wp.int32, ndim=2)
    face: wp.array(dtype=wp.int32)
    barycentric: wp.array(dtype=wp.vec3)


@wp.struct
class Sight:
    """Where a view sees a point: the upper left of four pixels, how far to the next, and each one's share, 0 where it
    shows something else; ``seen`` is the sum of shares."""

    row: int
    column: int
    seen: float
    share: wp.vec4


@wp.func
def share_of(rig: Rig, view: int, row: int, column: int, depth: float, tolerance: float, share: float) -> float:
    """``share`` where the view's pixel lies in the image and shows that depth, else 0."""
    if row < 0 or column < 0 or row >= rig.depth.shape[1] or column >= rig.depth.shape[2]:
        return 0.0
    shown = rig.depth[view, row, column]
    if shown <= 0.0 or wp.abs(shown - depth) > tolerance:
        return 0.0
    return share


@wp.func
def look(rig: Rig, view: int, point: wp.vec3, outward: wp.vec3) -> Sight:
    """What the view sees of a point of a face with the unit normal ``outward``."""
    sight = Sight()
    away = rig.rotation[view] * wp.vec3(0.0, 0.0, 1.0)
    if rig.perspective:
        away = wp.normalize(point - rig.center[view])
    facing = -wp.dot(outward, away)
    if facing <= 0.0:
        return sight
    position = wp.transpose(rig.rotation[view]) * point + rig.translation[view]
    scale = rig.scale
    if rig.perspective:
        scale = rig.scale / position[2]
    size = float(rig.depth.shape[1])
    column = (1.0 - position[0] * scale) * 0.5 * size - 0.5
    row = (1.0 - position[1] * scale) * 0.5 * size - 0.5
    slope = wp.min(wp.sqrt(wp.max(1.0 - facing * facing, 0.0)) / facing, STEEPEST)
    tolerance = (1.0 + 1.5 * slope) * 2.0 / (size * scale)
    sight.row = int(wp.floor(row))
    sight.column = int(wp.floor(column))
    y = row - wp.floor(row)
    x = column - wp.floor(column)
    depth = position[2]
    share = wp.vec4(
        share_of(rig, view, sight.row, sight.column, depth, tolerance, (1.0 - y) * (1.0 - x)),
        share_of(rig, view, sight.row, sight.column + 1, depth, tolerance, (1.0 - y) * x),
        share_of(rig, view, sight.row + 1, sight.column, depth, tolerance, y * (1.0 - x)),
        share_of(rig, view, sight.row + 1, sight.column + 1, depth, tolerance, y * x),
    )
    sight.share = share
    sight.seen = share[0] + share[1] + share[2] + share[3]
    return sight


@wp.func
def face_normal(surface: TexelSurface, f: int) -> wp.vec3:
    """Unit normal of face ``f``."""
    a = surface.vertices[surface.faces[f, 0]]
    b = surface.vertices[surface.faces[f, 1]]
    c = surface.vertices[surface.faces[f, 2]]
    return wp.normalize(wp.cross(b - a, c - a))


@wp.kernel
def find_visible(surface: TexelSurface, rig: Rig, visible: wp.array(dtype=wp.uint8, ndim=2)) -> None:
    """Mark the texels that each view sees; others stay as they are."""
    texel = wp.tid()
    f = surface.face[texel]
    if f < 0:
        return
    point = interpolate3(surface.vertices, surface.faces, f, surface.barycentric[texel])
    outward = face_normal(surface, f)
    for view in range(visible.shape[0]):
        sight = look(rig, view, point, outward)
        if sight.seen > 0.0:
            visible[view, texel] = wp.uint8(1)


@wp.kernel
def gather_views(
    surface: TexelSurface,
    rig: Rig,
    views: wp.array(dtype=wp.vec3, ndim=3),
    exponent: float,
    smallest_cosine: float,
    color: wp.array(dtype=wp.vec3),
    weight: wp.array(dtype=wp.float32),
) -> None:
    """Weighted mean of what the views [V, S, S] show at each texel, between pixels bilinear."""
    texel = wp.tid()
    f = surface.face[texel]
    if f < 0:
        return
    barycentric = surface.barycentric[texel]
    point = interpolate3(surface.vertices, surface.faces, f, barycentric)
    normal = interpolate3(surface.normals, surface.faces, f, barycentric)
    outward = face_normal(surface, f)
    total = wp.vec3(0.0, 0.0, 0.0)
    weights = float(0.0)
    for view in range(views.shape[0]):
        cosine = facing_cosine(point, normal, rig.center[view])
        if cosine > smallest_cosine:
            sight = look(rig, view, point, outward)
            if sight.seen > 0.0:
                shown = wp.vec3(0.0, 0.0, 0.0)
                for tap in range(4):
                    if sight.share[tap] > 0.0:
                        row = sight.row + tap / 2
                        column = sight.column + tap % 2
                        shown += sight.share[tap] * views[view, row, column]
                w = wp.pow(cosine, exponent)
                total += w * (shown / sight.seen)
                weights += w
    if weights > SMALLEST_WEIGHT:
        color[texel] = total / weights
        weight[texel] = weights
