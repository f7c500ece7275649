# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks of the shape autoencoder. Tensor names are the published ones; all norms have eps 1e-6 and weights."""

from torch import Tensor, nn

from .attention import KeyValue, NormKind, attend, head_norm, split_heads
from .mixture import gelu


def layer_norm(width: int) -> nn.LayerNorm:
    return nn.LayerNorm(width, eps=1e-6)


class HeadNorms(nn.Module):
    """The norms of queries and keys inside a head."""

    def __init__(self, kind: NormKind, head_width: int):
        super().__init__()
        self.q_norm = head_norm(kind, head_width)
        self.k_norm = head_norm(kind, head_width)


class AutoencoderSelfAttention(nn.Module):
    """`[B, L, W] -> [B, L, W]`; each head's query, key and value lie side by side in `c_qkv`."""

    def __init__(self, width: int, heads: int, bias: bool, norm: NormKind):
        super().__init__()
        self.heads = heads
        self.c_qkv = nn.Linear(width, 3 * width, bias=bias)
        self.c_proj = nn.Linear(width, width)
        self.attention = HeadNorms(norm, width // heads)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = split_heads(self.c_qkv(x), self.heads, 3)
        key_value = KeyValue(self.attention.k_norm(key).transpose(1, 2), value.transpose(1, 2))
        return self.c_proj(attend(self.attention.q_norm(query), key_value))


class AutoencoderCrossAttention(nn.Module):
    """Attention of `[B, L, W]` to a context `[B, T, W]`; each head's key and value lie side by side in `c_kv`."""

    def __init__(self, width: int, heads: int, bias: bool, norm: NormKind):
        super().__init__()
        self.heads = heads
        self.c_q = nn.Linear(width, width, bias=bias)
        self.c_kv = nn.Linear(width, 2 * width, bias=bias)
        self.c_proj = nn.Linear(width, width)
        self.attention = HeadNorms(norm, width // heads)

    def query(self, x: Tensor) -> Tensor:
        """Normalized queries `[B, L, heads, D]`."""
        return self.attention.q_norm(self.c_q(x).unflatten(-1, (self.heads, -1)))

    def key_value(self, context: Tensor) -> KeyValue:
        """Keys and values of `context [B, T, W]`."""
        key, value = split_heads(self.c_kv(context), self.heads, 2)
        return KeyValue(self.attention.k_norm(key).transpose(1, 2), value.transpose(1, 2))


class AutoencoderMLP(nn.Module):
    """Two linear layers with an exact GELU between."""

    def __init__(self, width: int, expansion: int):
        super().__init__()
        self.c_fc = nn.Linear(width, expansion * width)
        self.c_proj = nn.Linear(expansion * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(gelu(self.c_fc(x)))


class SelfBlock(nn.Module):
    """`x + attn(norm(x))`, then `x + mlp(norm(x))`."""

    def __init__(self, width: int, heads: int, bias: bool, norm: NormKind):
        super().__init__()
        self.attn = AutoencoderSelfAttention(width, heads, bias, norm)
        self.ln_1 = layer_norm(width)
        self.mlp = AutoencoderMLP(width, 4)
        self.ln_2 = layer_norm(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class CrossBlock(nn.Module):
    """The same with attention to a context, which it normalizes itself."""

    def __init__(self, width: int, heads: int, expansion: int, bias: bool, norm: NormKind):
        super().__init__()
        self.attn = AutoencoderCrossAttention(width, heads, bias, norm)
        self.ln_1 = layer_norm(width)
        self.ln_2 = layer_norm(width)
        self.ln_3 = layer_norm(width)
        self.mlp = AutoencoderMLP(width, expansion)

    def key_value(self, context: Tensor) -> KeyValue:
        """Keys and values of `context [B, T, W]`; they serve any number of queries."""
        return self.attn.key_value(self.ln_2(context))

    def query(self, x: Tensor) -> Tensor:
        """Queries `[B, L, heads, D]` of `x [B, L, W]`."""
        return self.attn.query(self.ln_1(x))

    def finish(self, x: Tensor, mixed: Tensor) -> Tensor:
        """The rest of the block after the attention gave `mixed [B, L, W]`."""
        x = x + self.attn.c_proj(mixed)
        return x + self.mlp(self.ln_3(x))

    def forward(self, x: Tensor, key_value: KeyValue) -> Tensor:
        return self.finish(x, attend(self.query(x), key_value))


class Transformer(nn.Module):
    """Self blocks, under the published name `resblocks`."""

    def __init__(self, width: int, heads: int, layers: int, bias: bool, norm: NormKind):
        super().__init__()
        self.resblocks = nn.ModuleList(SelfBlock(width, heads, bias, norm) for _ in range(layers))


class PointEncoder(nn.Module):
    """Surface points with their features to tokens: one token from each query point."""

    def __init__(self, width: int, heads: int, layers: int, point_width: int, bias: bool, norm: NormKind):
        super().__init__()
        self.input_proj = nn.Linear(point_width, width)
        self.cross_attn = CrossBlock(width, heads, 4, bias, norm)
        self.self_attn = Transformer(width, heads, layers, bias, norm)
        self.ln_post = nn.LayerNorm(width, eps=1e-5)


class FieldDecoder(nn.Module):
    """Field values at points from latent tokens; the light form is narrower and has fewer norms."""

    def __init__(
        self, width: int, latents_width: int, heads: int, expansion: int, embedding_width: int, *, bias: bool,
        norm: NormKind, last_norm: bool,
    ):
        super().__init__()
        self.query_proj = nn.Linear(embedding_width, width)
        self.latents_proj = nn.Linear(latents_width, width) if width != latents_width else nn.Identity()
        self.cross_attn_decoder = CrossBlock(width, heads, expansion, bias, norm)
        self.ln_post = nn.LayerNorm(width, eps=1e-5) if last_norm else nn.Identity()
        self.output_proj = nn.Linear(width, 1)

    def key_value(self, tokens: Tensor) -> KeyValue:
        """Keys and values of `tokens [B, N, latents_width]`, once for a shape."""
        return self.cross_attn_decoder.key_value(self.latents_proj(tokens))

    def finish(self, embedded: Tensor, mixed: Tensor) -> Tensor:
        """Field `[B, P]` from embedded points `[B, P, width]` and what their attention gave, of the same shape."""
        return self.output_proj(self.ln_post(self.cross_attn_decoder.finish(embedded, mixed))).squeeze(-1)
