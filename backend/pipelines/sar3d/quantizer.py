# SPDX-License-Identifier: GPL-3.0-or-later
"""Multi-scale residual quantizer: a latent plane as tokens of ten scales, coarse to fine (paper, section 3.1).

Module attributes carry the published tensor names. A latent is float32 [3 B, C, N, N]: the planes of an object follow
one another in the batch, N is the side of the last scale.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from .token_layout import PLANES, SIDES, TokenLayout

BLEND = 0.5
"""Share of the convolution in what a scale adds to the latent."""
SHARED_CONVOLUTIONS = 4


def convolution_of_scale(scales: int, convolutions: int) -> list[int]:
    """Which of the shared convolutions serves each scale: the nearest of evenly spaced ticks.

    Two of the ten published scales lie exactly between two ticks; float64 decides them as it did in training.
    """
    ticks = np.linspace(1 / (3 * convolutions), 1 - 1 / (3 * convolutions), convolutions)
    return [int(np.argmin(np.abs(ticks - scale / max(scales - 1, 1)))) for scale in range(scales)]


class SharedConvolutions(nn.Module):
    """The convolutions that the scales share."""

    def __init__(self, width: int, convolutions: int):
        super().__init__()
        self.qresi_ls = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(convolutions))


@dataclass(frozen=True)
class Quantized:
    """What quantization makes of a latent.

    Attributes:
        indices: for each scale int64 [3 B, side²].
        latents: what the scales up to each one add up to, float32 [3 B, C, N, N].
    """

    indices: list[Tensor]
    latents: list[Tensor]


class ResidualQuantizer(nn.Module):
    """A codebook and what its codes add to a latent at every scale. Codes count by their direction alone."""

    def __init__(
        self,
        vocabulary: int = 16384,
        width: int = 8,
        sides: Sequence[int] = SIDES,
        convolutions: int = SHARED_CONVOLUTIONS,
        blend: float = BLEND,
    ):
        super().__init__()
        self.layout, self.blend = TokenLayout(sides), blend
        self.embedding = nn.Embedding(vocabulary, width)
        self.quant_resi = SharedConvolutions(width, convolutions)
        self._convolution = convolution_of_scale(len(self.layout.sides), convolutions)

    @property
    def side(self) -> int:
        """Side of a latent plane."""
        return self.layout.sides[-1]

    def unit_codes(self) -> Tensor:
        """The codebook in unit length, float32 [V, C]."""
        return functional.normalize(self.embedding.weight.float(), dim=-1)

    def codes(self, scale: int) -> Tensor:
        """The vectors that a scale's tokens stand for, float32 [V, C]: the same unit vectors at every scale."""
        del scale
        return self.unit_codes()

    def contribution(self, codes: Tensor, scale: int) -> Tensor:
        """What a scale's codes `[3 B, side², C]` add to the latent, [3 B, C, N, N]."""
        side = self.layout.sides[scale]
        grid = codes.transpose(1, 2).unflatten(2, (side, side))
        if side != self.side:
            grid = functional.interpolate(grid, size=(self.side, self.side), mode="bicubic")
        convolution = self.quant_resi.qresi_ls[self._convolution[scale]]
        return torch.lerp(grid, convolution(grid), self.blend)

    def pooled(self, latent: Tensor, scale: int) -> Tensor:
        """`latent` at the resolution of a scale, [3 B, C, side, side]."""
        return functional.adaptive_avg_pool2d(latent, self.layout.sides[scale])

    def next_input(self, latent: Tensor, scale: int) -> Tensor:
        """What the transformer reads for the tokens of `scale`, of the latent so far: [B, 3 side², C]."""
        pooled = self.pooled(latent, scale).flatten(2).transpose(1, 2)
        return pooled.reshape(-1, self.layout.counts[scale], pooled.shape[-1])

    def quantize(self, latent: Tensor) -> Quantized:
        """Tokens of `latent`: at each scale the codes nearest by angle to what is left of it."""
        directions = self.unit_codes()
        rest, so_far = latent, torch.zeros_like(latent)
        indices, latents = [], []
        for scale in range(len(self.layout.sides)):
            left = self.pooled(rest, scale).flatten(2).transpose(1, 2)
            chosen = (functional.normalize(left, dim=-1) @ directions.T).argmax(dim=-1)
            added = self.contribution(functional.embedding(chosen, self.codes(scale)), scale)
            rest, so_far = rest - added, so_far + added
            indices.append(chosen)
            latents.append(so_far)
        return Quantized(indices, latents)

    def accumulate(self, indices: Sequence[Tensor]) -> list[Tensor]:
        """Latents [3 B, C, N, N] after each scale, of a scale's tokens int64 [3 B, side²]."""
        latents: list[Tensor] = []
        for scale, chosen in enumerate(indices):
            added = self.contribution(functional.embedding(chosen, self.codes(scale)), scale)
            latents.append(latents[-1] + added if latents else added)
        return latents

    def decode(self, tokens: Tensor) -> Tensor:
        """The latent of an object's tokens int64 [B, L]."""
        return self.accumulate(self.layout.split(tokens))[-1]

    def teacher_forcing_input(self, tokens: Tensor) -> Tensor:
        """What the transformer reads in training, for all scales but the first: [B, L - 3 sides[0]², C]."""
        latents = self.accumulate(self.layout.split(tokens))[:-1]
        inputs = [self.next_input(latent, scale + 1) for scale, latent in enumerate(latents)]
        return torch.cat(inputs, dim=1)

    def commitment_loss(self, latent: Tensor, quantized: Quantized, commitment: float = 0.25) -> Tensor:
        """Mean over the scales of how far latent and quantized latent are from each other, each held in turn."""
        losses = [
            commitment * functional.mse_loss(so_far.detach(), latent)
            + functional.mse_loss(so_far, latent.detach())
            for so_far in quantized.latents
        ]
        return torch.stack(losses).mean()


def planes_in_batch(latent: Tensor) -> Tensor:
    """`[B, 3 C, H, W]` -> `[3 B, C, H, W]`: plane k owns the channels from k C on."""
    return latent.reshape(-1, latent.shape[1] // PLANES, *latent.shape[2:])


def planes_in_channels(latent: Tensor) -> Tensor:
    """`[3 B, C, H, W]` -> `[B, 3 C, H, W]`, the opposite of `planes_in_batch`."""
    return latent.reshape(-1, PLANES * latent.shape[1], *latent.shape[2:])
