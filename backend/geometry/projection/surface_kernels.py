# SPDX-License-Identifier: GPL-3.0-or-later
"""Warp kernels that interpolate the mesh over pixels; contraction is off, so that CUDA and CPU find the same texels."""

import warp as wp

wp.set_module_options({"fuse_fp": False, "enable_backward": False})

SHORTEST = wp.constant(1e-6)
"""Vectors are divided by at least this length."""


@wp.func
def unit(v: wp.vec3) -> wp.vec3:
    """The vector at length 1; 0 stays 0."""
    return v / wp.max(wp.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]), SHORTEST)


@wp.func
def facing_cosine(position: wp.vec3, normal: wp.vec3, center: wp.vec3) -> float:
    """Cosine to the direction of the camera's center, also for an orthographic camera.

    See docs/algorithms/flexisyncmvd.md, section 2.
    """
    a = unit(center - position)
    b = unit(normal)
    return wp.clamp(a[0] * b[0] + a[1] * b[1] + a[2] * b[2], 0.0, 1.0)


@wp.func
def interpolate3(values: wp.array(dtype=wp.vec3), corners: wp.array2d(dtype=wp.int32), f: int, w: wp.vec3) -> wp.vec3:
    """Value of the corners' vectors at barycentrics ``w`` of face ``f``."""
    return w[0] * values[corners[f, 0]] + w[1] * values[corners[f, 1]] + w[2] * values[corners[f, 2]]


@wp.func
def interpolate2(values: wp.array(dtype=wp.vec2), corners: wp.array2d(dtype=wp.int32), f: int, w: wp.vec3) -> wp.vec2:
    """As `interpolate3`, for vectors of two."""
    return w[0] * values[corners[f, 0]] + w[1] * values[corners[f, 1]] + w[2] * values[corners[f, 2]]


@wp.kernel
def interpolate_surface(
    face: wp.array(dtype=wp.int32, ndim=2),
    barycentric: wp.array(dtype=wp.vec3, ndim=2),
    vertices: wp.array(dtype=wp.vec3),
    normals: wp.array(dtype=wp.vec3),
    faces: wp.array(dtype=wp.int32, ndim=2),
    uvs: wp.array(dtype=wp.vec2),
    face_uvs: wp.array(dtype=wp.int32, ndim=2),
    centers: wp.array(dtype=wp.vec3),
    position: wp.array(dtype=wp.vec3, ndim=2),
    normal: wp.array(dtype=wp.vec3, ndim=2),
    uv: wp.array(dtype=wp.vec2, ndim=2),
    cosine: wp.array(dtype=wp.float32, ndim=2),
) -> None:
    """Position, normal, UV and facing cosine of the surface that each covered pixel shows."""
    view, pixel = wp.tid()
    f = face[view, pixel]
    if f < 0:
        return
    w = barycentric[view, pixel]
    p = interpolate3(vertices, faces, f, w)
    n = interpolate3(normals, faces, f, w)
    position[view, pixel] = p
    normal[view, pixel] = n
    uv[view, pixel] = interpolate2(uvs, face_uvs, f, w)
    cosine[view, pixel] = facing_cosine(p, n, centers[view])


@wp.func
def nearest_texel(uv: wp.vec2, height: int, width: int) -> int:
    """Linear index of the nearest texel; texel centers lie at j / (width - 1), halves go to even.

    See docs/algorithms/flexisyncmvd.md, section 3.
    """
    x = -1.0 + 2.0 * uv[0]
    y = 1.0 - 2.0 * uv[1]
    column = wp.rint(wp.clamp((x + 1.0) / 2.0 * float(width - 1), 0.0, float(width - 1)))
    row = wp.rint(wp.clamp((y + 1.0) / 2.0 * float(height - 1), 0.0, float(height - 1)))
    return int(row) * width + int(column)


@wp.kernel
def find_texels(
    face: wp.array(dtype=wp.int32, ndim=2),
    barycentric: wp.array(dtype=wp.vec3, ndim=2),
    vertices: wp.array(dtype=wp.vec3),
    normals: wp.array(dtype=wp.vec3),
    faces: wp.array(dtype=wp.int32, ndim=2),
    uvs: wp.array(dtype=wp.vec2),
    face_uvs: wp.array(dtype=wp.int32, ndim=2),
    centers: wp.array(dtype=wp.vec3),
    height: int,
    width: int,
    texel: wp.array(dtype=wp.int32, ndim=2),
    cosine: wp.array(dtype=wp.float32, ndim=2),
) -> None:
    """The nearest texel of each covered pixel, and its facing cosine."""
    view, pixel = wp.tid()
    f = face[view, pixel]
    if f < 0:
        return
    w = barycentric[view, pixel]
    p = interpolate3(vertices, faces, f, w)
    n = interpolate3(normals, faces, f, w)
    texel[view, pixel] = nearest_texel(interpolate2(uvs, face_uvs, f, w), height, width)
    cosine[view, pixel] = facing_cosine(p, n, centers[view])
