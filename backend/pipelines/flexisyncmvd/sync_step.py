# SPDX-License-Identifier: GPL-3.0-or-later
"""One step of the sampler: the views' predictions of the clean image are blended in the texture, and the texture,
not the views, walks down the noise schedule (docs/algorithms/flexisyncmvd.md, section 7)."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ...geometry.projection import Baked
from .schedule import CLEAN

FOREGROUND_CHANNELS = slice(0, -1)
SMALLEST_VARIANCE = 1e-20


class Projection(Protocol):
    """What a step needs of `geometry.projection.Projector`."""

    @property
    def texture_size(self) -> tuple[int, int]:
        """Height and width."""

    def render(self, texture: Tensor, background: float = 1.0) -> Tensor:
        """Texture [C, H, W] to views [V, C + 1, s, s], the last channel alpha."""

    def bake(self, views: Tensor, exponent: float) -> Baked:
        """Views [V, C, s, s] to their weighted mean in the texture."""


@dataclass(frozen=True)
class NoiseLevels:
    """How much of the image is left at a timestep, and at the one that the step leads to."""

    alpha_bar: float
    alpha_bar_previous: float

    @classmethod
    def between(cls, alphas_cumprod: Tensor, timestep: int, previous: int) -> "NoiseLevels":
        """`previous` may be `CLEAN`."""
        return cls(float(alphas_cumprod[timestep]), 1.0 if previous == CLEAN else float(alphas_cumprod[previous]))

    def clean(self, noisy: Tensor, output: Tensor, prediction_type: str) -> Tensor:
        """The network's prediction of the clean image, float32. `prediction_type` as in diffusers' schedulers."""
        noisy, output = noisy.float(), output.float()
        kept, noise = self.alpha_bar**0.5, (1 - self.alpha_bar) ** 0.5
        if prediction_type == "sample":
            return output
        if prediction_type == "v_prediction":
            return kept * noisy - noise * output
        return (noisy - noise * output) / kept

    def step(self, clean: Tensor, noisy: Tensor, noise: Tensor) -> Tensor:
        """DDPM's posterior: the image at the previous timestep, a little noise added."""
        remaining = 1 - self.alpha_bar
        alpha = self.alpha_bar / self.alpha_bar_previous
        remaining_after = 1 - self.alpha_bar_previous
        variance = max(remaining_after / remaining * (1 - alpha), SMALLEST_VARIANCE)
        of_clean = self.alpha_bar_previous**0.5 * (1 - alpha) / remaining
        of_noisy = alpha**0.5 * remaining_after / remaining
        return of_clean * clean + of_noisy * noisy + variance**0.5 * noise


@dataclass(frozen=True)
class Synchronized:
    """The views that a step leads to [V, C + 1, s, s] with alpha, the blended prediction of the clean texture
    [C, H, W], and the noisy texture if it is what walks."""

    views: Tensor
    clean_texture: Tensor
    texture: Tensor | None = None


def step_texture(
    projection: Projection, levels: NoiseLevels, clean: Tensor, texture: Tensor, exponent: float, noise: Tensor
) -> Synchronized:
    """Blend the views' `clean` [V, C, s, s] and step the texture; `noise` has the texture's shape."""
    clean_texture = projection.bake(clean, exponent).texture
    texture = levels.step(clean_texture, texture, noise)
    return Synchronized(projection.render(texture), clean_texture, texture)


def step_views(
    projection: Projection, levels: NoiseLevels, clean: Tensor, views: Tensor, exponent: float, noise: Tensor
) -> Synchronized:
    """Blend the views' `clean` [V, C, s, s], and step every view from its own state toward what it sees of the blend.

    `noise` has the shape of the views.
    """
    clean_texture = projection.bake(clean, exponent).texture
    seen = projection.render(clean_texture)
    mask = seen[:, -1:]
    blended = seen[:, FOREGROUND_CHANNELS] * mask + clean * (1 - mask)
    stepped = levels.step(blended, views.float(), noise)
    return Synchronized(torch.cat([stepped, mask], dim=1), clean_texture)
