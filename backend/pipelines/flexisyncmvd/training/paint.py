# SPDX-License-Identifier: GPL-3.0-or-later
"""Paints the surface views: one color on the whole object, in a material's pattern, under one light from all sides.

Pattern and light belong to the place on the object and not to the view, so that the views of an object agree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ....procedural.surface_views import SurfaceViews
from .captions import MATERIALS
from .color_kinds import COLORS, rgb_of

PARTS = 64
WAVES = 8


@dataclass(frozen=True)
class Paint:
    """What N objects are painted with: indices [N] into COLORS and MATERIALS, and the seeds' random numbers."""

    color: Tensor
    material: Tensor
    numbers: Tensor
    """Uniform float32 [N, 16]."""
    parts: Tensor
    """Uniform float32 [N, PARTS, 2]."""
    waves: Tensor
    """Normal float32 [N, WAVES, 4]."""


def random_paint(count: int, generator: torch.Generator) -> Paint:
    """Colors and materials, all alike likely."""
    device = generator.device

    def uniform(*shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=generator, device=device)

    color = torch.randint(len(COLORS), (count,), generator=generator, device=device)
    material = torch.randint(len(MATERIALS), (count,), generator=generator, device=device)
    waves = torch.randn(count, WAVES, 4, generator=generator, device=device)
    return Paint(color, material, uniform(16), uniform(PARTS, 2), waves)


def painted(views: SurfaceViews, paint: Paint, background: Tensor) -> Tensor:
    """Images float32 [N, 3, S, S] in [0, 1] on plain ``background`` colors [N, 3]."""
    position, normal = views.position.float(), views.normal.float() / 127.0
    pattern, sheen = _patterns(position, normal, paint)
    strength = _table("contrast", views.part.device)[paint.color][:, None, None]
    light = (0.9 + 0.1 * normal[..., 1]) * (0.82 + 0.18 * views.openness.float() / 255.0)
    shade = light * (1.0 + strength * pattern)
    albedo = rgb_of(_colors(views, paint))
    image = (albedo * shade + strength * sheen * 0.8).clamp(0.0, 1.0)
    return torch.where(views.mask, image, background.T[:, :, None, None]).transpose(0, 1)


def _table(name: str, device: torch.device) -> Tensor:
    return torch.tensor([getattr(kind, name) for kind in COLORS.values()], device=device)


def _colors(views: SurfaceViews, paint: Paint) -> Tensor:
    """Hue, saturation and value [3, N, S, S]; every part's value differs a little, within what the kind draws from."""
    ranges = _table("drawn", views.part.device)[paint.color]  # [N, 3, 2]
    drawn = torch.lerp(ranges[..., 0], ranges[..., 1], paint.numbers[:, :3])
    part = views.part.long().clamp(max=PARTS - 1).flatten(1)
    shift = (paint.parts[:, :, 0].gather(1, part).view(views.part.shape) - 0.5) * 0.5
    hue, saturation, value = (drawn[:, axis, None, None].expand(views.part.shape) for axis in range(3))
    width = (ranges[:, 2, 1] - ranges[:, 2, 0])[:, None, None]
    return torch.stack([hue, saturation, (value + width * shift).clamp(0.0, 1.0)])


def _patterns(position: Tensor, normal: Tensor, paint: Paint) -> tuple[Tensor, Tensor]:
    """What the material adds to the brightness, as a share of it, and the light that it throws back, [N, S, S] each."""
    wave = _Waves(position, paint)
    height = position[..., 1]
    across = torch.hypot(position[..., 0] + 0.3, position[..., 2] + 0.2)
    count = paint.numbers[:, 3:4, None]
    rings = torch.sin(2 * math.pi * (5.0 + 3.0 * count) * (across + 0.06 * height + 0.035 * wave.smooth(3.0)))
    wood = -0.28 * (0.5 + 0.5 * rings) ** 2 + 0.05
    bands = torch.sin(5.0 * normal[..., 1] + 2.0 * normal[..., 0] + 6.28 * count)
    metal, shine = 0.22 * bands, 0.3 * (0.5 + 0.5 * bands).pow(12)
    stone = 0.22 * torch.tanh(1.5 * wave.smooth(28.0))
    turns = 2 * math.pi * (7.0 + 2.0 * count)
    weave = torch.sin(turns * height) * torch.sin(turns * (position[..., 0] + position[..., 2]))
    fabric = 0.2 * torch.tanh(4.0 * weave) - 0.03
    plastic, gloss = torch.zeros_like(height), 0.16 * normal[..., 1].clamp(min=0.0).pow(8)
    patterns = torch.stack([plastic, wood, metal, stone, fabric])
    sheens = torch.stack([gloss, torch.zeros_like(gloss), shine, torch.zeros_like(gloss), torch.zeros_like(gloss)])
    chosen = paint.material[None, :, None, None].expand(1, *height.shape)
    return patterns.gather(0, chosen)[0], sheens.gather(0, chosen)[0]


class _Waves:
    """Smooth noise of about deviation 1: waves in random directions."""

    def __init__(self, position: Tensor, paint: Paint) -> None:
        self._along = torch.einsum("nhwi,nki->knhw", position, paint.waves[..., :3])
        self._phase = (6.28 * paint.waves[..., 3]).T[:, :, None, None]

    def smooth(self, frequency: float) -> Tensor:
        """Noise [N, S, S] with ``frequency`` radians in a unit of length, for a wave of usual direction."""
        return torch.sin(frequency * self._along + self._phase).mean(dim=0) * math.sqrt(2.0 * WAVES)
