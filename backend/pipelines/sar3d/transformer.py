# SPDX-License-Identifier: GPL-3.0-or-later
"""The next-scale transformer: a condition and the tokens of earlier scales to the logits of the next scale's tokens.

Module attributes carry the published tensor names. `forward` sees all scales at once behind a mask (training,
comparisons); `scale_steps.py` runs the same weights scale by scale. The stream between the blocks is float32; each
branch runs in its own weights' dtype.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional

from .attention import CrossAttention, SelfAttention
from .token_layout import PLANES, SIDES, TokenLayout

EPSILON = 1e-6
SMALLEST_RMS = 1e-5


class Condition(NamedTuple):
    """What the transformer is given of a prompt or an image: `pooled [B, Dc]` and `tokens [B, T, Dc]`, float32."""

    pooled: Tensor
    tokens: Tensor


class Modulation(NamedTuple):
    """What a block's condition does to its self-attention and feed-forward branches, each [B, 1, W]."""

    attention_gate: Tensor
    feed_forward_gate: Tensor
    attention_scale: Tensor
    feed_forward_scale: Tensor
    attention_shift: Tensor
    feed_forward_shift: Tensor


def modulated(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Layer norm of `x` in float32, scaled and shifted by the condition, in the dtype of `scale`."""
    normed = functional.layer_norm(x.float(), x.shape[-1:], eps=EPSILON)
    return (normed * (1 + scale.float()) + shift).to(scale.dtype)


class RootMeanSquareNorm(nn.Module):
    """`[..., W]` divided by its root mean square, which counts as 1e-5 at least, and scaled per channel."""

    def __init__(self, width: int):
        super().__init__()
        self.g = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        x = x.float()
        rms = x.norm(dim=-1, keepdim=True) * x.shape[-1] ** -0.5
        return (x / rms.clamp_min(SMALLEST_RMS) * self.g).to(self.g.dtype)


class FeedForward(nn.Module):
    """`[B, L, W] -> [B, L, W]` through a hidden layer four times as wide."""

    def __init__(self, width: int):
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(functional.gelu(self.fc1(x), approximate="tanh"))


class Block(nn.Module):
    """Self-attention, cross-attention to the condition, feed-forward; each added to the stream.

    The text model attends to itself first and the image model to its condition, under the same names.
    """

    def __init__(self, width: int, condition_width: int, heads: int, condition_first: bool):
        super().__init__()
        self.condition_first = condition_first
        self.attn = SelfAttention(width, heads)
        self.cross_attn = CrossAttention(width, condition_width, heads)
        self.ffn = FeedForward(width)
        self.prenorm_ca_dino = RootMeanSquareNorm(width)
        self.ada_lin = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))

    def modulation(self, embedded: Tensor) -> Modulation:
        """The block's modulation by the embedded condition `[B, W]`. It serves all scales of a run."""
        changes = self.ada_lin(embedded.to(self.ffn.fc1.weight.dtype))
        return Modulation(*changes.unflatten(-1, (6, 1, -1)).unbind(1))

    def forward(self, x: Tensor, embedded: Tensor, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """The stream `[B, L, W]` after the block; `mask` bool [L, L] is true where a position sees another."""
        by = self.modulation(embedded)
        if self.condition_first:
            x = x + self.cross_attn(self.prenorm_ca_dino(x), tokens)
        x = x + by.attention_gate * self.attn(modulated(x, by.attention_scale, by.attention_shift), mask)
        if not self.condition_first:
            x = x + self.cross_attn(self.prenorm_ca_dino(x), tokens)
        return x + by.feed_forward_gate * self.ffn(modulated(x, by.feed_forward_scale, by.feed_forward_shift))


class HeadModulation(nn.Module):
    """The norm before the logits, modulated by the condition. The norm itself has no weights."""

    def __init__(self, width: int):
        super().__init__()
        self.ada_lin = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))

    def scale_shift(self, embedded: Tensor) -> tuple[Tensor, Tensor]:
        """What the embedded condition `[B, W]` does, each [B, 1, W]. It serves all scales of a run."""
        scale, shift = self.ada_lin(embedded).unflatten(-1, (2, 1, -1)).unbind(1)
        return scale, shift


class NextScaleTransformer(ModelMixin, ConfigMixin):
    """Logits of every scale's tokens from those before; the defaults are the published model for prompts."""

    _keep_in_fp32_modules = [
        "pos_start", "pos_1LC", "word_embed", "pooler_emb", "lvl_embed", "plane_embed", "head_nm", "head",
    ]

    @register_to_config
    def __init__(
        self,
        width: int = 1024,
        depth: int = 16,
        heads: int = 16,
        condition_width: int = 768,
        condition_first: bool = False,
        vocabulary: int = 16384,
        code_width: int = 8,
        sides: Sequence[int] = SIDES,
    ):
        super().__init__()
        self.layout = TokenLayout(sides)
        self.pos_start = nn.Parameter(torch.randn(1, 1, width) * width**-0.5)
        self.pos_1LC = nn.Parameter(torch.randn(1, self.layout.total, width) * width**-0.5)
        self.word_embed = nn.Linear(code_width, width)
        self.pooler_emb = nn.Linear(condition_width, width)
        self.lvl_embed = nn.Embedding(len(self.layout.sides), width)
        self.plane_embed = nn.Embedding(PLANES, width)
        self.blocks = nn.ModuleList(Block(width, condition_width, heads, condition_first) for _ in range(depth))
        self.head_nm = HeadModulation(width)
        self.head = nn.Linear(width, vocabulary)

    @property
    def layers(self) -> list[Block]:
        """The blocks, in order."""
        return list(cast(Iterable[Block], self.blocks))

    @property
    def block_dtype(self) -> torch.dtype:
        """The dtype that the blocks run in."""
        return self.layers[0].ffn.fc1.weight.dtype

    def positions(self) -> Tensor:
        """What every position of the sequence adds to the stream, float32 `[1, L, W]`."""
        device = self.pos_1LC.device
        of_scale = self.lvl_embed(self.layout.levels().to(device))
        return of_scale + self.pos_1LC + self.plane_embed(self.layout.planes().to(device))

    def embed_condition(self, pooled: Tensor) -> Tensor:
        """The pooled condition `[B, Dc]` in the transformer's width, float32 `[B, W]`."""
        return self.pooler_emb(pooled.float())

    def first_input(self, embedded: Tensor) -> Tensor:
        """The stream `[B, n, W]` that the first scale starts from, without what its positions add."""
        return (embedded[:, None] + self.pos_start).expand(-1, self.layout.counts[0], -1)

    def normed_for_head(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """The stream `[B, L, W]` as the head takes it, float32: the head is linear in it."""
        return modulated(x, scale, shift)

    def forward(self, condition: Condition, inputs: Tensor) -> Tensor:
        """Logits float32 `[B, L, V]` of all scales' tokens.

        `inputs [B, L - n, C]` is the quantizer's `teacher_forcing_input` of the same tokens. A position sees its own
        scale, on all three planes, and all earlier ones.
        """
        embedded = self.embed_condition(condition.pooled)
        x = torch.cat([self.first_input(embedded), self.word_embed(inputs.float())], dim=1) + self.positions()
        mask = self.layout.visible().to(x.device)
        tokens = condition.tokens.to(self.block_dtype)
        for block in self.layers:
            x = block(x, embedded, tokens, mask)
        return self.head(self.normed_for_head(x, *self.head_nm.scale_shift(embedded)))
