# SPDX-License-Identifier: GPL-3.0-or-later
"""Random points on the analytic surface of many objects at once: uniform ones and salient ones on sharp edges."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .primitives import ObjectBatch, kind_distance, signed_distance, slot_kinds
from .shapes import Kind

INSIDE = -1e-4
"""A point deeper than this in another primitive of its volume is no point of the union's surface."""
SHARP = 1e-4
"""Edges rounded by more than this are not salient."""
PARALLEL = 1e-5


def _pick(weights: Tensor, number: Tensor) -> Tensor:
    """Return the index that a number in [0, 1) picks by weights [..., K]; shape of ``number``."""
    edges = weights.cumsum(dim=-1)
    return (number[..., None] * edges[..., -1:] >= edges).sum(dim=-1).clamp(max=weights.shape[-1] - 1)


def _sign(number: Tensor) -> Tensor:
    return torch.where(number < 0.5, -1.0, 1.0)


def _circle(radius: Tensor, turn: Tensor, z: Tensor) -> Tensor:
    angle = 2.0 * math.pi * turn
    return torch.stack([radius * angle.cos(), radius * angle.sin(), z], dim=-1)


def _box_faces(size: Tensor, u: Tensor) -> Tensor:
    half = size[..., :3] + size[..., 3:]
    x, y, z = half.unbind(-1)
    axis = _pick(torch.stack([y * z, x * z, x * y], dim=-1), u[..., 0])
    point = torch.stack([2 * u[..., 1] - 1, 2 * u[..., 2] - 1, 2 * u[..., 3] - 1], dim=-1)
    flat = torch.nn.functional.one_hot(axis, 3).bool()
    return torch.where(flat, point.sign(), point) * half


def _frustum_radii(size: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return size[..., 0] + size[..., 3], size[..., 1] + size[..., 3], size[..., 2] + size[..., 3]


def _frustum_faces(size: Tensor, u: Tensor) -> Tensor:
    bottom, top, height = _frustum_radii(size)
    side = (bottom + top) * torch.hypot(2 * height, bottom - top)
    face = _pick(torch.stack([bottom**2, top**2, side], dim=-1), u[..., 0])
    slope = top - bottom
    radius = (bottom**2 + u[..., 1] * (top**2 - bottom**2)).clamp(min=0).sqrt()
    steep = slope.abs() < PARALLEL
    along = torch.where(steep, u[..., 1], (radius - bottom) / torch.where(steep, torch.ones_like(slope), slope))
    disc = torch.where(face == 0, bottom, top) * u[..., 1].sqrt()
    on_side = face == 2
    z = torch.where(on_side, (2 * along - 1) * height, torch.where(face == 0, -height, height))
    return _circle(torch.where(on_side, radius, disc), u[..., 2], z)


def _ring_faces(size: Tensor, u: Tensor) -> Tensor:
    outer, inner = size[..., 0] + size[..., 1] + size[..., 3], size[..., 0] - size[..., 1] - size[..., 3]
    height = size[..., 2] + size[..., 3]
    areas = [4 * outer * height, 4 * inner * height, 2 * (outer**2 - inner**2)]
    face = _pick(torch.stack(areas, dim=-1), u[..., 0])
    flat = (inner**2 + u[..., 1] * (outer**2 - inner**2)).sqrt()
    radius = torch.where(face == 0, outer, torch.where(face == 1, inner, flat))
    z = torch.where(face == 2, _sign(u[..., 3]), 2 * u[..., 1] - 1) * height
    return _circle(radius, u[..., 2], z)


def _arc_faces(size: Tensor, u: Tensor) -> Tensor:
    radius, tube = size[..., 0], size[..., 3]
    angle = (2 * u[..., 0] - 1) * (size[..., 2] + tube / radius).clamp(max=math.pi)
    around = 2.0 * math.pi * u[..., 1]
    distance = radius + tube * around.cos()
    return torch.stack([distance * angle.cos(), distance * angle.sin(), tube * around.sin()], dim=-1)


def _wedge_faces(size: Tensor, u: Tensor) -> Tensor:
    half, height, length = size[..., 0], size[..., 1], size[..., 2]
    slant = torch.hypot(half, 2 * height)
    areas = [2 * half * length, 2 * slant * length, 2 * half * height]
    face = _pick(torch.stack(areas, dim=-1), u[..., 0])
    low = 1 - u[..., 1].sqrt()  # height above the base of a uniform point in a triangle, as a share
    up = torch.where(face == 0, 0.0, torch.where(face == 1, u[..., 1], low))
    side = torch.where(face == 1, _sign(u[..., 2]), 2 * u[..., 2] - 1)
    x = torch.where(face == 2, _sign(u[..., 3]), 2 * u[..., 3] - 1) * length
    return torch.stack([x, side * half * (1 - up), (2 * up - 1) * height], dim=-1)


def _box_edges(size: Tensor, u: Tensor) -> Tensor:
    axis = _pick(size[..., :3], u[..., 0])
    point = torch.stack([2 * u[..., 1] - 1, 2 * u[..., 2] - 1, 2 * u[..., 3] - 1], dim=-1)
    along = torch.nn.functional.one_hot(axis, 3).bool()
    return torch.where(along, point, point.sign()) * size[..., :3]


def _frustum_edges(size: Tensor, u: Tensor) -> Tensor:
    bottom, top, height = size[..., 0], size[..., 1], size[..., 2]
    low = u[..., 0] * (bottom + top) < bottom
    return _circle(torch.where(low, bottom, top), u[..., 1], torch.where(low, -height, height))


def _ring_edges(size: Tensor, u: Tensor) -> Tensor:
    outer, inner = size[..., 0] + size[..., 1], size[..., 0] - size[..., 1]
    radius = torch.where(u[..., 0] * (outer + inner) < outer, outer, inner)
    return _circle(radius, u[..., 1], _sign(u[..., 2]) * size[..., 2])


def _wedge_edges(size: Tensor, u: Tensor) -> Tensor:
    half, height, length = size[..., 0], size[..., 1], size[..., 2]
    slant = torch.hypot(half, 2 * height)
    edge = _pick(torch.stack([2 * length, 4 * length, 4 * half, 4 * slant], dim=-1), u[..., 0])
    free, side, end = 2 * u[..., 1] - 1, _sign(u[..., 2]), _sign(u[..., 3])
    up = torch.where(edge == 0, 1.0, torch.where(edge == 3, u[..., 1], 0.0))
    y = torch.where(edge == 2, free, side) * half * (1 - up)
    return torch.stack([torch.where(edge <= 1, free, end) * length, y, (2 * up - 1) * height], dim=-1)


Sampler = Callable[[Tensor, Tensor], Tensor]
FACES: dict[Kind, Sampler] = {
    Kind.BOX: _box_faces,
    Kind.FRUSTUM: _frustum_faces,
    Kind.RING: _ring_faces,
    Kind.ARC: _arc_faces,
    Kind.WEDGE: _wedge_faces,
}
EDGES: dict[Kind, Sampler] = {
    Kind.BOX: _box_edges,
    Kind.FRUSTUM: _frustum_edges,
    Kind.RING: _ring_edges,
    Kind.WEDGE: _wedge_edges,
}


def surface_areas(batch: ObjectBatch) -> Tensor:
    """Return the approximate surface area of every primitive (exact where nothing is rounded), [B, S]."""
    kind = slot_kinds(batch.size.device)
    x, y, z = (batch.size[..., :3] + batch.size[..., 3:]).unbind(-1)
    bottom, top, height = _frustum_radii(batch.size)
    frustum = bottom**2 + top**2 + (bottom + top) * torch.hypot(2 * height, bottom - top)
    ring = 8 * batch.size[..., 0] * height + 4 * batch.size[..., 0] * (batch.size[..., 1] + batch.size[..., 3]) * 2
    arc = 4 * math.pi * batch.size[..., 2] * batch.size[..., 0] * batch.size[..., 3]
    half, tall, length = batch.size[..., :3].unbind(-1)
    wedge = 4 * (half * length + torch.hypot(half, 2 * tall) * length + half * tall)
    area = torch.where(kind == int(Kind.BOX), 8 * (x * y + y * z + x * z), math.pi * frustum)
    area = torch.where(kind == int(Kind.RING), math.pi * ring, area)
    area = torch.where(kind == int(Kind.ARC), arc, area)
    return torch.where(kind == int(Kind.WEDGE), wedge, area) * batch.present


def edge_lengths(batch: ObjectBatch) -> Tensor:
    """Return the length of the sharp edges of every primitive, [B, S]; zero where rounded."""
    kind = slot_kinds(batch.size.device)
    a, b, c, rounding = batch.size.unbind(-1)
    length = torch.where(kind == int(Kind.BOX), 8 * (a + b + c), 2 * math.pi * (a + b))
    length = torch.where(kind == int(Kind.RING), 8 * math.pi * a, length)
    length = torch.where(kind == int(Kind.WEDGE), 6 * c + 4 * a + 4 * torch.hypot(a, 2 * b), length)
    return length * ((rounding < SHARP) & batch.present & (kind != int(Kind.ARC)))


def _draw(
    batch: ObjectBatch, samplers: dict[Kind, Sampler], weights: Tensor, count: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw points [B, count, 3] in the object's frame on primitives chosen by ``weights``; also whether each is free.

    One exact Newton step along the numerical gradient takes points of rounded primitives to their surface.
    """
    slot = torch.multinomial(weights, count, replacement=True, generator=generator)
    numbers = torch.rand(*slot.shape, 4, generator=generator, device=slot.device)
    kind = slot_kinds(slot.device)[slot]
    size = batch.size.gather(1, slot[..., None].expand(-1, -1, 4))
    local = torch.zeros(*slot.shape, 3, device=slot.device)
    for candidate, sampler in samplers.items():
        local = torch.where((kind == int(candidate))[..., None], sampler(size, numbers), local)
    if samplers is FACES:
        local = _project(kind, local, size)
    rotation = batch.rotation.gather(1, slot[..., None, None].expand(-1, -1, 3, 3))
    center = batch.center.gather(1, slot[..., None].expand(-1, -1, 3))
    points = torch.einsum("bnij,bnj->bni", rotation, local) + center
    distance = signed_distance(batch, points).scatter(2, slot[..., None], 1.0)
    return points, distance.amin(dim=-1) > INSIDE


def _project(kind: Tensor, local: Tensor, size: Tensor) -> Tensor:
    """Move points onto their primitive's surface along the central-difference gradient of its distance."""
    distance = kind_distance(kind, local, size)
    step = 1e-3 * torch.eye(3, device=local.device)
    gradient = torch.stack(
        [kind_distance(kind, local + axis, size) - kind_distance(kind, local - axis, size) for axis in step], dim=-1
    )
    return local - distance[..., None] * torch.nn.functional.normalize(gradient, dim=-1)


def _free_first(points: Tensor, free: Tensor, count: int) -> Tensor:
    """Return ``count`` free points per row, repeating them from the start where there are fewer."""
    order = torch.argsort((~free).to(torch.uint8), dim=1, stable=True)
    available = free.sum(dim=1, keepdim=True).clamp(min=1)
    place = torch.arange(count, device=points.device)[None] % available
    chosen = order.gather(1, place)
    return points.gather(1, chosen[..., None].expand(-1, -1, 3))


def sample_surface(batch: ObjectBatch, count: int, generator: torch.Generator) -> Tensor:
    """Return points spread evenly over the surface of each object's union, float32 [B, count, 3].

    Half as many again are drawn, and those inside another primitive left out; where too few remain some are repeated.
    """
    points, free = _draw(batch, FACES, surface_areas(batch), count + count // 2, generator)
    return _free_first(points, free, count)


def sample_salient(batch: ObjectBatch, count: int, generator: torch.Generator, surface: Tensor) -> Tensor:
    """Return points on the sharp edges of each object's union, float32 [B, count, 3].

    An object without any free sharp edge gets its ``surface`` points [B, at least count, 3] in their place.
    """
    lengths = edge_lengths(batch)
    smooth = lengths.sum(dim=1) <= 0
    weights = torch.where(smooth[:, None], batch.present.float(), lengths)
    points, free = _draw(batch, EDGES, weights, count + count // 2, generator)
    fallback = smooth | ~free.any(dim=1)
    return torch.where(fallback[:, None, None], surface[:, :count], _free_first(points, free, count))


def farthest_points(points: Tensor, count: int) -> Tensor:
    """Return the indices [B, count] of farthest-point sampling of points [B, N, 3].

    It starts at the point that lies farthest in one fixed direction, so that like shapes are sampled alike.
    """
    direction = points.new_tensor([0.48, 0.31, 0.82])
    rows = torch.arange(points.shape[0], device=points.device)
    latest = (points @ direction).argmax(dim=1)
    nearest = torch.full(points.shape[:2], torch.inf, device=points.device)
    chosen = [latest]
    for _ in range(count - 1):
        step = (points - points[rows, latest][:, None]).square().sum(dim=-1)
        nearest = torch.minimum(nearest, step)
        latest = nearest.argmax(dim=1)
        chosen.append(latest)
    return torch.stack(chosen, dim=1)
