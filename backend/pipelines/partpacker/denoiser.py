# SPDX-License-Identifier: GPL-3.0-or-later
"""PartPacker's denoiser: a transformer that predicts the velocity of a two-volume latent.

See docs/algorithms/partpacker.md, section 4.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils.accelerate_utils import apply_forward_hook
from torch import Tensor, nn
from torch.nn import functional

from .attention import CrossAttention, FeedForward, KeyValue, SelfAttention, layer_norm, modulated

TIMESTEP_CHANNELS = 256
ROUNDED_UP = (13, 44, 119)
"""These frequencies lie just below the middle of two float32 numbers; the original's exp(), Intel's, took the upper."""


@dataclass(frozen=True)
class ConditionCache:
    """What the layers need of a condition, computed once and used by every sampler step.

    `layers[i]` holds the keys and values `[B, heads, T, head_dim]` of layer i; `unconditional[i]` is the constant
    `[1, 1, W]` that the same cross-attention gives for an all-zero condition.
    """

    layers: tuple[KeyValue, ...]
    unconditional: tuple[Tensor, ...]


class TimestepEmbedding(nn.Module):
    """Timestep `[B]` in [0, 1000] -> `[B, W]`: cosines, then sines, then two linear layers."""

    def __init__(self, width: int):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(TIMESTEP_CHANNELS, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, timestep: Tensor, dtype: torch.dtype) -> Tensor:
        return self.mlp(timestep_frequencies(timestep).to(dtype))


def timestep_frequencies(timestep: Tensor) -> Tensor:
    """`[B]` -> float32 `[B, 256]`: 128 cosines, then 128 sines, of `timestep * 10000^(-j/128)`."""
    angles = timestep.float()[:, None] * _frequencies(timestep.device)
    return torch.cat([angles.cos(), angles.sin()], dim=1)


@cache
def _frequencies(device: torch.device) -> Tensor:
    """`10000^(-j/128)`, float32 `[128]`, bit for bit the original's on every machine.

    A float32 exp() ends in another bit on another processor, which at timestep 1000 turns an angle by 6e-5.
    """
    count = TIMESTEP_CHANNELS // 2
    exponents = -math.log(10000.0) * torch.arange(count, dtype=torch.float32) / count
    frequencies = exponents.double().exp().float()
    upper = list(ROUNDED_UP)
    frequencies[upper] = frequencies[upper].nextafter(frequencies.new_tensor(1.0))
    return frequencies.to(device)


class DenoiserLayer(nn.Module):
    """Modulated self-attention, plain cross-attention, modulated feed-forward."""

    def __init__(self, width: int, condition_width: int, heads: int):
        super().__init__()
        self.norm_self = layer_norm(width)
        self.attn1 = SelfAttention(width, heads, norm="rms")
        self.norm_cross = layer_norm(width)
        self.attn2 = CrossAttention(width, condition_width, heads, norm="rms")
        self.norm_feed_forward = layer_norm(width)
        self.ff = FeedForward(width)
        self.adaln_linear = nn.Linear(width, 6 * width)

    def modulation(self, embedding: Tensor) -> tuple[Tensor, ...]:
        """`[B, W]` -> six of `[B, 1, W]`: shift, scale, gate of the attention, then of the feed-forward."""
        return self.adaln_linear(functional.silu(embedding)).unsqueeze(1).chunk(6, dim=-1)

    @apply_forward_hook
    def condition_cache(self, condition: Tensor) -> tuple[KeyValue, Tensor]:
        """Keys and values of `condition [B, T, C]`, and what attention to an all-zero condition gives."""
        return self.attn2.key_value(condition), self.attn2.of_zero_context(condition)

    def forward(
        self, h: Tensor, embedding: Tensor, key_value: KeyValue, unconditional: Tensor | None = None
    ) -> Tensor:
        """One layer on `h [B, L, W]` with `embedding [B or 1, W]`.

        With `unconditional [1, 1, W]`, the result is `[2 B, L, W]` for B rows of `key_value`: conditional rows, then
        those which take this constant for their cross-attention. `h` holds both, or in the first layer, where the
        two are still the same, one of them.
        """
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = self.modulation(embedding)
        h = torch.addcmul(h, gate_a, self.attn1(modulated(self.norm_self, h, shift_a, scale_a)))
        if unconditional is None:
            h = h + self.attn2(self.norm_cross(h), key_value)
        else:
            rows = key_value.key.shape[0]
            conditional = h[:rows] + self.attn2(self.norm_cross(h[:rows]), key_value)
            h = torch.cat([conditional, h[-rows:] + unconditional])
        return torch.addcmul(h, gate_m, self.ff(modulated(self.norm_feed_forward, h, shift_m, scale_m)))


class PartPackerDenoiser(ModelMixin, ConfigMixin):
    """Velocity `noise - data` of a latent whose first half of tokens is volume 0 and second half volume 1.

    There is no position term: within a half the tokens are a set. The defaults are the published configuration;
    its tensor names are this module's own, after the prefix `dit.` is removed.
    """

    _supports_gradient_checkpointing = True
    _no_split_modules = ["DenoiserLayer"]
    _repeated_blocks = ["DenoiserLayer"]

    @register_to_config
    def __init__(
        self,
        width: int = 1536,
        layers: int = 24,
        heads: int = 16,
        latent_width: int = 64,
        condition_width: int = 1536,
    ):
        super().__init__()
        self.proj_in = nn.Linear(latent_width, width)
        self.part_embed = nn.Parameter(torch.randn(1, width) * 0.02)
        self.timestep_embed = TimestepEmbedding(width)
        blocks = [DenoiserLayer(width, condition_width, heads) for _ in range(layers)]
        self._modules["layers"] = nn.ModuleList(blocks)
        self.norm_out = layer_norm(width)
        self.proj_out = nn.Linear(width, latent_width)
        self.gradient_checkpointing = False
        # A layer starts as the identity and the network as zero velocity, the usual start of training.
        for linear in [self.proj_out, *(block.adaln_linear for block in blocks)]:
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)

    @property
    def layers(self) -> Sequence[DenoiserLayer]:
        """The layers. The published tensors and the configuration share this name, and diffusers would give the
        configuration's number for it."""
        return self._modules["layers"]

    @apply_forward_hook
    def condition_cache(self, condition: Tensor) -> ConditionCache:
        """Keys, values and zero-condition constants of every layer for `condition [B, T, condition_width]`."""
        condition = condition.to(self.dtype)
        return ConditionCache(
            *zip(*(layer.condition_cache(condition) for layer in self.layers), strict=True)
        )

    def forward(self, latent: Tensor, timestep: Tensor, condition: Tensor) -> Tensor:
        """`latent [B, L, C]`, `timestep [B]` in [0, 1000], `condition [B, T, Dc]` -> velocity `[B, L, C]`.

        The unconditional condition is all zeros. Inputs are cast to the network's dtype, which is also the result's.
        """
        condition = condition.to(self.dtype)
        h, embedding = self._embed(latent, timestep)
        for layer in self.layers:
            if torch.is_grad_enabled() and self.gradient_checkpointing:
                h = self._gradient_checkpointing_func(_checkpointed_layer, layer, h, embedding, condition)
            else:
                h = layer(h, embedding, layer.attn2.key_value(condition))
        return self.proj_out(self.norm_out(h))

    @apply_forward_hook
    def guided_velocities(self, latent: Tensor, timestep: Tensor, cache: ConditionCache) -> tuple[Tensor, Tensor]:
        """Conditional and unconditional velocity of the same latent in one batch, each `[B, L, C]`.

        The same function as `forward` with `[condition; zeros]`, less the work that is done already or would be done
        twice: keys and values come from the cache, the zero rows' cross-attention is a constant, the modulation is
        computed once for both, and so is all that comes before the first cross-attention. `timestep [1]` is shared
        by the batch.
        """
        h, embedding = self._embed(latent, timestep)
        for layer, key_value, unconditional in zip(self.layers, cache.layers, cache.unconditional, strict=True):
            h = layer(h, embedding, key_value, unconditional)
        conditional, unconditional = self.proj_out(self.norm_out(h)).chunk(2)
        return conditional, unconditional

    def _embed(self, latent: Tensor, timestep: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens `[B, L, W]` with the part embedding on the second half, and the timestep embedding."""
        first, second = self.proj_in(latent.to(self.dtype)).tensor_split(2, dim=1)
        h = torch.cat([first, second + self.part_embed], dim=1)
        return h, self.timestep_embed(timestep, self.dtype)


def _checkpointed_layer(layer: DenoiserLayer, h: Tensor, embedding: Tensor, condition: Tensor) -> Tensor:
    return layer(h, embedding, layer.attn2.key_value(condition))
