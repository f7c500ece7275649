# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens to a triplane, and the field that reads it: the decoder's half of the published autoencoders.

Module attributes carry the published tensor names within their parts.
"""

from collections.abc import Sequence

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from .fields import DensityField, FlexiCubesField
from .plane_decoder import PlaneDecoder
from .quantizer import ResidualQuantizer, planes_in_channels
from .token_layout import PLANES, SIDES
from .triplane_vit import TriplaneViT

FIELDS = {"density": DensityField, "flexicubes": FlexiCubesField}


class LatentTokens(nn.Module):
    """The latent of three planes `[B, 3 C, N, N]` to tokens `[B, 3 N², W]`, plane after plane.

    As published the grouped convolution's channel 3 c + n is channel c of plane n's token: every token reads the
    latents of several planes.
    """

    def __init__(self, code_width: int, width: int):
        super().__init__()
        self.proj = nn.Conv2d(PLANES * code_width, PLANES * width, 3, padding=1, groups=PLANES)

    def forward(self, latent: Tensor) -> Tensor:
        return self.proj(latent).unflatten(1, (-1, PLANES)).permute(0, 2, 3, 4, 1).flatten(1, 3)


class TriplaneDecoder(ModelMixin, ConfigMixin):
    """Codebook, vision transformer, convolutional decoder and field; the defaults are the published configuration.

    `field_kind` is "density" or "flexicubes".
    """

    _keep_in_fp32_modules = ["quantize", "field", "pos_embed"]

    @register_to_config
    def __init__(
        self,
        field_kind: str = "flexicubes",
        vocabulary: int = 16384,
        code_width: int = 8,
        sides: Sequence[int] = SIDES,
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        plane_width: int = 32,
        plane_multipliers: Sequence[int] = (1, 2, 2, 4),
        plane_blocks: int = 1,
        plane_channels: int = 32,
        field_width: int = 64,
        field_layers: int = 4,
    ):
        super().__init__()
        self.quantize = ResidualQuantizer(vocabulary, code_width, sides)
        self.post_quant_conv = nn.Conv2d(code_width, code_width, 3, padding=1)
        self.ldm_upsample = LatentTokens(code_width, width)
        self.vit_decoder = TriplaneViT(width, depth, heads, tokens=self.quantize.layout.counts[-1])
        self.conv_sr = PlaneDecoder(width, plane_width, plane_multipliers, plane_blocks, plane_channels)
        self.field = FIELDS[field_kind](plane_channels, field_width, field_layers)

    @property
    def network_dtype(self) -> torch.dtype:
        """The dtype that the networks before the field run in."""
        return self.post_quant_conv.weight.dtype

    def latent_tokens(self, latent: Tensor) -> Tensor:
        """The vision transformer's condition `[B, 3 N², W]` of a latent `[3 B, C, N, N]`."""
        return self.ldm_upsample(planes_in_channels(self.post_quant_conv(latent.to(self.network_dtype))))

    def planes(self, tokens: Tensor) -> Tensor:
        """The triplane float32 `[B, 3, C, H, W]` of the vision transformer's tokens `[B, 3 N², W]`."""
        side = self.quantize.side
        grid = tokens.to(self.network_dtype).unflatten(1, (PLANES, side, side)).permute(0, 1, 4, 2, 3)
        return self.conv_sr(grid.flatten(0, 1).contiguous()).float().unflatten(0, (-1, PLANES))

    def forward(self, latent: Tensor) -> Tensor:
        """The triplane float32 `[B, 3, C, H, W]` of a latent float32 `[3 B, C, N, N]`."""
        return self.planes(self.vit_decoder(self.latent_tokens(latent)))
