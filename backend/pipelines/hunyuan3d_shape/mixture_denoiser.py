# SPDX-License-Identifier: GPL-3.0-or-later
"""The 2.1 denoiser: a transformer with skips and, in its last blocks, a mixture of experts.

The latent's tokens are a set: there is no position anywhere. The time enters as one more token in front.
See docs/algorithms/hunyuan3d_shape.md, "The 2.1 denoiser".
"""

import math
from dataclasses import dataclass
from typing import cast

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils.accelerate_utils import apply_forward_hook
from torch import Tensor, nn

from .attention import KeyValue, NormKind, attend, head_norm, joined, split_heads
from .mixture import MLP, MixtureOfExperts


@dataclass(frozen=True)
class MixtureCondition:
    """What the blocks need of a condition, computed once and used by every step.

    `blocks[i]` holds the keys and values of block i's cross-attention, `unconditional[i]` the constant `[1, 1, W]`
    that the same layer gives for an all-zero condition.
    """

    blocks: tuple[KeyValue, ...]
    unconditional: tuple[Tensor, ...]


def layer_norm(width: int) -> nn.LayerNorm:
    return nn.LayerNorm(width, eps=1e-6)


class SelfAttention(nn.Module):
    """Self-attention `[B, L, W] -> [B, L, W]`.

    `to_q`, `to_k` and `to_v` are not query, key and value: they are the row blocks of one matrix whose rows hold,
    head after head, that head's query, key and value.
    """

    def __init__(self, width: int, heads: int, bias: bool, norm: NormKind):
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=bias)
        self.to_k = nn.Linear(width, width, bias=bias)
        self.to_v = nn.Linear(width, width, bias=bias)
        self.q_norm = head_norm(norm, width // heads)
        self.k_norm = head_norm(norm, width // heads)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = split_heads(joined((self.to_q, self.to_k, self.to_v), x), self.heads, 3)
        key_value = KeyValue(self.k_norm(key).transpose(1, 2), value.transpose(1, 2))
        return self.out_proj(attend(self.q_norm(query), key_value))


class CrossAttention(nn.Module):
    """Attention of `[B, L, W]` to a context `[B, T, C]`; queries plain, keys and values packed head by head."""

    def __init__(self, width: int, context_width: int, heads: int, bias: bool, norm: NormKind):
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=bias)
        self.to_k = nn.Linear(context_width, width, bias=bias)
        self.to_v = nn.Linear(context_width, width, bias=bias)
        self.q_norm = head_norm(norm, width // heads)
        self.k_norm = head_norm(norm, width // heads)
        self.out_proj = nn.Linear(width, width)

    def key_value(self, context: Tensor) -> KeyValue:
        """Keys and values of `context [B, T, C]`; they serve any number of queries and steps."""
        key, value = split_heads(joined((self.to_k, self.to_v), context), self.heads, 2)
        return KeyValue(self.k_norm(key).transpose(1, 2), value.transpose(1, 2))

    def of_zero_context(self, context: Tensor) -> Tensor:
        """The constant `[1, 1, W]` that attention to zeros of `context`'s width gives.

        All keys are equal then, and so the mean of the values is the value of one.
        """
        value = self.key_value(torch.zeros_like(context[:1, :1])).value
        return self.out_proj(value.transpose(1, 2).flatten(2))

    def forward(self, x: Tensor, key_value: KeyValue) -> Tensor:
        query = self.to_q(x).unflatten(-1, (self.heads, -1))
        return self.out_proj(attend(self.q_norm(query), key_value))


class MixtureBlock(nn.Module):
    """Skip, self-attention, cross-attention and a feed-forward or mixture, each with its norm in front.

    Of the skip the norm comes last.
    """

    def __init__(
        self, width: int, context_width: int, heads: int, *, bias: bool, norm: NormKind, skip: bool, experts: int,
        top: int, hidden: int,
    ):
        super().__init__()
        if skip:
            self.skip_linear = nn.Linear(2 * width, width)
            self.skip_norm = layer_norm(width)
        self.norm1 = layer_norm(width)
        self.attn1 = SelfAttention(width, heads, bias, norm)
        self.norm2 = layer_norm(width)
        self.attn2 = CrossAttention(width, context_width, heads, bias, norm)
        self.norm3 = layer_norm(width)
        if experts:
            self.moe = MixtureOfExperts(width, hidden, experts, top)
        else:
            self.mlp = MLP(width, hidden)
        self.has_experts = experts > 0

    @apply_forward_hook
    def prepare(self, condition: Tensor) -> tuple[KeyValue, Tensor]:
        """Keys and values of `condition [B, T, C]`, and the constant `[1, 1, W]` for an all-zero one."""
        return self.attn2.key_value(condition), self.attn2.of_zero_context(condition)

    def forward(
        self, x: Tensor, key_value: KeyValue, skip: Tensor | None = None, unconditional: Tensor | None = None
    ) -> Tensor:
        """One block on `x [B, L, W]`, with the output `skip [B, L, W]` of its partner if it has one.

        With `unconditional [1, 1, W]` the result is `[2 B, L, W]` for B rows of `key_value`: conditional rows, then
        those that take this constant for their cross-attention. `x` holds both, or, before the first
        cross-attention, where the two are still the same, one of them.
        """
        if skip is not None:
            x = self.skip_norm(self.skip_linear(torch.cat([skip, x], dim=-1)))
        x = x + self.attn1(self.norm1(x))
        if unconditional is None:
            x = x + self.attn2(self.norm2(x), key_value)
        else:
            rows = key_value.key.shape[0]
            conditional = x[:rows] + self.attn2(self.norm2(x[:rows]), key_value)
            x = torch.cat([conditional, x[-rows:] + unconditional])
        feed_forward = self.moe if self.has_experts else self.mlp
        return x + feed_forward(self.norm3(x))


class TimestepEmbedder(nn.Module):
    """Time `[B]` in [0, 1] -> one token `[B, 1, W]`."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.width = width
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of its weights."""
        return next(self.parameters()).dtype

    def forward(self, time: Tensor) -> Tensor:
        return self.mlp(time_waves(time, self.width).to(self.dtype)).unsqueeze(1)


def time_waves(time: Tensor, width: int) -> Tensor:
    """`[B]` -> float32 `[B, width]`: sines, then cosines, of the unscaled time times `10000^(-2 k / width)`."""
    exponents = torch.arange(width // 2, dtype=torch.float32, device=time.device) / (width // 2)
    angles = time.float()[:, None] * torch.exp(-math.log(10000.0) * exponents)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class FinalLayer(nn.Module):
    """Norm, then the time token is dropped, then the way back to the latent's channels."""

    def __init__(self, width: int, latent_width: int):
        super().__init__()
        self.norm_final = layer_norm(width)
        self.linear = nn.Linear(width, latent_width)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.norm_final(x[:, 1:]))


class MixtureDenoiser(ModelMixin, ConfigMixin):
    """Velocity `data - noise` of a latent `[B, L, C]` at a time from 0 (noise) to 1 (data).

    The defaults are the published configuration; tensor names are the published ones.
    """

    _supports_gradient_checkpointing = True
    _no_split_modules = ["MixtureBlock"]
    _repeated_blocks = ["MixtureBlock"]
    guidance_embedded = False
    """Guidance takes a second, unconditional velocity."""

    @register_to_config
    def __init__(
        self,
        width: int = 2048,
        depth: int = 21,
        heads: int = 16,
        latent_width: int = 64,
        condition_width: int = 1024,
        hidden_width: int = 8192,
        time_hidden_width: int = 8192,
        mixture_blocks: int = 6,
        experts: int = 8,
        top_experts: int = 2,
        qkv_bias: bool = False,
        head_norm: NormKind = "rms",
    ):
        super().__init__()
        self.x_embedder = nn.Linear(latent_width, width)
        self.t_embedder = TimestepEmbedder(width, time_hidden_width)
        self.blocks = nn.ModuleList(
            MixtureBlock(
                width, condition_width, heads, bias=qkv_bias, norm=head_norm, skip=i > depth // 2,
                experts=experts if i >= depth - mixture_blocks else 0, top=top_experts, hidden=hidden_width,
            )
            for i in range(depth)
        )
        self.final_layer = FinalLayer(width, latent_width)
        self.gradient_checkpointing = False

    @apply_forward_hook
    def prepare_condition(self, condition: Tensor) -> MixtureCondition:
        """What every step needs of `condition [B, T, condition_width]`."""
        blocks = cast(list[MixtureBlock], list(self.blocks))
        prepared = [block.prepare(condition.to(self.dtype)) for block in blocks]
        key_values, unconditional = zip(*prepared, strict=True)
        return MixtureCondition(key_values, unconditional)

    def forward(self, latent: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        """Velocity `[B, L, C]` of `latent [B, L, C]` at `time [B]` under `condition [B, T, condition_width]`.

        All zeros stand for "no condition". Inputs are cast to the network's dtype, which is also the result's.
        """
        condition = condition.to(self.dtype)
        x = self._embed(latent, time)
        skips: list[Tensor] = []
        for i, block in enumerate(self.blocks):
            skip = skips.pop() if i > len(self.blocks) // 2 else None
            if torch.is_grad_enabled() and self.gradient_checkpointing:
                x = self._gradient_checkpointing_func(_run_block, block, x, condition, skip)
            else:
                x = _run_block(block, x, condition, skip)
            if i < len(self.blocks) // 2:
                skips.append(x)
        return self.final_layer(x)

    @apply_forward_hook
    def velocity(self, latent: Tensor, time: Tensor, prepared: MixtureCondition) -> Tensor:
        """`forward` with a prepared condition, for every step of a sampler."""
        return self._run(latent, time, prepared, guided=False)

    @apply_forward_hook
    def guided_velocities(self, latent: Tensor, time: Tensor, prepared: MixtureCondition) -> tuple[Tensor, Tensor]:
        """Conditional and unconditional velocity, each `[B, L, C]`, in one batch; `time [1]` is shared.

        The same function as `forward` with `[condition; zeros]`, less what is known already: keys and values are
        prepared, the unconditional cross-attention is a constant, and all before the first one is the same for both.
        """
        conditional, unconditional = self._run(latent, time, prepared, guided=True).chunk(2)
        return conditional, unconditional

    def _run(self, latent: Tensor, time: Tensor, prepared: MixtureCondition, guided: bool) -> Tensor:
        x = self._embed(latent, time)
        skips: list[Tensor] = []
        for i, block in enumerate(self.blocks):
            skip = skips.pop() if i > len(self.blocks) // 2 else None
            x = block(x, prepared.blocks[i], skip, prepared.unconditional[i] if guided else None)
            if i < len(self.blocks) // 2:
                skips.append(x)
        return self.final_layer(x)

    def _embed(self, latent: Tensor, time: Tensor) -> Tensor:
        """Tokens `[B, 1 + L, W]`, the time's first."""
        tokens = self.x_embedder(latent.to(self.dtype))
        return torch.cat([self.t_embedder(time).expand(len(tokens), -1, -1), tokens], dim=1)


def _run_block(block: nn.Module, x: Tensor, condition: Tensor, skip: Tensor | None) -> Tensor:
    assert isinstance(block, MixtureBlock)
    return block(x, block.attn2.key_value(condition), skip)
