# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh Silksong's decoder-only transformer: tokens so far and a condition to the next logits.

See docs/algorithms/silksong.md, section 8.

Module attributes carry the published tensor names. `forward` sees a whole sequence at once (training, comparisons);
`decoding.py` runs the same weights one token at a time.
"""

from collections.abc import Iterator
from typing import cast

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional

from .tokenizer import vocabulary

IGNORED = -1
"""Padding outside the network: an absent token, and a label that does not count."""
ATTENTION_SCALE = 10.0
MEMORY_ROWS = 4
CLASS_RANGES = (
    ("matrix_in0_embed", vocabulary.LONG_RANGE, vocabulary.SAME_LAYER),
    ("matrix_in1_embed", vocabulary.SAME_LAYER, vocabulary.PREVIOUS_LAYER),
    ("matrix_out_embed", vocabulary.PREVIOUS_LAYER, vocabulary.BLOCK),
    ("block_embed", vocabulary.BLOCK, vocabulary.OFFSET),
    ("offset_embed", vocabulary.OFFSET, vocabulary.END),
)
"""Published name of each class vector and the range of tokens that it is added to."""


def cosine_weight(like: Tensor, head_width: int) -> Tensor:
    """The constant weight `[head_width]` of `cosine_normalized`, of the device and dtype of `like`."""
    return like.new_full((head_width,), (ATTENTION_SCALE / head_width) ** 0.5)


def cosine_normalized(x: Tensor, weight: Tensor | None = None) -> Tensor:
    """`[..., head_width]` scaled to length sqrt(10): the product of two such vectors is 10 times their cosine.

    Root-mean-square norm with a constant weight: one kernel where a division by the length would be several.
    """
    if weight is None:
        weight = cosine_weight(x, x.shape[-1])
    return functional.rms_norm(x, weight.shape, weight, eps=1e-12)


class HeadProjections(nn.Module):
    """The four linear layers without bias that both kinds of attention have."""

    def __init__(self, width: int, context_width: int, heads: int, head_width: int):
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, heads * head_width, bias=False)
        self.to_k = nn.Linear(context_width, heads * head_width, bias=False)
        self.to_v = nn.Linear(context_width, heads * head_width, bias=False)
        self.to_out = nn.Linear(heads * head_width, width, bias=False)

    def split_heads(self, x: Tensor) -> Tensor:
        """`[B, L, heads * head_width]` -> `[B, heads, L, head_width]`."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def merge_heads(self, x: Tensor) -> Tensor:
        """`[B, heads, L, head_width]` -> the branch's output `[B, L, width]`."""
        return self.to_out(x.transpose(1, 2).flatten(2))


class CausalAttention(HeadProjections):
    """Cosine self-attention of `[B, L, W]`; every position sees itself and those before it."""

    def forward(self, x: Tensor, _condition: Tensor) -> Tensor:
        query, key = (cosine_normalized(self.split_heads(layer(x))) for layer in (self.to_q, self.to_k))
        value = self.split_heads(self.to_v(x))
        return self.merge_heads(
            functional.scaled_dot_product_attention(query, key, value, is_causal=True, scale=1.0)
        )


class ConditionAttention(HeadProjections):
    """Cosine attention to the condition, with four learned keys and values per head before its rows."""

    def __init__(self, width: int, context_width: int, heads: int, head_width: int):
        super().__init__(width, context_width, heads, head_width)
        self.mem_k = nn.Parameter(torch.randn(heads, MEMORY_ROWS, head_width))
        self.mem_v = nn.Parameter(torch.randn(heads, MEMORY_ROWS, head_width))

    def key_value(self, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Normalized keys and plain values `[B, heads, 4 + T, head_width]` of `condition [B, T, Dc]`."""
        key, value = self.split_heads(self.to_k(condition)), self.split_heads(self.to_v(condition))
        memory_key, memory_value = (memory.expand(len(condition), -1, -1, -1) for memory in (self.mem_k, self.mem_v))
        return cosine_normalized(torch.cat([memory_key, key], dim=2)), torch.cat([memory_value, value], dim=2)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        key, value = self.key_value(condition)
        query = cosine_normalized(self.split_heads(self.to_q(x)))
        return self.merge_heads(functional.scaled_dot_product_attention(query, key, value, scale=1.0))


class GatedProjection(nn.Module):
    """Linear layer whose first half is multiplied by the exact GELU of its second half."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.proj = nn.Linear(width, 2 * hidden)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * functional.gelu(gate)


class GatedFeedForward(nn.Module):
    """`[B, L, W] -> [B, L, W]` through a gated hidden layer four times as wide."""

    def __init__(self, width: int):
        super().__init__()
        self.ff = nn.Sequential(GatedProjection(width, 4 * width), nn.Identity(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, _condition: Tensor) -> Tensor:
        return self.ff(x)


Branch = CausalAttention | ConditionAttention | GatedFeedForward


class Decoder(nn.Module):
    """Pre-norm residual layers in threes (self-attention, condition attention, feed-forward) and a final norm.

    `layers[i][0][0]` is a layer's norm and `layers[i][1]` its branch, as the published names have it.
    """

    def __init__(self, width: int, condition_width: int, depth: int, heads: int, head_width: int):
        super().__init__()
        self.layers = nn.ModuleList()
        for _ in range(depth):
            for branch in (
                CausalAttention(width, width, heads, head_width),
                ConditionAttention(width, condition_width, heads, head_width),
                GatedFeedForward(width),
            ):
                self.layers.append(nn.ModuleList([nn.ModuleList([nn.LayerNorm(width)]), branch]))
        self.final_norm = nn.LayerNorm(width)

    def pairs(self) -> Iterator[tuple[nn.LayerNorm, Branch]]:
        """The norm and the branch of each layer."""
        for layer in self.layers:
            (norm,), branch = cast(tuple[tuple[nn.LayerNorm], Branch], layer)  # module lists do not know their modules
            yield norm, branch

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        for norm, branch in self.pairs():
            x = x + branch(norm(x), condition)
        return self.final_norm(x)


class SilksongTransformer(ModelMixin, ConfigMixin):
    """Next-token logits; the defaults are the published configuration.

    `embedding_width` is for small networks, in which the vocabulary would take more than all layers: one table that
    narrow then serves the tokens and, transposed, the logits, with a linear layer to and from it.
    """

    @register_to_config
    def __init__(
        self,
        width: int = 1024,
        condition_width: int = 1024,
        depth: int = 24,
        heads: int = 16,
        head_width: int = 64,
        max_tokens: int = vocabulary.MAX_TOKENS,
        vocabulary_size: int = vocabulary.VOCABULARY_SIZE,
        embedding_width: int | None = None,
    ):
        super().__init__()
        for name, _, _ in CLASS_RANGES:
            self.register_parameter(name, nn.Parameter(torch.randn(1, width) * 0.02))
        self.sos_token = nn.Parameter(torch.randn(width) * 0.02)
        self.token_embed = nn.Embedding(vocabulary_size, embedding_width or width)
        self.abs_pos_emb = nn.Embedding(max_tokens, width)
        self.decoder = Decoder(width, condition_width, depth, heads, head_width)
        self.to_logits = nn.Linear(width, embedding_width or vocabulary_size)
        if embedding_width:
            self.embed_proj = nn.Linear(embedding_width, width, bias=False)
            self.logit_bias = nn.Parameter(torch.zeros(vocabulary_size))
        for table in (self.token_embed, self.abs_pos_emb):
            nn.init.normal_(table.weight, std=0.02)

    def class_table(self) -> Tensor:
        """The class vector of every token `[V, W]`, zero for tokens without a class."""
        table = self.sos_token.new_zeros(len(self.token_embed.weight), len(self.sos_token))
        for name, start, stop in CLASS_RANGES:
            table[start:stop] = getattr(self, name)
        return table

    def widened(self, embedded: Tensor) -> Tensor:
        """Rows of the table of tokens in the network's width, `[..., W]`."""
        return self.embed_proj(embedded) if self.config.embedding_width else embedded

    def logits(self, x: Tensor) -> Tensor:
        """Logits `[..., V]` of the decoder's output `[..., W]`."""
        x = self.to_logits(x)
        return functional.linear(x, self.token_embed.weight, self.logit_bias) if self.config.embedding_width else x

    def embed(self, tokens: Tensor) -> Tensor:
        """`tokens [B, L]`, -1 where there is none -> `[B, L + 1, W]` with the start vector in front."""
        tokens = torch.where(tokens == IGNORED, vocabulary.PADDING, tokens)
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.widened(self.token_embed(tokens)) + functional.embedding(tokens, self.class_table())
        x = x + self.abs_pos_emb(positions)
        return torch.cat([self.sos_token.expand(len(tokens), 1, -1), x], dim=1)

    def forward(self, tokens: Tensor, condition: Tensor) -> Tensor:
        """Logits `[B, L + 1, V]` of what follows each prefix of `tokens` int64 `[B, L]`, the empty one first.

        `condition [B, T, condition_width]` is the conditioner's output. Padding (-1) at the end of a row changes
        nothing before it.
        """
        return self.logits(self.decoder(self.embed(tokens), condition.to(self.dtype)))

    def token_losses(self, logits: Tensor, tokens: Tensor, with_end: bool = True) -> Tensor:
        """Cross-entropy float32 `[B, L + 1]` of `logits [B, L + 1, V]`; zero at padding.

        The label after a row's last token is the end token, or with `with_end` off does not count.
        """
        labels = functional.pad(tokens, (0, 1), value=IGNORED)
        if with_end:
            lengths = (tokens != IGNORED).sum(dim=1, keepdim=True)
            labels = labels.scatter(1, lengths, vocabulary.END)
        losses = functional.cross_entropy(
            logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none"
        )
        return losses.view_as(labels)

    def loss(self, tokens: Tensor, condition: Tensor) -> Tensor:
        """Training loss: the mean cross-entropy over all tokens of the batch and each row's end."""
        losses = self.token_losses(self(tokens, condition), tokens)
        return losses.sum() / ((tokens != IGNORED).sum() + len(tokens))
