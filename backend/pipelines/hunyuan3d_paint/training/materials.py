# SPDX-License-Identifier: GPL-3.0-or-later
"""What training objects are made of: base color, metallic and roughness of every place, and how that looks lit.

An object has one material, or one below and another above a height. Both are seen from the front, so that the image
says what the other sides are made of.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ....procedural.surface_views import SurfaceViews

ONE_MATERIAL = 0.5
"""Share of the objects that are of one material."""
METAL = 0.4
"""Share of the materials that are metals."""
ROUGHNESS = (0.1, 0.9)
LIGHTS = torch.tensor([[0.4, 0.8, 0.6], [-0.7, 0.3, 0.6]])
"""Ways toward the lights, in the cameras' frame; they stay where they are while the views go around."""
BACKGROUND = 1.0
ROOM = 1.5
"""How far the walls are that surfaces mirror."""


@dataclass(frozen=True)
class Materials:
    """Two materials for each of N objects, and where the upper one begins.

    Attributes:
        color: float32 `[N, 2, 3]`, sRGB in [0, 1].
        metallic: float32 `[N, 2]`, 0 or 1.
        roughness: float32 `[N, 2]` in [0, 1].
        border: float32 `[N]`, in the objects' height (+Y).
    """

    color: Tensor
    metallic: Tensor
    roughness: Tensor
    border: Tensor

    def __getitem__(self, index: Tensor | slice | list[int]) -> Materials:
        return Materials(*(getattr(self, item.name)[index] for item in fields(self)))

    @classmethod
    def drawn(cls, count: int, generator: torch.Generator) -> Materials:
        """Hues all alike likely; saturated enough to have one."""
        numbers = torch.rand(count, 2, 5, generator=generator, device=generator.device)
        hue, saturation, value, metal, rough = numbers.unbind(-1)
        color = rgb_of(torch.stack([hue, 0.45 + 0.5 * saturation, 0.45 + 0.5 * value], dim=-1))
        others = torch.rand(count, 2, generator=generator, device=generator.device)
        border = torch.where(others[:, 0] < ONE_MATERIAL, 10.0, 0.6 * others[:, 1] - 0.3)
        low, high = ROUGHNESS
        return cls(color, (metal < METAL).float(), low + (high - low) * rough, border)

    def at(self, position: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Base color `[N, ..., 3]`, metallic and roughness `[N, ...]` of places float32 `[N, ..., 3]`."""
        upper = position[..., 1] > self.border.view(-1, *[1] * (position.ndim - 2))
        index = upper.long().flatten(1)
        color = self.color.gather(1, index[..., None].expand(-1, -1, 3)).view(*upper.shape, 3)
        metallic, roughness = (part.gather(1, index).view(upper.shape) for part in (self.metallic, self.roughness))
        return color, metallic, roughness


def rgb_of(hsv: Tensor) -> Tensor:
    """RGB of hue, saturation and value `[..., 3]`, all in [0, 1]."""
    hue, saturation, value = hsv.unbind(-1)
    shifts = torch.tensor([5.0, 3.0, 1.0], device=hsv.device)
    k = (shifts + hue[..., None] * 6.0) % 6.0
    return value[..., None] * (1.0 - saturation[..., None] * torch.minimum(k, 4.0 - k).clamp(0.0, 1.0))


def hue_of(rgb: Tensor) -> tuple[Tensor, Tensor]:
    """Hue in [0, 1) and chroma of colors `[..., 3]`."""
    high, low = rgb.amax(dim=-1), rgb.amin(dim=-1)
    chroma = high - low
    red, green, blue = rgb.unbind(-1)
    safe = chroma.clamp(min=1e-6)
    hue = torch.where(high == red, (green - blue) / safe % 6.0,
                      torch.where(high == green, (blue - red) / safe + 2.0, (red - green) / safe + 4.0))
    return hue / 6.0, chroma


def material_images(views: SurfaceViews, materials: Materials) -> tuple[Tensor, Tensor]:
    """Base color and metallic-roughness images of views, float32 `[N, 3, S, S]` each, on white."""
    color, metallic, roughness = materials.at(views.position.float())
    mr = torch.stack([metallic, roughness, torch.ones_like(metallic)], dim=-1)
    covered = views.mask[..., None]
    return tuple(  # type: ignore[return-value]
        torch.where(covered, image, BACKGROUND).permute(0, 3, 1, 2) for image in (color, mr)
    )


def lit_images(views: SurfaceViews, materials: Materials) -> Tensor:
    """What a photograph of the views shows, float32 `[N, 3, S, S]` in [0, 1], on white.

    Lambert's law for what is no metal, and lobes around the mirrored view that are the wider and the weaker the rougher
    the surface; metals color them and mirror a bright sky and a dark floor. The patterned walls of a room near by are
    mirrored with less contrast the rougher the surface, so that flat sides too show how rough they are.
    """
    color, metallic, roughness = materials.at(views.position.float())
    normal = normalize(views.normal.float(), dim=-1, eps=1e-6)
    toward = views.backward[:, None, None]
    mirrored = 2.0 * (normal * toward).sum(dim=-1, keepdim=True) * normal - toward
    lights = normalize(LIGHTS.to(normal.device), dim=-1)
    diffuse = 0.45 + 0.4 * (normal @ lights.T).clamp(min=0.0).sum(dim=-1)
    diffuse = diffuse * (0.7 + 0.3 * views.openness.float() / 255.0)
    power = 2.0 / roughness.clamp(min=0.05) ** 2
    gloss = ((mirrored @ lights.T).clamp(min=0.0) ** power[..., None]).sum(dim=-1) * (1.0 - roughness) ** 2
    sky = torch.sigmoid(mirrored[..., 1] * 6.0 / (0.15 + roughness))
    walls = (1.0 - roughness) * _room(views.position.float() + ROOM * mirrored)
    metal = color * (0.4 + 0.5 * sky + 0.35 * walls)[..., None] + (0.9 * gloss)[..., None] * (0.4 + 0.6 * color)
    plastic = color * diffuse[..., None] + (0.6 * gloss + 0.16 * walls)[..., None]
    lit = torch.lerp(plastic, metal, metallic[..., None]).clamp(0.0, 1.0)
    return torch.where(views.mask[..., None], lit, BACKGROUND).permute(0, 3, 1, 2)


def _room(place: Tensor) -> Tensor:
    """Pattern of the walls in [-1, 1] at places `[..., 3]`."""
    x, y, z = place.unbind(-1)
    return torch.sin(8.0 * x + 3.0 * y + 2.0 * z) * torch.sin(6.0 * y - 2.0 * x + 3.0 * z)
