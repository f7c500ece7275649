# SPDX-License-Identifier: GPL-3.0-or-later
"""The transformer scale by scale, on buffers that stay where they are, so that a scale can be recorded as a CUDA graph.

What a run's condition decides is computed once: keys and values of the cross-attention, modulation of every block and
of the head. Rows come in halves, conditional first.
"""

import torch
from torch import Tensor

from .attention import CrossAttention, SelfAttention
from .transformer import Block, Condition, NextScaleTransformer, modulated

HALVES = 2
"""A conditional and an unconditional row for every object."""


class ScaleSteps:
    """Keys, values and modulation of `objects` objects at a time, with conditions of `condition_tokens` tokens."""

    def __init__(self, transformer: NextScaleTransformer, objects: int, condition_tokens: int):
        self.transformer, self.objects = transformer, objects
        rows, config = HALVES * objects, transformer.config
        dtype, device = transformer.block_dtype, transformer.device
        width, heads = config["width"], config["heads"]

        def buffers(length: int) -> list[Tensor]:
            shape = (rows, heads, length, width // heads)
            return [torch.empty(shape, dtype=dtype, device=device) for _ in transformer.layers]

        self._keys, self._values = buffers(transformer.layout.total), buffers(transformer.layout.total)
        self._condition_keys, self._condition_values = buffers(condition_tokens), buffers(condition_tokens)
        self._modulation = torch.empty(config["depth"], 6, rows, 1, width, dtype=dtype, device=device)
        self._head = torch.empty(2, rows, 1, width, device=device)
        self._embedded = torch.empty(rows, width, device=device)
        self._positions = transformer.positions()

    def begin(self, condition: Condition) -> None:
        """Take the condition of all rows, `pooled [2 B, Dc]` and `tokens [2 B, T, Dc]`."""
        transformer = self.transformer
        self._embedded.copy_(transformer.embed_condition(condition.pooled))
        self._head.copy_(torch.stack(transformer.head_nm.scale_shift(self._embedded)))
        tokens = condition.tokens.to(transformer.block_dtype)
        for number, block in enumerate(transformer.layers):
            self._modulation[number].copy_(torch.stack(block.modulation(self._embedded)))
            key, value = block.cross_attn.key_value(tokens)
            self._condition_keys[number].copy_(key)
            self._condition_values[number].copy_(value)

    def logits(self, scale: int, inputs: Tensor | None, guidance: float) -> Tensor:
        """Guided logits float32 `[B, n, V]` of a scale's tokens; its keys and values are kept for the scales after.

        `inputs [B, n, C]` is the quantizer's `next_input`, None at the first scale. Both halves read the same tokens.
        At scale s of S the condition counts 1 + t and its absence -t, with t = guidance * s / (S - 1).
        """
        span = self.transformer.layout.span(scale)
        if inputs is None:
            x = self.transformer.first_input(self._embedded)
        else:
            x = self.transformer.word_embed(inputs).repeat(HALVES, 1, 1)
        x = x + self._positions[:, span]
        for number, block in enumerate(self.transformer.layers):
            x = self._block(number, block, x, span)
        conditional, unconditional = modulated(x, *self._head).chunk(HALVES)
        strength = guidance * scale / max(len(self.transformer.layout.sides) - 1, 1)
        # The head is linear: guiding what it reads guides the logits, for half of its work.
        return self.transformer.head((1 + strength) * conditional - strength * unconditional)

    def _block(self, number: int, block: Block, x: Tensor, span: slice) -> Tensor:
        """`Block.forward` for the tokens of one scale, which see all scales so far."""
        gate, mlp_gate, scale, mlp_scale, shift, mlp_shift = self._modulation[number]
        if block.condition_first:
            x = x + self._cross_attention(number, block.cross_attn, block.prenorm_ca_dino(x))
        x = x + gate * self._self_attention(number, block.attn, modulated(x, scale, shift), span)
        if not block.condition_first:
            x = x + self._cross_attention(number, block.cross_attn, block.prenorm_ca_dino(x))
        return x + mlp_gate * block.ffn(modulated(x, mlp_scale, mlp_shift))

    def _self_attention(self, number: int, attention: SelfAttention, x: Tensor, span: slice) -> Tensor:
        query, key, value = attention.query_key_value(x)
        keys, values = self._keys[number], self._values[number]
        keys[:, :, span] = key
        values[:, :, span] = value
        return attention.attend(query, keys[:, :, : span.stop], values[:, :, : span.stop])

    def _cross_attention(self, number: int, attention: CrossAttention, x: Tensor) -> Tensor:
        return attention.attend(attention.query(x), self._condition_keys[number], self._condition_values[number])
