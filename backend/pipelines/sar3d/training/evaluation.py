# SPDX-License-Identifier: GPL-3.0-or-later
"""Held-out numbers while training: what the autoencoder keeps, what prompts and images become."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from ....procedural.primitives import ObjectBatch
from ....training.field_points import grid_points, intersection_over_union
from ..fields import DensityField
from ..generation import TokenGenerator
from ..sampling import SamplingSettings
from ..surfaces import DENSITY_LEVEL
from ..transformer import Condition
from ..triplane_decoder import TriplaneDecoder
from .learning import ConditionedTransformer, GridAutoencoder, encode_pool
from .pool import field_target
from .presets import TrainingPreset

GENERATED_AT_ONCE = 24
TOP_K, TOP_P = 10, 0.5


@dataclass(frozen=True)
class HeldOut:
    """Held-out objects, and which cells of the grid are inside of them, bool [B, G, G, G] in Blender's frame."""

    objects: ObjectBatch
    inside: Tensor

    @classmethod
    def of(cls, objects: ObjectBatch, grid: int) -> HeldOut:
        """Find the inside of every object."""
        points = grid_points(grid, objects.center.device)
        pieces = [field_target(objects, part.expand(len(objects), -1, -1), 1.0) < 0 for part in points.split(1 << 14)]
        return cls(objects, torch.cat(pieces, dim=1).unflatten(1, (grid,) * 3))


@torch.no_grad()
def decoded_inside(decoder: TriplaneDecoder, latent: Tensor, grid: int) -> Tensor:
    """Which cells of the grid are inside of decoded objects, bool [B, G, G, G]."""
    places = (torch.arange(grid, device=latent.device) + 0.5) / grid * 2 - 1
    triplane = decoder(latent)
    field = cast(DensityField, decoder.field)
    axis = places * (field.box / 2)
    return torch.cat([field.density_grid(one[None], axis) > DENSITY_LEVEL for one in triplane])


def silhouettes(inside: Tensor) -> Tensor:
    """The three outlines of solids bool [B, G, G, G], along each axis: bool [B, 3, G, G]."""
    return torch.stack([inside.any(dim=axis) for axis in (1, 2, 3)], dim=1)


def silhouette_matches(made: Tensor, families: Tensor, references: HeldOut) -> Tensor:
    """Whether the reference whose silhouettes overlap most with each made solid's is of the wanted family, bool [B]."""
    own, known = silhouettes(made).flatten(2).float(), silhouettes(references.inside).flatten(2).float()
    shared = torch.einsum("bvp,rvp->brv", own, known)
    both = own.sum(-1)[:, None] + known.sum(-1)[None] - shared
    nearest = (shared / both.clamp_min(1)).mean(-1).argmax(dim=1)
    return references.objects.family[nearest].long().cpu() == families.cpu()


@torch.no_grad()
def autoencoder_metrics(autoencoder: GridAutoencoder, held_out: HeldOut, preset: TrainingPreset) -> dict[str, float]:
    """Overlap of reconstructed objects with the true ones, and the share of codes in use."""
    tokens = encode_pool(autoencoder, held_out.objects, preset).long()
    latent = autoencoder.decoder.quantize.decode(tokens)
    made = decoded_inside(autoencoder.decoder, latent, preset.evaluation_grid)
    overlap = intersection_over_union(made.flatten(1), held_out.inside.flatten(1))
    used = len(tokens.unique()) / len(autoencoder.decoder.quantize.embedding.weight)
    return {"iou": float(overlap.mean()), "iou_worst": float(overlap.min()), "codes_used": used}


@torch.no_grad()
def generate(
    model: ConditionedTransformer, decoder: TriplaneDecoder, given: Tensor, nothing: Tensor, preset: TrainingPreset
) -> Tensor:
    """Which cells are inside of objects generated from prompts or images `given [B, ...]`, bool [B, G, G, G]."""
    settings = SamplingSettings(preset.evaluation_guidance, TOP_K, TOP_P)
    null, made = model.condition(nothing[None]), []
    for part in given.split(GENERATED_AT_ONCE):
        condition = Condition(*model.condition(part))
        # A generator a part: on a GPU its graphs would hold on to weights that training changes.
        generator = TokenGenerator(model.transformer, decoder.quantize, len(part), condition.tokens.shape[1], settings,
                                   recorded=False)
        latent = generator.run(condition, null, range(len(part))).latent
        made.append(decoded_inside(decoder, latent, preset.evaluation_grid))
    return torch.cat(made)
