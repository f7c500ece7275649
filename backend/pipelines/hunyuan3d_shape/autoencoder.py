# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape autoencoder: surface points to a set of latent tokens, and back to a field.

Frame: the published models' own, y up, the front facing +z, shapes within [-1, 1]^3. The field is like the logit of
"inside": positive inside, its surface is the level 0. See docs/algorithms/hunyuan3d_shape.md, "The autoencoder".
"""

from collections.abc import Callable

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils.accelerate_utils import apply_forward_hook
from torch import Tensor, nn

from ..common.fourier_features import fourier_features
from ..common.posterior import Posterior
from .attention import KeyValue, NormKind, attend
from .autoencoder_blocks import FieldDecoder, PointEncoder, Transformer


class ShapeAutoencoder(ModelMixin, ConfigMixin):
    """Points to latent (`encode`), latent to tokens (`decode`), tokens to field values (`query`).

    The defaults are the published 2.1 configuration; tensor names are the published ones. `encoder_layers` of 0
    makes a decoder only, as the 2.0 family's files hold.
    """

    _supports_gradient_checkpointing = True
    _no_split_modules = ["SelfBlock", "CrossBlock"]
    _repeated_blocks = ["SelfBlock", "CrossBlock"]

    @register_to_config
    def __init__(
        self,
        width: int = 1024,
        heads: int = 16,
        encoder_layers: int = 8,
        decoder_layers: int = 16,
        latent_width: int = 64,
        frequencies: int = 8,
        include_pi: bool = False,
        point_features: int = 4,
        qkv_bias: bool = False,
        head_norm: NormKind = "layer",
        field_width: int = 1024,
        field_expansion: int = 4,
        field_head_norm: NormKind = "layer",
        field_last_norm: bool = True,
        scale_factor: float = 1.0039506158752403,
    ):
        """`scale_factor` times a latent of `encode` is what the denoiser works on."""
        super().__init__()
        embedding_width = 3 + 6 * frequencies
        if encoder_layers:
            self.encoder = PointEncoder(
                width, heads, encoder_layers, embedding_width + point_features, qkv_bias, head_norm
            )
            self.pre_kl = nn.Linear(width, 2 * latent_width)
        self.post_kl = nn.Linear(latent_width, width)
        self.transformer = Transformer(width, heads, decoder_layers, qkv_bias, head_norm)
        self.geo_decoder = FieldDecoder(
            field_width, width, heads * field_width // width, field_expansion, embedding_width,
            bias=qkv_bias, norm=field_head_norm, last_norm=field_last_norm,
        )
        self.gradient_checkpointing = False

    @property
    def can_encode(self) -> bool:
        """Whether the weights hold the encoder too."""
        return bool(self.config.encoder_layers)

    @apply_forward_hook
    def encode(self, points: Tensor, features: Tensor, query_index: Tensor) -> Posterior:
        """Posterior of a surface's latent, float32 `[B, N, latent_width]`.

        `points [B, P, 3]` lie on the surface, `features [B, P, point_features]` are their normals and whether they
        lie on a sharp edge (1) or not (0). The tokens start from the points that `query_index [B, N]` (int64) picks.
        """
        encoder = self.encoder
        embedded = encoder.input_proj(torch.cat([self._embed(points), features.to(self.dtype)], dim=-1))
        queries = embedded.take_along_dim(query_index.unsqueeze(-1), dim=1)
        x = encoder.cross_attn(queries, encoder.cross_attn.key_value(embedded))
        for block in encoder.self_attn.resblocks:
            x = self._run(block, x)
        mean, log_variance = self.pre_kl(encoder.ln_post(x)).float().chunk(2, dim=-1)
        return Posterior(mean, log_variance.clamp(-30, 20))

    @apply_forward_hook
    def decode(self, latent: Tensor, on_layer: Callable[[int, int], None] | None = None) -> Tensor:
        """Tokens `[B, N, width]` of an encoder's latent `[B, N, latent_width]`, any N.

        `on_layer(done, of)` is called after every layer and may raise to give up.
        """
        x = self.post_kl(latent.to(self.dtype))
        blocks = self.transformer.resblocks
        for done, block in enumerate(blocks, start=1):
            x = self._run(block, x)
            if on_layer is not None:
                on_layer(done, len(blocks))
        return x

    @apply_forward_hook
    def field_context(self, tokens: Tensor) -> KeyValue:
        """Keys and values of `tokens [B, N, width]`, once for a shape, for `query`."""
        return self.geo_decoder.key_value(tokens)

    @apply_forward_hook
    def query(self, points: Tensor, context: KeyValue) -> Tensor:
        """Field, float32 `[B, P]`, at `points [B, P, 3]`, positive inside.

        Points are independent of each other, so any chunking gives the same values.
        """
        embedded = self.geo_decoder.query_proj(self._embed(points))
        mixed = attend(self.geo_decoder.cross_attn_decoder.query(embedded), context)
        return self.geo_decoder.finish(embedded, mixed).float()

    @apply_forward_hook
    def field_queries(self, points: Tensor) -> Tensor:
        """Only the attention's queries `[B, P, heads, D]` at `points [B, P, 3]`."""
        return self.geo_decoder.cross_attn_decoder.query(self.geo_decoder.query_proj(self._embed(points)))

    def forward(
        self, points: Tensor, features: Tensor, query_index: Tensor, field_points: Tensor,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Posterior]:
        """Training pass: encode, draw, decode, field `[B, P]` at `field_points [B, P, 3]`, and the posterior."""
        posterior = self.encode(points, features, query_index)
        tokens = self.decode(posterior.sample(generator))
        return self.query(field_points, self.field_context(tokens)), posterior

    def _embed(self, points: Tensor) -> Tensor:
        return fourier_features(points, self.config.frequencies, include_pi=self.config.include_pi).to(self.dtype)

    def _run(self, block: nn.Module, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() and self.gradient_checkpointing:
            return self._gradient_checkpointing_func(block, x)
        return block(x)
