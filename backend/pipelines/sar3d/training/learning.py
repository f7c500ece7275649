# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stages learn: their modules and their losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, Dinov2Config, Dinov2Model

from ....procedural.primitives import ObjectBatch
from ...common.image_condition import image_tokens
from ..conditions import pooled_condition
from ..fields import COLOR_MARGIN
from ..image_views import SEEN
from ..quantizer import Quantized, ResidualQuantizer
from ..surfaces import DENSITY_LEVEL
from ..transformer import Condition, NextScaleTransformer
from ..triplane_decoder import TriplaneDecoder
from .grid_encoder import GridEncoder
from .pool import COLOR_REACH, field_points, field_target, object_grid, surface_colors
from .presets import TrainingPreset

DROPPED = 0.1
"""Share of the objects whose condition is replaced by that of nothing, for guidance."""
SHARPNESS = 20.0
"""What turns cosines of codes into probabilities of their use."""
COMMITMENT = 0.25


class Reconstruction(NamedTuple):
    """What the autoencoder makes of objects: the field and colors at points, and its two losses."""

    field: Tensor
    colors: Tensor
    commitment: Tensor
    usage: Tensor


class GridAutoencoder(nn.Module):
    """Encoder of grids and the decoder that is kept: one module, so that both train under any parallel wrapper."""

    def __init__(self, preset: TrainingPreset) -> None:
        super().__init__()
        self.decoder = TriplaneDecoder(field_kind="density", sides=preset.sides, **preset.decoder)
        code_width = self.decoder.config["code_width"]
        self.encoder = GridEncoder(preset.grid, preset.sides[-1], preset.encoder_width, code_width)

    def forward(self, grid: Tensor, points: Tensor) -> Reconstruction:
        """Reconstruct objects given as grids `[B, 4, R, R, R]` at `points [B, P, 3]` in [-1, 1]³."""
        latent = self.encoder(grid)
        with torch.autocast(latent.device.type, enabled=False):
            latent, quantizer = latent.float(), self.decoder.quantize
            quantized = quantizer.quantize(latent)
            commitment = quantizer.commitment_loss(latent, quantized, COMMITMENT)
            usage = unused_share(quantizer, latent, quantized)
            passed = latent + (quantized.latents[-1] - latent).detach()
        triplane = self.decoder(passed)
        with torch.autocast(latent.device.type, enabled=False):
            field = self.decoder.field
            density, colors = field(triplane.float(), points * (field.box / 2))
        return Reconstruction(DENSITY_LEVEL - density[..., 0], colors, commitment, usage)


def unused_share(quantizer: ResidualQuantizer, latent: Tensor, quantized: Quantized) -> Tensor:
    """How far the codes' mean use is from even: 0 when all are used alike, 1 when only one is."""
    directions, rest, use = quantizer.unit_codes(), latent, []
    for scale, so_far in enumerate(quantized.latents):
        left = functional.normalize(quantizer.pooled(rest, scale).flatten(2).transpose(1, 2), dim=-1)
        use.append((SHARPNESS * left @ directions.T).softmax(dim=-1).flatten(0, 1))
        rest = latent - so_far
    mean = torch.cat(use).mean(dim=0)
    entropy = -(mean * mean.clamp_min(1e-9).log()).sum()
    return 1 - entropy / torch.log(torch.tensor(float(len(mean))))


class AutoencoderLearning:
    """Absolute error of field and colors, commitment to the codes, and their even use."""

    def __init__(self, objects: ObjectBatch, preset: TrainingPreset) -> None:
        self.objects, self.preset = objects, preset

    def __call__(self, module: nn.Module, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        preset, device = self.preset, self.objects.center.device
        with torch.no_grad():
            chosen = torch.randint(len(self.objects), (preset.autoencoder_stage.batch,), generator=generator,
                                   device=device)
            objects = self.objects[chosen]
            grid = object_grid(objects, preset.grid, preset.truncation)
            points = field_points(objects, preset.points, generator)
            target, colors = field_target(objects, points, preset.truncation), surface_colors(objects, points)
        made = Reconstruction(*module(grid, points))
        # Density is level minus ten distances, so that its slope at the surface does not depend on the truncation.
        field = (made.field / DENSITY_LEVEL).float()
        error = (field - target).abs().mean() + (field - target).square().mean()
        close = (target.abs() * preset.truncation < COLOR_REACH)[..., None]
        off = ((made.colors - colors.clamp(COLOR_MARGIN, 1 - COLOR_MARGIN)).abs() * close).sum()
        color = off / close.sum().clamp_min(1) / 3
        wrong = ((field < 0) != (target < 0)).float().mean()
        loss = error + 0.5 * color + made.commitment + preset.usage_weight * made.usage
        return loss, {"loss_field": error, "loss_color": color, "commitment": made.commitment, "unused": made.usage,
                      "wrong_sign": wrong}


class ConditionedTransformer(nn.Module):
    """The encoder of prompts or images and the transformer as one module: both train together."""

    def __init__(self, encoder: CLIPTextModel | Dinov2Model, transformer: NextScaleTransformer) -> None:
        super().__init__()
        self.encoder, self.transformer = encoder, transformer

    def condition(self, given: Tensor) -> Condition:
        """The condition of token ids `[B, T]`, or of images uint8 `[B, 3, N, N]`."""
        if given.is_floating_point() or given.dtype == torch.uint8:
            pixels = functional.interpolate(given.float() / 255, size=(SEEN, SEEN), mode="bicubic").clamp(0, 1)
            return pooled_condition(image_tokens(self.encoder, pixels))
        output = self.encoder(given)
        return Condition(output.pooler_output.float(), output.last_hidden_state.float())

    def forward(self, given: Tensor, inputs: Tensor) -> Tensor:
        """Logits `[B, L, V]` under teacher forcing with the quantizer's `inputs`."""
        return self.transformer(self.condition(given), inputs)


def new_text_model(preset: TrainingPreset, tokenizer: CLIPTokenizer) -> ConditionedTransformer:
    """An untrained transformer for prompts and its untrained text encoder."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer), bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id, **preset.text_encoder,
    )
    transformer = new_transformer(preset, preset.text_depth, config.hidden_size, condition_first=False)
    return ConditionedTransformer(CLIPTextModel(config), transformer)


def new_image_model(preset: TrainingPreset) -> ConditionedTransformer:
    """An untrained transformer for images and its untrained image encoder."""
    encoder = Dinov2Model(Dinov2Config(**preset.image_encoder))
    unused = encoder.embeddings.mask_token  # it has no part in the condition
    if unused is not None:
        unused.requires_grad_(False)
    transformer = new_transformer(preset, preset.image_depth, encoder.config.hidden_size, condition_first=True)
    return ConditionedTransformer(encoder, transformer)


def new_transformer(
    preset: TrainingPreset, depth: int, condition_width: int, condition_first: bool
) -> NextScaleTransformer:
    """An untrained transformer, with the published initial values that matter: small gates and a small head."""
    transformer = NextScaleTransformer(
        depth=depth, condition_width=condition_width, condition_first=condition_first, sides=preset.sides,
        **preset.transformer,
    )
    width = preset.transformer["width"]
    for module in transformer.modules():
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.trunc_normal_(module.weight, std=(3 * width) ** -0.5)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
    with torch.no_grad():
        transformer.head.weight.mul_(0.02)
        for block in transformer.layers:
            changes = block.ada_lin[1].weight
            changes.mul_(0.5)
            block.ada_lin[1].bias[: 2 * width] = 1.0  # gates begin open: small networks learn faster so
            for last in (block.attn.proj, block.cross_attn.proj, block.ffn.fc2):
                last.weight.div_((2 * depth) ** 0.5)
    return transformer


class TransformerLearning:
    """Cross-entropy of all tokens. The condition is left out now and then."""

    def __init__(
        self, tokens: Tensor, given: Tensor, nothing: Tensor, quantizer: ResidualQuantizer, batch: int
    ) -> None:
        """`tokens [N, L]`; `given [N, K, ...]`: K prompts or images of each object; `nothing`: an empty one."""
        self.tokens, self.given, self.nothing = tokens, given, nothing
        self.quantizer, self.batch = quantizer, batch

    def __call__(self, module: nn.Module, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        device = self.tokens.device
        chosen = torch.randint(len(self.tokens), (self.batch,), generator=generator, device=device)
        variant = torch.randint(self.given.shape[1], (self.batch,), generator=generator, device=device)
        given = self.given[chosen, variant]
        dropped = torch.rand(self.batch, generator=generator, device=device) < DROPPED
        given = torch.where(dropped.view(-1, *[1] * (given.ndim - 1)), self.nothing.to(given.dtype), given)
        tokens = self.tokens[chosen].long()
        with torch.no_grad():
            inputs = self.quantizer.teacher_forcing_input(tokens)
        logits = module(given, inputs).float()
        loss = functional.cross_entropy(logits.flatten(0, 1), tokens.flatten())
        right = (logits.argmax(-1) == tokens).float().mean()
        return loss, {"loss_tokens": loss, "right": right}


@torch.no_grad()
def encode_pool(
    autoencoder: GridAutoencoder, objects: ObjectBatch, preset: TrainingPreset, at_once: int = 256
) -> Tensor:
    """The tokens of objects, int16 [N, L]."""
    quantizer, rows = autoencoder.decoder.quantize, []
    for start in range(0, len(objects), at_once):
        grid = object_grid(objects[start : start + at_once], preset.grid, preset.truncation)
        indices = quantizer.quantize(autoencoder.encoder(grid).float()).indices
        rows.append(quantizer.layout.join(indices).to(torch.int16))
    return torch.cat(rows)


def prompt_ids(tokenizer: CLIPTokenizer, prompts: Sequence[str], length: int) -> Tensor:
    """Token ids int64 [N, length] of prompts, padded with the end token."""
    return tokenizer(list(prompts), padding="max_length", truncation=True, max_length=length,
                     return_tensors="pt").input_ids
