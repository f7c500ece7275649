# SPDX-License-Identifier: GPL-3.0-or-later
"""PartPacker's autoencoder: surface points to a set of latent tokens and back to a field.

See docs/algorithms/partpacker.md, section 4.

Frame: the decoder's own ("internal"), the cube [-1, 1]^3 with z up. The field is a truncated signed distance,
positive INSIDE, its surface is the level 0.
"""

from collections.abc import Callable

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils.accelerate_utils import apply_forward_hook
from torch import Tensor, nn

from ..common.fourier_features import fourier_features
from ..common.posterior import Posterior
from .attention import CrossAttentionBlock, KeyValue, SelfAttentionBlock

FieldContext = KeyValue


class PartPackerAutoencoder(ModelMixin, ConfigMixin):
    """Points to latent (`encode`), latent to hidden tokens (`decode`), hidden tokens to field values (`query`).

    The defaults are the published configuration; the module's tensor names are the published ones.
    """

    _supports_gradient_checkpointing = True
    _no_split_modules = ["SelfAttentionBlock", "CrossAttentionBlock"]
    _repeated_blocks = ["SelfAttentionBlock", "CrossAttentionBlock"]

    @register_to_config
    def __init__(
        self,
        width: int = 1024,
        heads: int = 16,
        decoder_layers: int = 24,
        latent_width: int = 64,
        frequencies: int = 8,
    ):
        super().__init__()
        point_channels = 6 * frequencies + 3
        self.proj_input = nn.Linear(point_channels, width)
        self.perceiver = CrossAttentionBlock(width, width, heads)
        self.perceiver_dorases = CrossAttentionBlock(width, width, heads)
        self.norm_down = nn.LayerNorm(width, eps=1e-5)
        self.proj_down_mean = nn.Linear(width, latent_width)
        self.proj_down_std = nn.Linear(width, latent_width)  # published name; it gives the log-variance
        self.proj_up = nn.Linear(latent_width, width)
        self.decoder = nn.ModuleList(SelfAttentionBlock(width, heads) for _ in range(decoder_layers))
        self.proj_query = nn.Linear(point_channels, width)
        self.attn_query = CrossAttentionBlock(width, width, heads)
        self.norm_out = nn.LayerNorm(width, eps=1e-5)
        self.proj_out = nn.Linear(width, 1)
        self.gradient_checkpointing = False

    @apply_forward_hook
    def encode(
        self, points: Tensor, salient_points: Tensor, query_index: Tensor, salient_query_index: Tensor
    ) -> Posterior:
        """Posterior of a surface's latent, `[B, n + m, latent_width]`.

        `points [B, N, 3]` lie evenly on the surface, `salient_points [B, M, 3]` on its sharp edges; the tokens start
        from the points that `query_index [B, n]` and `salient_query_index [B, m]` (int64) pick from the two.
        m may be 0, and so may M (a smooth surface has no sharp edge, a case the published code cannot take): then the
        salient branch's attention adds nothing while its residual and feed-forward stay, so that the queries are
        still counted twice, which is the scale that `norm_down` was trained on.
        """
        surface, edges = self._embed_points(points), self._embed_points(salient_points)
        queries = torch.cat([_pick(surface, query_index), _pick(edges, salient_query_index)], dim=1)
        edge_context = self.perceiver_dorases.key_value(edges) if edges.shape[1] else None
        h = self.perceiver(queries, self.perceiver.key_value(surface)) + self.perceiver_dorases(queries, edge_context)
        h = self.norm_down(h)
        return Posterior(self.proj_down_mean(h).float(), self.proj_down_std(h).float().clamp(-30, 20))

    @apply_forward_hook
    def decode(self, latent: Tensor, on_layer: Callable[[int, int], None] | None = None) -> Tensor:
        """Hidden tokens `[B, L, width]` of ONE volume's latent `[B, L, latent_width]`, any L.

        `on_layer(done, of)` is called after every layer and may raise to give up.
        """
        h = self.proj_up(latent.to(self.dtype))
        for done, block in enumerate(self.decoder, start=1):
            if torch.is_grad_enabled() and self.gradient_checkpointing:
                h = self._gradient_checkpointing_func(block, h)
            else:
                h = block(h)
            if on_layer is not None:
                on_layer(done, len(self.decoder))
        return h

    @apply_forward_hook
    def field_context(self, hidden: Tensor) -> FieldContext:
        """Keys and values of `hidden [B, L, width]`, to be computed once per volume and passed to `query`."""
        return self.attn_query.key_value(hidden)

    @apply_forward_hook
    def query(self, points: Tensor, hidden: Tensor | FieldContext) -> Tensor:
        """Field at `points [B, P, 3]` -> float32 `[B, P]`, positive inside.

        Points are independent of each other, so any chunking gives the same values.
        """
        context = self.attn_query.key_value(hidden) if isinstance(hidden, Tensor) else hidden
        encoding = fourier_features(points, self.config.frequencies, by_axis=True).to(self.dtype)
        h = self.attn_query(self.proj_query(encoding), context)
        return self.proj_out(self.norm_out(h)).squeeze(-1).float()

    def forward(
        self,
        points: Tensor,
        salient_points: Tensor,
        query_index: Tensor,
        salient_query_index: Tensor,
        field_points: Tensor,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Posterior]:
        """Training pass: encode, draw, decode, field `[B, P]` at `field_points [B, P, 3]`, and the posterior."""
        posterior = self.encode(points, salient_points, query_index, salient_query_index)
        hidden = self.decode(posterior.sample(generator))
        return self.query(field_points, hidden), posterior

    def _embed_points(self, points: Tensor) -> Tensor:
        return self.proj_input(fourier_features(points, self.config.frequencies, by_axis=True).to(self.dtype))


def _pick(tokens: Tensor, index: Tensor) -> Tensor:
    """`tokens [B, N, W]` at `index [B, n]` -> `[B, n, W]`."""
    return tokens.take_along_dim(index.unsqueeze(-1), dim=1)
