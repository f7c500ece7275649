# SPDX-License-Identifier: GPL-3.0-or-later
"""Exact signed distances of many objects at once in torch, negative inside.

The slots of one kind are contiguous (``assembly.SLOTS``), so that each formula runs only on its own slots.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from .assembly import ABSENT, SLOT_KINDS, SLOTS, SlotArrays
from .shapes import Kind

FAR = 10.0
"""The distance that an empty slot reports: farther than anything in the cube [-1, 1]^3."""


@dataclass(frozen=True)
class ObjectBatch:
    """Objects on one device: ``SlotArrays`` as tensors with a leading axis B; a slot is absent where volume < 0."""

    center: Tensor
    rotation: Tensor
    size: Tensor
    color: Tensor
    part: Tensor
    volume: Tensor
    family: Tensor

    @classmethod
    def from_arrays(cls, arrays: SlotArrays, device: torch.device | str = "cpu") -> ObjectBatch:
        """Copy stacked arrays to a device."""
        return cls(**{item.name: torch.from_numpy(getattr(arrays, item.name)).to(device) for item in fields(cls)})

    def __len__(self) -> int:
        return self.center.shape[0]

    def __getitem__(self, index: Tensor | slice) -> ObjectBatch:
        return ObjectBatch(**{item.name: getattr(self, item.name)[index] for item in fields(self)})

    @property
    def present(self) -> Tensor:
        """Which slots hold a primitive, bool [B, S]."""
        return self.volume > ABSENT

    @property
    def part_count(self) -> Tensor:
        """The number of parts after packing, int64 [B]."""
        return self.part.amax(dim=1) + 1

    def only_volume(self, volume: int) -> ObjectBatch:
        """Return the same objects without the primitives of the other volume."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        kept = self.volume == volume
        values["volume"] = torch.where(kept, self.volume, ABSENT)
        values["part"] = torch.where(kept, self.part, ABSENT)
        return ObjectBatch(**values)

    def both_volumes(self) -> ObjectBatch:
        """Return 2 B one-volume objects: volume 0 of all, then volume 1 of all."""
        halves = (self.only_volume(0), self.only_volume(1))
        return ObjectBatch(
            **{item.name: torch.cat([getattr(half, item.name) for half in halves]) for item in fields(self)}
        )


def box_distance(local: Tensor, size: Tensor) -> Tensor:
    """Distance to a box of half extents size[..., :3]."""
    q = local.abs() - size[..., :3]
    return q.clamp(min=0.0).norm(dim=-1) + q.amax(dim=-1).clamp(max=0.0)


def frustum_distance(local: Tensor, size: Tensor) -> Tensor:
    """Distance to a cone frustum of radii size[0] (bottom), size[1] (top) and half height size[2]."""
    bottom, top, height = size[..., 0], size[..., 1], size[..., 2]
    radius, z = local[..., :2].norm(dim=-1), local[..., 2]
    cap_x = radius - torch.minimum(radius, torch.where(z < 0, bottom, top))
    cap_y = z.abs() - height
    slope_x, slope_y = top - bottom, 2.0 * height
    along = ((top - radius) * slope_x + (height - z) * slope_y) / (slope_x**2 + slope_y**2).clamp(min=1e-12)
    along = along.clamp(0.0, 1.0)
    side_x, side_y = radius - top + slope_x * along, z - height + slope_y * along
    inside = (side_x < 0) & (cap_y < 0)
    distance = torch.minimum(cap_x**2 + cap_y**2, side_x**2 + side_y**2).sqrt()
    return torch.where(inside, -distance, distance)


def ring_distance(local: Tensor, size: Tensor) -> Tensor:
    """Distance to a pipe: middle radius size[0], half wall size[1], half height size[2]."""
    x = (local[..., :2].norm(dim=-1) - size[..., 0]).abs() - size[..., 1]
    y = local[..., 2].abs() - size[..., 2]
    return torch.hypot(x.clamp(min=0.0), y.clamp(min=0.0)) + torch.maximum(x, y).clamp(max=0.0)


def arc_distance(local: Tensor, size: Tensor) -> Tensor:
    """Distance to a piece of circle of radius size[0] in the xy plane, half angle size[2] about +x."""
    radius, angle = size[..., 0], size[..., 2]
    x, y = local[..., 0], local[..., 1].abs()
    cosine, sine = angle.cos(), angle.sin()
    beyond = cosine * y > sine * x
    nearest = torch.where(beyond, y * sine + x * cosine, torch.hypot(x, y))
    square = local.square().sum(dim=-1) + radius**2 - 2.0 * radius * nearest
    return square.clamp(min=0.0).sqrt()


def wedge_distance(local: Tensor, size: Tensor) -> Tensor:
    """Distance to an isosceles triangle (half base size[0], half height size[1]) extruded by +-size[2] along x."""
    half, height = size[..., 0], 2.0 * size[..., 1]
    x, y = local[..., 1].abs(), size[..., 1] - local[..., 2]
    on_side = ((x * half + y * height) / (half**2 + height**2)).clamp(0.0, 1.0)
    side = (x - half * on_side) ** 2 + (y - height * on_side) ** 2
    base = (x - half * (x / half).clamp(0.0, 1.0)) ** 2 + (y - height) ** 2
    inward = torch.minimum(y * half - x * height, height - y)
    flat = torch.minimum(side, base).sqrt()
    flat = torch.where(inward > 0, -flat, flat)
    ends = local[..., 0].abs() - size[..., 2]
    return torch.hypot(flat.clamp(min=0.0), ends.clamp(min=0.0)) + torch.maximum(flat, ends).clamp(max=0.0)


CORE_DISTANCE: dict[Kind, Callable[[Tensor, Tensor], Tensor]] = {
    Kind.BOX: box_distance,
    Kind.FRUSTUM: frustum_distance,
    Kind.RING: ring_distance,
    Kind.ARC: arc_distance,
    Kind.WEDGE: wedge_distance,
}


def _slot_distances(batch: ObjectBatch, points: Tensor) -> list[Tensor]:
    """Return the distances [B, N, slots of the kind] kind by kind."""
    count, slots = points.shape[1], batch.center.shape[1]
    axes = batch.rotation.permute(0, 2, 1, 3).reshape(len(batch), 3, slots * 3)
    offset = torch.einsum("bsi,bsij->bsj", batch.center, batch.rotation)
    local = torch.bmm(points, axes).view(len(batch), count, slots, 3) - offset[:, None]
    pieces, first = [], 0
    for kind, number in SLOTS.items():
        own = slice(first, first + number)
        size = batch.size[:, None, own]
        distance = CORE_DISTANCE[kind](local[:, :, own], size) - size[..., 3]
        pieces.append(distance.masked_fill(~batch.present[:, None, own], FAR))
        first += number
    return pieces


def signed_distance(batch: ObjectBatch, points: Tensor) -> Tensor:
    """Return the distance of points [B, N, 3] to every primitive of their object, float32 [B, N, S]; FAR if absent."""
    return torch.cat(_slot_distances(batch, points), dim=-1)


@torch.compile(disable=not torch.cuda.is_available())
def union_distance(batch: ObjectBatch, points: Tensor) -> Tensor:
    """Return the distance of points [B, N, 3] to the union of each object's primitives, [B, N].

    Exact outside and on the surface; inside an overlap of primitives it is a bound. Fused on a GPU, where it makes
    up nearly all of the images' and the field targets' cost.
    """
    return torch.stack([piece.amin(dim=-1) for piece in _slot_distances(batch, points)]).amin(dim=0)


def kind_distance(kind: Tensor, local: Tensor, size: Tensor) -> Tensor:
    """Return the distance of local points [..., 3] to one primitive each: kind [...], size [..., 4]."""
    distance = torch.zeros_like(local[..., 0])
    for candidate, formula in CORE_DISTANCE.items():
        distance = torch.where(kind == int(candidate), formula(local, size), distance)
    return distance - size[..., 3]


def slot_kinds(device: torch.device) -> Tensor:
    """Return the kind of every slot, int64 [S]."""
    return torch.from_numpy(SLOT_KINDS.astype("int64")).to(device)
