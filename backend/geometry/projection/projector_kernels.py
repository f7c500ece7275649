# SPDX-License-Identifier: GPL-3.0-or-later
"""Warp kernels of the bake: sums over lists, each by one thread in the list's order, so that results repeat."""

# ruff: noqa: UP018 - warp takes a bare literal for a constant, which a loop may not change
import warp as wp

wp.set_module_options({"enable_backward": False})


@wp.kernel
def mean_over_pixels(
    views: wp.array(dtype=wp.float32, ndim=3),
    pixel: wp.array(dtype=wp.int32),
    first: wp.array(dtype=wp.int32),
    pixels_per_view: int,
    means: wp.array(dtype=wp.float32, ndim=2),
) -> None:
    """Mean of channel c of ``views`` [V, C, P] over the pixels of seed s; ``pixel`` counts through all views."""
    s, c = wp.tid()
    total = float(0.0)
    for i in range(first[s], first[s + 1]):
        p = pixel[i]
        total += views[p / pixels_per_view, c, p % pixels_per_view]
    means[s, c] = total / float(first[s + 1] - first[s])


@wp.kernel
def blend_views(
    means: wp.array(dtype=wp.float32, ndim=2),
    seed: wp.array(dtype=wp.int32),
    cosine: wp.array(dtype=wp.float32),
    first: wp.array(dtype=wp.int32),
    exponent: float,
    texture: wp.array(dtype=wp.float32, ndim=2),
    weight: wp.array(dtype=wp.float32),
) -> None:
    """Weighted mean, at texel k, of the seeds that its views show there; 0 where no view shows it."""
    k, c = wp.tid()
    total = float(0.0)
    weights = float(0.0)
    for i in range(first[k], first[k + 1]):
        w = wp.pow(cosine[i], exponent)
        total += w * means[seed[i], c]
        weights += w
    if weights > 0.0:
        texture[c, k] = total / weights
    if c == 0:
        weight[k] = weights
