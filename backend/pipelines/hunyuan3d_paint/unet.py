# SPDX-License-Identifier: GPL-3.0-or-later
"""The painting network and its reference network: Stable Diffusion's UNet twice, with other blocks inside.

docs/algorithms/hunyuan3d_paint.md, "Networks". Parameters have the published names, but for the learned tokens and
the image projector, which lie outside of the UNet here (`published_name`).
"""

from collections.abc import Iterator, Sequence

import torch
from diffusers import ConfigMixin, UNet2DConditionModel
from diffusers.configuration_utils import register_to_config
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import Tensor, nn

from .attention import MATERIALS
from .block import PaintBlock, ReferenceBlock
from .conditions import Conditions

LATENT_CHANNELS = 4
IMAGE_TOKENS = 4
"""Tokens that the projector makes of each token of DINOv2."""
DOWN_BLOCKS = ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D")
UP_BLOCKS = ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D")


def transformers_of(unet: UNet2DConditionModel) -> Iterator[tuple[str, Transformer2DModel]]:
    """Every transformer of a UNet with a short name: down_0_1, mid_0, up_3_2."""
    stages = [*((f"down_{i}", block) for i, block in enumerate(unet.down_blocks)), ("mid", unet.mid_block)]
    stages += [(f"up_{i}", block) for i, block in enumerate(unet.up_blocks)]
    for stage, block in stages:
        for index, transformer in enumerate(getattr(block, "attentions", ())):
            yield f"{stage}_{index}", transformer


def _unet(in_channels: int, **sizes: object) -> UNet2DConditionModel:
    return UNet2DConditionModel(in_channels=in_channels, out_channels=LATENT_CHANNELS, **sizes)


class ImageProjector(nn.Module):
    """DINOv2 tokens `[B, T, image_width]` to `[B, 4 T, width]`, those of one token adjacent."""

    def __init__(self, image_width: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(image_width, IMAGE_TOKENS * width)
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Zeros stay no zeros: "no image" has tokens of its own."""
        projected = self.proj(tokens).unflatten(-1, (IMAGE_TOKENS, -1)).flatten(1, 2)
        normalized: Tensor = self.norm(projected)
        return normalized


class ReferenceUNet(ModelMixin, ConfigMixin):
    """Features of the reference image's latent, for every block of `PaintUNet`."""

    @register_to_config
    def __init__(
        self,
        sample_size: int = 64,
        down_block_types: Sequence[str] = DOWN_BLOCKS,
        up_block_types: Sequence[str] = UP_BLOCKS,
        block_out_channels: Sequence[int] = (320, 640, 1280, 1280),
        layers_per_block: int = 2,
        attention_head_dim: Sequence[int] = (5, 10, 20, 20),
        cross_attention_dim: int = 1024,
        norm_num_groups: int = 32,
        use_linear_projection: bool = True,
        prompt_tokens: int = 77,
    ) -> None:
        super().__init__()
        self.unet_dual = _unet(
            LATENT_CHANNELS, sample_size=sample_size, down_block_types=tuple(down_block_types),
            up_block_types=tuple(up_block_types), block_out_channels=tuple(block_out_channels),
            layers_per_block=layers_per_block, attention_head_dim=tuple(attention_head_dim),
            cross_attention_dim=cross_attention_dim, norm_num_groups=norm_num_groups,
            use_linear_projection=use_linear_projection,
        )
        self.learned_text_clip_ref = nn.Parameter(torch.randn(prompt_tokens, cross_attention_dim))
        for name, transformer in transformers_of(self.unet_dual):
            transformer.transformer_blocks = nn.ModuleList(
                ReferenceBlock(block, f"{name}_{i}") for i, block in enumerate(transformer.transformer_blocks)
            )

    def forward(self, latents: Tensor) -> dict[str, Tensor]:
        """Clean latents `[R, 4, h, h]` to the tokens `[R, L, C]` that enter each block's self-attention."""
        features: dict[str, Tensor] = {}
        prompt = self.learned_text_clip_ref.expand(len(latents), -1, -1)
        self.unet_dual(latents, 0, prompt, cross_attention_kwargs={"features": features}, return_dict=False)
        return features


class PaintUNet(ModelMixin, ConfigMixin):
    """Velocity of all materials' latents in all views, under `Conditions`."""

    @register_to_config
    def __init__(
        self,
        sample_size: int = 64,
        down_block_types: Sequence[str] = DOWN_BLOCKS,
        up_block_types: Sequence[str] = UP_BLOCKS,
        block_out_channels: Sequence[int] = (320, 640, 1280, 1280),
        layers_per_block: int = 2,
        attention_head_dim: Sequence[int] = (5, 10, 20, 20),
        cross_attention_dim: int = 1024,
        norm_num_groups: int = 32,
        use_linear_projection: bool = True,
        prompt_tokens: int = 77,
        image_width: int = 1536,
    ) -> None:
        super().__init__()
        self.unet = _unet(
            3 * LATENT_CHANNELS, sample_size=sample_size, down_block_types=tuple(down_block_types),
            up_block_types=tuple(up_block_types), block_out_channels=tuple(block_out_channels),
            layers_per_block=layers_per_block, attention_head_dim=tuple(attention_head_dim),
            cross_attention_dim=cross_attention_dim, norm_num_groups=norm_num_groups,
            use_linear_projection=use_linear_projection,
        )
        for material in MATERIALS:
            self.register_parameter(
                f"learned_text_clip_{material}", nn.Parameter(torch.randn(prompt_tokens, cross_attention_dim))
            )
        self.image_proj_model_dino = ImageProjector(image_width, cross_attention_dim)
        for name, transformer in transformers_of(self.unet):
            transformer.transformer_blocks = nn.ModuleList(
                PaintBlock(block, f"{name}_{i}", cross_attention_dim)
                for i, block in enumerate(transformer.transformer_blocks)
            )

    def prompt(self) -> Tensor:
        """The learned tokens that stand for a prompt, `[1, P, 1, T, W]`."""
        tokens = [getattr(self, f"learned_text_clip_{material}") for material in MATERIALS]
        return torch.stack(tokens)[None, :, None]

    def forward(self, sample: Tensor, timestep: Tensor | int, conditions: Conditions) -> Tensor:
        """Velocity `[B * P * N, 4, h, h]`.

        Args:
            sample: `[B * P * N, 12, h, h]`: noisy latents, latents of the normal and of the position maps.
            timestep: one for all rows.
            conditions: of this run; keys and values are kept in it from the first step on.
        """
        (image,) = conditions.once("", "image", lambda: (self.image_proj_model_dino(conditions.image),))
        given = {"conditions": conditions, "prompt": self.prompt(), "image": image}
        velocity: Tensor = self.unet(sample, timestep, None, cross_attention_kwargs=given, return_dict=False)[0]
        return velocity


PUBLISHED_INSIDE = ("learned_text_clip_", "image_proj_model_dino.")


def published_name(name: str) -> str:
    """Name in the published file of a parameter of `PaintUNet` or `ReferenceUNet`."""
    return f"unet.{name}" if name.startswith(PUBLISHED_INSIDE) else name


def own_name(published: str) -> str:
    """Inverse of `published_name`."""
    name = published.removeprefix("unet.")
    return name if name.startswith(PUBLISHED_INSIDE) else published


def is_of_reference(name: str) -> bool:
    """Whether a parameter is one of `ReferenceUNet`."""
    return name.startswith("unet_dual.") or name == "learned_text_clip_ref"
