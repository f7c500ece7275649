# SPDX-License-Identifier: GPL-3.0-or-later
"""The denoiser of the 2.0 family: condition and latent as two streams with joint attention, then as one.

Flux-like, but without any position. See docs/algorithms/hunyuan3d_shape.md, "The 2.0 denoiser".
"""

import math
from functools import cache

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils.accelerate_utils import apply_forward_hook
from torch import Tensor, nn
from torch.nn import functional

from ..common.head_norms import head_rms_norm
from .attention import KeyValue, attend

WAVES = 256
"""Width of the sinusoid of time and guidance."""
PERIOD = 1000.0
"""Not FLUX's 10000: the published weights were trained with the time's factor in the place of the period."""
TIME_FACTOR = 1000.0
ROUNDED_UP = (9, 26, 110)
"""These frequencies lie just below the middle of two float32 numbers; the original's exp() took the upper."""


def waves(value: Tensor, dtype: torch.dtype) -> Tensor:
    """`[B]` -> `[B, 256]`: cosines, then sines, of 1000 times the value times `1000^(-k/128)`."""
    angles = TIME_FACTOR * value.float()[:, None] * _frequencies(value.device)
    return torch.cat([angles.cos(), angles.sin()], dim=1).to(dtype)


@cache
def _frequencies(device: torch.device) -> Tensor:
    """`1000^(-k/128)`, float32 `[128]`, bit for bit the original's on every machine.

    A float32 exp() ends in another bit on another processor, which at guidance 5 turns an angle by 3e-4.
    """
    exponents = -math.log(PERIOD) * torch.arange(WAVES // 2, dtype=torch.float32) / (WAVES // 2)
    frequencies = exponents.double().exp().float()
    upper = list(ROUNDED_UP)
    frequencies[upper] = frequencies[upper].nextafter(frequencies.new_tensor(1.0))
    return frequencies.to(device)


class Embedder(nn.Module):
    """`[B, 256] -> [B, W]`."""

    def __init__(self, width: int):
        super().__init__()
        self.in_layer = nn.Linear(WAVES, width)
        self.out_layer = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.out_layer(functional.silu(self.in_layer(x)))


class Modulation(nn.Module):
    """Shift, scale and gate `[B, 1, W]`, once or twice, of a vector `[B, W]`."""

    def __init__(self, width: int, pairs: int):
        super().__init__()
        self.parts = 3 * pairs
        self.lin = nn.Linear(width, self.parts * width)

    def forward(self, activated: Tensor) -> tuple[Tensor, ...]:
        """`activated` is silu(vector): the same for every block, so it is computed once."""
        return self.lin(activated).unsqueeze(1).chunk(self.parts, dim=-1)


def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """`(1 + scale) * norm(x) + shift` for `x [B, L, W]`, the norm without weights, eps 1e-6.

    A modulation that the whole batch shares is the norm's own weight and bias: one pass over `x` instead of two.
    """
    width = x.shape[-1:]
    if len(scale) == 1:
        return functional.layer_norm(x, width, 1 + scale[0, 0], shift[0, 0], 1e-6)
    return torch.addcmul(shift, functional.layer_norm(x, width, eps=1e-6), 1 + scale)


class HeadScale(nn.Module):
    """RMS norm over a head's channels, eps 1e-6."""

    def __init__(self, head_width: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(head_width))

    def forward(self, x: Tensor) -> Tensor:
        return head_rms_norm(x, self.scale, 1e-6)


class StreamNorms(nn.Module):
    """The norms of queries and keys."""

    def __init__(self, head_width: int):
        super().__init__()
        self.query_norm = HeadScale(head_width)
        self.key_norm = HeadScale(head_width)

    def split(self, packed: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
        """`[B, L, 3 W]`, all queries, then all keys, then all values -> three tensors `[B, L, heads, D]`."""
        query, key, value = packed.unflatten(-1, (3, heads, -1)).unbind(-3)
        return self.query_norm(query), self.key_norm(key), value


class StreamAttention(nn.Module):
    """One stream's projections; the attention itself is joint."""

    def __init__(self, width: int, heads: int, bias: bool):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.norm = StreamNorms(width // heads)
        self.proj = nn.Linear(width, width)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value of `x [B, L, W]`."""
        return self.norm.split(self.qkv(x), self.heads)


def feed_forward(width: int, hidden: int) -> nn.Sequential:
    """Two linear layers with GELU's tanh form between."""
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(approximate="tanh"), nn.Linear(hidden, width))


class DoubleBlock(nn.Module):
    """Condition and latent, each with weights of its own, in one joint attention. Published names: txt and img."""

    def __init__(self, width: int, hidden: int, heads: int, bias: bool):
        super().__init__()
        self.img_mod = Modulation(width, 2)
        self.img_attn = StreamAttention(width, heads, bias)
        self.img_mlp = feed_forward(width, hidden)
        self.txt_mod = Modulation(width, 2)
        self.txt_attn = StreamAttention(width, heads, bias)
        self.txt_mlp = feed_forward(width, hidden)

    def forward(self, latent: Tensor, context: Tensor, activated: Tensor) -> tuple[Tensor, Tensor]:
        """`latent [B, L, W]`, `context [B, T, W]` and silu(vector) `[B or 1, W]` -> both streams."""
        latent_mod, context_mod = self.img_mod(activated), self.txt_mod(activated)
        context_parts = self.txt_attn.split(modulated(context, *context_mod[:2]))
        latent_parts = self.img_attn.split(modulated(latent, *latent_mod[:2]))
        query, key, value = (
            torch.cat(pair, dim=1) for pair in zip(context_parts, latent_parts, strict=True)
        )
        mixed = attend(query, KeyValue(key.transpose(1, 2), value.transpose(1, 2)))
        of_context, of_latent = mixed.split([context.shape[1], latent.shape[1]], dim=1)
        latent = torch.addcmul(latent, latent_mod[2], self.img_attn.proj(of_latent))
        context = torch.addcmul(context, context_mod[2], self.txt_attn.proj(of_context))
        latent = torch.addcmul(latent, latent_mod[5], self.img_mlp(modulated(latent, *latent_mod[3:5])))
        context = torch.addcmul(context, context_mod[5], self.txt_mlp(modulated(context, *context_mod[3:5])))
        return latent, context


class SingleBlock(nn.Module):
    """Both streams as one: attention and feed-forward side by side."""

    def __init__(self, width: int, hidden: int, heads: int):
        super().__init__()
        self.heads = heads
        self.modulation = Modulation(width, 1)
        self.linear1 = nn.Linear(width, 3 * width + hidden)
        self.linear2 = nn.Linear(width + hidden, width)
        self.norm = StreamNorms(width // heads)

    def forward(self, x: Tensor, activated: Tensor) -> Tensor:
        shift, scale, gate = self.modulation(activated)
        width = x.shape[-1]
        packed, hidden = self.linear1(modulated(x, shift, scale)).split(
            [3 * width, self.linear1.out_features - 3 * width], dim=-1
        )
        query, key, value = self.norm.split(packed, self.heads)
        mixed = attend(query, KeyValue(key.transpose(1, 2), value.transpose(1, 2)))
        both = torch.cat([mixed, functional.gelu(hidden, approximate="tanh")], dim=-1)
        return torch.addcmul(x, gate, self.linear2(both))


class LastLayer(nn.Module):
    """Modulated norm and the way back to the latent's channels; shift first."""

    def __init__(self, width: int, latent_width: int):
        super().__init__()
        self.linear = nn.Linear(width, latent_width)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))

    def forward(self, x: Tensor, activated: Tensor) -> Tensor:
        shift, scale = self.adaLN_modulation[1](activated).unsqueeze(1).chunk(2, dim=-1)
        return self.linear(modulated(x, shift, scale))


class TwoStreamDenoiser(ModelMixin, ConfigMixin):
    """Velocity `data - noise` of a latent `[B, L, C]` at a time from 0 (noise) to 1 (data).

    With `guidance_embedding` (the Fast and Turbo weights) the guidance scale is an input of the network and one
    evaluation is enough. The defaults are Hunyuan3D-2.0's configuration; tensor names are the published ones.
    """

    _supports_gradient_checkpointing = True
    _no_split_modules = ["DoubleBlock", "SingleBlock"]
    _repeated_blocks = ["DoubleBlock", "SingleBlock"]

    @register_to_config
    def __init__(
        self,
        width: int = 1024,
        depth: int = 16,
        single_depth: int = 32,
        heads: int = 16,
        latent_width: int = 64,
        condition_width: int = 1536,
        hidden_width: int = 4096,
        guidance_embedding: bool = False,
        qkv_bias: bool = True,
    ):
        super().__init__()
        self.latent_in = nn.Linear(latent_width, width)
        self.time_in = Embedder(width)
        self.cond_in = nn.Linear(condition_width, width)
        if guidance_embedding:
            self.guidance_in = Embedder(width)
        self.double_blocks = nn.ModuleList(DoubleBlock(width, hidden_width, heads, qkv_bias) for _ in range(depth))
        self.single_blocks = nn.ModuleList(SingleBlock(width, hidden_width, heads) for _ in range(single_depth))
        self.final_layer = LastLayer(width, latent_width)
        self.gradient_checkpointing = False

    @property
    def guidance_embedded(self) -> bool:
        """Whether the guidance scale is an input, so that no unconditional velocity is needed."""
        return bool(self.config.guidance_embedding)

    @apply_forward_hook
    def prepare_condition(self, condition: Tensor) -> Tensor:
        """What every step needs of `condition [B, T, condition_width]`: its tokens `[B, T, W]`."""
        return self.cond_in(condition.to(self.dtype))

    def forward(self, latent: Tensor, time: Tensor, condition: Tensor, guidance: Tensor | None = None) -> Tensor:
        """Velocity `[B, L, C]` of `latent [B, L, C]` at `time [B]` under `condition [B, T, condition_width]`.

        All zeros stand for "no condition". `guidance [B]` is the guidance scale, for a network that embeds it.
        Inputs are cast to the network's dtype, which is also the result's.
        """
        return self._run(latent, time, self.prepare_condition(condition), guidance)

    @apply_forward_hook
    def velocity(self, latent: Tensor, time: Tensor, prepared: Tensor, guidance: Tensor | None = None) -> Tensor:
        """`forward` with a prepared condition, for every step of a sampler; `time` and `guidance` `[1]`."""
        return self._run(latent, time, prepared, guidance)

    @apply_forward_hook
    def guided_velocities(self, latent: Tensor, time: Tensor, prepared: Tensor) -> tuple[Tensor, Tensor]:
        """Conditional and unconditional velocity, each `[B, L, C]`, in one batch; `time [1]` is shared."""
        unconditional = self.cond_in.bias.expand_as(prepared)
        both = self._run(torch.cat([latent, latent]), time, torch.cat([prepared, unconditional]), None)
        return both[: len(latent)], both[len(latent) :]

    def _run(self, latent: Tensor, time: Tensor, context: Tensor, guidance: Tensor | None) -> Tensor:
        vector = self.time_in(waves(time, self.dtype))
        if guidance is not None:
            vector = vector + self.guidance_in(waves(guidance, self.dtype))
        activated = functional.silu(vector)
        x = self.latent_in(latent.to(self.dtype))
        checkpointed = torch.is_grad_enabled() and self.gradient_checkpointing
        for double in self.double_blocks:
            if checkpointed:
                x, context = self._gradient_checkpointing_func(double, x, context, activated)
            else:
                x, context = double(x, context, activated)
        both = torch.cat([context, x], dim=1)
        for single in self.single_blocks:
            if checkpointed:
                both = self._gradient_checkpointing_func(single, both, activated)
            else:
                both = single(both, activated)
        return self.final_layer(both[:, context.shape[1] :], activated)
