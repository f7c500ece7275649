# SPDX-License-Identifier: GPL-3.0-or-later
"""The transformer block of the painting network around diffusers' own, and the one of the reference network."""

from typing import Any

import torch
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from .attention import (
    MATERIALS,
    MaterialLayers,
    attend,
    material_attention,
    multiview_attention,
    reference_attention,
    reference_keys,
)
from .conditions import Conditions


class ReferenceBlock(nn.Module):
    """A plain block that writes down what enters its self-attention. `name` is its entry in the features."""

    def __init__(self, transformer: BasicTransformerBlock, name: str) -> None:
        super().__init__()
        self.transformer, self.name = transformer, name

    def forward(
        self,
        hidden_states: Tensor,
        *_: object,
        encoder_hidden_states: Tensor,
        cross_attention_kwargs: dict[str, dict[str, Tensor]],
        **__: object,
    ) -> Tensor:
        """As diffusers calls its blocks; `cross_attention_kwargs["features"]` is filled."""
        cross_attention_kwargs["features"][self.name] = self.transformer.norm1(hidden_states)
        return self.transformer(hidden_states, encoder_hidden_states=encoder_hidden_states)


class PaintBlock(nn.Module):
    """Material, reference, multi-view, prompt and image attention, then the block's own feed-forward.

    The first three read the same normalized tokens, the next two too; each adds to the residual.
    """

    def __init__(self, transformer: BasicTransformerBlock, name: str, image_token_width: int) -> None:
        super().__init__()
        self.transformer, self.name = transformer, name
        own = transformer.attn1
        width, heads = own.query_dim, own.heads
        sizes = {"query_dim": width, "heads": heads, "dim_head": width // heads}
        own.set_processor(MaterialLayers(own, ("to_q", "to_k", "to_v", "to_out")))
        self.attn_multiview = Attention(**sizes)
        self.attn_refview = Attention(**sizes)
        self.attn_refview.set_processor(MaterialLayers(self.attn_refview, ("to_v", "to_out")))
        self.attn_dino = Attention(cross_attention_dim=image_token_width, **sizes)

    def forward(
        self, hidden_states: Tensor, *_: object, cross_attention_kwargs: dict[str, Any], **__: object
    ) -> Tensor:
        """As diffusers calls its blocks: `[B * P * N, L, C]` to the same shape.

        `cross_attention_kwargs` holds `conditions`, `prompt` (`[B or 1, P, N or 1, T, W]`, the learned tokens) and
        `image` (`[B, T, W]`, the image's projected tokens).
        """
        conditions: Conditions = cross_attention_kwargs["conditions"]
        prompt, image = cross_attention_kwargs["prompt"], cross_attention_kwargs["image"]
        tokens = hidden_states.unflatten(0, (conditions.branches, len(MATERIALS), conditions.views))
        normalized = self.transformer.norm1(tokens)
        tokens = tokens + material_attention(self.transformer.attn1, normalized)
        tokens = self.add_reference(tokens, normalized, conditions)
        if conditions.views > 1:
            tokens = tokens + self.between_views(normalized, conditions)
        normalized = self.transformer.norm2(tokens)
        tokens = tokens + self.from_prompt(normalized, prompt, conditions)
        tokens = tokens + self.from_image(normalized, image, conditions)
        hidden_states = tokens.flatten(0, 2)
        return hidden_states + self.transformer.ff(self.transformer.norm3(hidden_states))

    def add_reference(self, tokens: Tensor, normalized: Tensor, conditions: Conditions) -> Tensor:
        """Add what the branches that look at the reference image take from it."""
        if not conditions.looking:
            return tokens
        taken = self.from_reference(normalized, conditions)
        scales = taken.new_tensor([conditions.reference_scales[branch] for branch in conditions.looking])
        index = torch.tensor(conditions.looking, device=tokens.device)
        return tokens.index_add(0, index, taken * scales.view(-1, 1, 1, 1, 1))

    def from_reference(self, normalized: Tensor, conditions: Conditions) -> Tensor:
        """Reference attention of the branches that look, `[looking, P, N, L, C]`, before its scale."""
        key, value = conditions.once(
            self.name, "reference", lambda: reference_keys(self.attn_refview, conditions.reference[self.name])
        )
        albedo = normalized[conditions.looking, 0].flatten(1, 2)
        taken = reference_attention(self.attn_refview, albedo, key, value)
        return taken.unflatten(2, (conditions.views, -1))

    def between_views(self, normalized: Tensor, conditions: Conditions) -> Tensor:
        """Multi-view attention `[B, P, N, L, C]`."""
        rows, layer = normalized.flatten(2, 3).flatten(0, 1), self.attn_multiview
        rotary = conditions.rotary(normalized.shape[3], normalized.shape[4] // layer.heads)
        mixed = multiview_attention(layer, rows, rotary)
        return mixed.view(normalized.shape)

    def from_prompt(self, normalized: Tensor, prompt: Tensor, conditions: Conditions) -> Tensor:
        """Attention to the learned tokens `[B, P, N, L, C]`, whose rows may be the same for all branches and views."""
        layer = self.transformer.attn2
        key, value = conditions.once(
            self.name, "prompt", lambda: (layer.to_k(prompt), layer.to_v(prompt))
        )
        together = key.shape[2] == 1
        query = layer.to_q(normalized.flatten(2, 3)[:, :, None] if together else normalized)
        key, value = (part.expand(*query.shape[:3], -1, -1).flatten(0, 2) for part in (key, value))
        mixed = attend(query.flatten(0, 2), key, value, layer.heads)
        return layer.to_out[0](mixed).view(normalized.shape)

    def from_image(self, normalized: Tensor, image: Tensor, conditions: Conditions) -> Tensor:
        """Attention to the image's projected tokens `[B, P, N, L, C]`."""
        layer = self.attn_dino
        key, value = conditions.once(
            self.name, "image", lambda: (layer.to_k(image), layer.to_v(image))
        )
        mixed = attend(layer.to_q(normalized.flatten(1, 3)), key, value, layer.heads)
        return layer.to_out[0](mixed).view(normalized.shape)
