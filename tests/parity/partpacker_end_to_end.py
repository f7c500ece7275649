# SPDX-License-Identifier: GPL-3.0-or-later
"""PartPacker's fields from networks, and the whole from an image to two surfaces, against golden numbers."""

from collections.abc import Iterator

import torch
from torch import Tensor

from backend.geometry.coarse_to_fine import FieldQuery, evaluate_field
from backend.pipelines.partpacker.autoencoder import PartPackerAutoencoder

from .comparison import FLOAT32_TOLERANCE, Comparison
from .golden import Golden
from .kinds import kind
from .partpacker import load_autoencoder, load_denoiser, load_image_encoder, pipeline_of
from .partpacker_fields import counts_of, same_where_evaluated
from .published.coarse_to_fine import published_grid
from .published.marching_cubes import merged_surface

CHUNK = 8192
"""Points per query of a network's field."""


@kind("partpacker", "grid_network")
def grid_network(golden: Golden) -> Iterator[Comparison]:
    """Grids of a network's field, each named by its resolution and by whether it is dense."""
    autoencoder = load_autoencoder(golden.config, golden.weights())
    hidden = autoencoder.decode(golden.input("latent"))
    for name, expected in golden.with_prefix("out.").items():
        resolution = expected.shape[0] - 1
        smallest = resolution + 1 if name.endswith("_dense") else golden.config["min_resolution"]
        yield from _grids(name, autoencoder, hidden, resolution, smallest, expected)


def _grids(
    name: str, autoencoder: PartPackerAutoencoder, hidden: Tensor, resolution: int, smallest: int, expected: Tensor
) -> Iterator[Comparison]:
    """The published grid, which has NaN, and ours, filled by sign, where the published one is known."""
    query = _field(autoencoder, hidden)
    yield Comparison(name, published_grid(query, resolution, smallest, CHUNK), expected)
    grid = evaluate_field(query, resolution, device="cpu", chunk_size=CHUNK, min_resolution=smallest)
    yield from same_where_evaluated(name, grid, expected, FLOAT32_TOLERANCE)


def _field(autoencoder: PartPackerAutoencoder, hidden: Tensor) -> FieldQuery:
    context = autoencoder.field_context(hidden)
    return lambda points: autoencoder.query(points[None], context)[0]


@kind("partpacker", "end_to_end")
def end_to_end(golden: Golden) -> Iterator[Comparison]:
    """An image to its condition, its latent, both volumes' grids, and the counts of their surfaces."""
    config = golden.config
    autoencoder = load_autoencoder(
        config["vae"], {**golden.sibling("vae_decode").weights(), **golden.weights("vae.")}
    )
    denoiser = load_denoiser(config["dit"], golden.sibling("dit").weights())
    image_encoder = load_image_encoder(config["dino"], golden.sibling("dinov2_cond").weights())
    pipeline = pipeline_of(config, denoiser, image_encoder, autoencoder)
    image = pipeline.prepare_image(golden.input("image_rgba_u8").numpy())
    yield Comparison("cond_image", image, golden.output("cond_image"), 1e-7)
    condition = pipeline.encode_condition(image)
    latent = pipeline.denoise(golden.input("noise"), condition, config["num_steps"], config["cfg_scale"])
    yield Comparison("latent", latent, golden.output("latent"))
    resolution, smallest = config["resolution"], config["min_resolution"]
    for volume, hidden in enumerate(pipeline.decode_volumes(latent)):
        expected = golden.output(f"vol{volume}.grid")
        yield from _grids(f"vol{volume}.grid", autoencoder, hidden, resolution, smallest, expected)
        ours = evaluate_field(
            _field(autoencoder, hidden), resolution, device="cpu", chunk_size=CHUNK, min_resolution=smallest
        )
        # The recorded values where there are any: the last bit of a value near 0 decides about a face.
        merged = merged_surface(torch.where(expected.isfinite(), expected, ours))
        yield Comparison(f"vol{volume}.counts", counts_of(merged), golden.output(f"vol{volume}.counts_trimesh"), 0.0)
