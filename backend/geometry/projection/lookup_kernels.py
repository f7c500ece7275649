# SPDX-License-Identifier: GPL-3.0-or-later
"""Warp kernel that looks points of the surface up in one view."""


import warp as wp

from .texel_kernels import Rig, TexelSurface, face_normal, interpolate3, look

wp.set_module_options({"enable_backward": False})


@wp.kernel
def look_up(
    surface: TexelSurface,
    rig: Rig,
    view: int,
    image: wp.array(dtype=wp.float32, ndim=3),
    trusted: wp.array(dtype=wp.uint8, ndim=2),
    steepest: float,
    colors: wp.array(dtype=wp.float32, ndim=2),
    cosine: wp.array(dtype=wp.float32),
) -> None:
    """Write what the view shows at each point; what is there stays where it does not see the point."""
    index = wp.tid()
    f = surface.face[index]
    barycentric = surface.barycentric[index]
    point = interpolate3(surface.vertices, surface.faces, f, barycentric)
    outward = face_normal(surface, f)
    away = rig.rotation[view] * wp.vec3(0.0, 0.0, 1.0)
    if rig.perspective:
        away = wp.normalize(point - rig.center[view])
    if -wp.dot(outward, away) < steepest:
        return
    sight = look(rig, view, point, outward)
    seen = 0.0
    share = wp.vec4()
    for tap in range(4):
        if sight.share[tap] > 0.0 and trusted[sight.row + tap / 2, sight.column + tap % 2] != wp.uint8(0):
            share[tap] = sight.share[tap]
            seen += sight.share[tap]
    if seen <= 0.0:
        return
    for channel in range(image.shape[2]):
        shown = 0.0
        for tap in range(4):
            if share[tap] > 0.0:
                shown += share[tap] * image[sight.row + tap / 2, sight.column + tap % 2, channel]
        colors[index, channel] = shown / seen
    normal = wp.normalize(interpolate3(surface.normals, surface.faces, f, barycentric))
    cosine[index] = wp.max(-wp.dot(normal, away), steepest)
