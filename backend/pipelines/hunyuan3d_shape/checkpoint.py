# SPDX-License-Identifier: GPL-3.0-or-later
"""Loading the published checkpoints unchanged (docs/algorithms/hunyuan3d_shape.md, "Checkpoints").

Strict: the sizes of the networks are read from the tensors, and then every tensor must be there in its shape before
anything runs; a wrong file would give noise without an error.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from transformers import Dinov2Config, Dinov2Model

from ...contract.reports import LoadReport, ignore
from ..common.checkpoint import Network, StoredTensors, empty, fill, open_tensors, shapes_of
from ..common.checkpoint_shapes import PUBLISHED, CheckpointError, Shapes
from . import configurations
from .autoencoder import ShapeAutoencoder
from .image_encoder_names import current_tensors
from .mixture_denoiser import MixtureDenoiser
from .pipeline import Denoiser, HunyuanShapePipeline
from .published_configuration import read_configuration
from .scheduler import ShapeScheduler
from .two_stream_denoiser import TwoStreamDenoiser
from .variants import CONFIGURATION, LIGHT_FILE, Variant

DENOISER, AUTOENCODER, IMAGE_ENCODER = "model.", "vae.", "conditioner.main_image_encoder.model."
"""How the names of each network's tensors begin in a checkpoint of all three."""


def load_published(
    folder: Path, variant: Variant, dtype: torch.dtype, device: torch.device | str, report: LoadReport = ignore
) -> HunyuanShapePipeline:
    """The pipeline of a published form from its files in `folder`, ready to run on `device`. Raises CheckpointError.

    `report` is called before every tensor and may raise to give up.
    """
    variant = read_configuration(folder / CONFIGURATION, variant)
    stored = open_tensors(folder / variant.file)
    latent_source = open_tensors(folder / LIGHT_FILE) if variant.light_decoder else stored.under(AUTOENCODER)

    def placed(network: Network, tensors: StoredTensors, name: str) -> Network:
        return fill(network, tensors, dtype, device, partial(report, name))

    return HunyuanShapePipeline(
        denoiser=placed(*open_denoiser(stored.under(DENOISER), variant), "denoiser"),
        autoencoder=placed(*open_autoencoder(latent_source, variant), "autoencoder"),
        image_encoder=placed(*open_image_encoder(stored.under(IMAGE_ENCODER)), "image encoder"),
        scheduler=ShapeScheduler(variant.schedule, anchors=variant.anchors),
        tokens=variant.tokens,
        image_size=variant.image_size,
        encoder_size=variant.encoder_size,
        named_views=variant.named_views,
    )


def open_denoiser(stored: StoredTensors, variant: Variant) -> tuple[Denoiser, StoredTensors]:
    """The denoiser, empty, in the form that its tensors say, and its tensors. Raises CheckpointError."""
    if variant.single_depth:
        expected = {
            "depth": variant.depth, "single_depth": variant.single_depth,
            "guidance_embedding": variant.guidance_embedded,
        }
        return _checked(stored, TwoStreamDenoiser, configurations.two_stream_denoiser, expected)
    return _checked(stored, MixtureDenoiser, configurations.mixture_denoiser, {"depth": variant.depth})


def open_autoencoder(stored: StoredTensors, variant: Variant) -> tuple[ShapeAutoencoder, StoredTensors]:
    """The autoencoder, with its encoder only where the file holds that. Raises CheckpointError."""
    make = partial(ShapeAutoencoder, scale_factor=variant.scale_factor)
    return _checked(stored, make, configurations.autoencoder, {})


def open_image_encoder(stored: StoredTensors) -> tuple[Dinov2Model, StoredTensors]:
    """DINOv2, whose tensors have the names of transformers 4 in the file. Raises CheckpointError."""
    return _checked(
        stored, lambda **options: Dinov2Model(Dinov2Config(**options)), configurations.image_encoder, {},
        current_tensors,
    )


def _checked(
    stored: StoredTensors,
    make: Callable[..., Network],
    read: Callable[[Shapes], Mapping[str, object]],
    expected: Mapping[str, object],
    renamed: Callable[[StoredTensors], StoredTensors] = lambda stored: stored,
) -> tuple[Network, StoredTensors]:
    """An empty network in the form that `read` finds in the shapes, and its tensors, all of which fit."""
    try:
        found = read(stored.shapes)
    except (LookupError, ValueError) as error:
        tensor = error.args[0] if error.args else "A tensor"
        raise _wrong(stored, f"{tensor} is missing or has another shape.") from error
    for name, value in expected.items():
        if found[name] != value:
            raise _wrong(stored, f"Its {name.replace('_', ' ')} is {found[name]} instead of {value}.")
    network = empty(lambda: make(**found))
    return network, renamed(stored).checked(shapes_of(network))


def _wrong(stored: StoredTensors, why: str) -> CheckpointError:
    return PUBLISHED.error(f"{stored.file} does not contain the expected weights.", why)
