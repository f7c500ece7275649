# SPDX-License-Identifier: GPL-3.0-or-later
"""Loading the published checkpoints unchanged.

Strict: every published tensor must be there in its shape before anything runs. A wrong file would give noise without
an error.
"""

from functools import partial
from pathlib import Path

import torch

from ...contract.reports import LoadReport, ignore
from ..common.checkpoint import StoredTensors, empty, fill, open_tensors
from ..common.checkpoint_shapes import Shapes, read_manifest
from ..common.image_encoder import encoder_shapes, load_image_encoder
from ..common.memory import available_device
from ..common.sampler import flow_scheduler
from .autoencoder import PartPackerAutoencoder
from .denoiser import PartPackerDenoiser
from .pipeline import PartPackerPipeline

WRAPPER, DENOISER_PREFIX = "model.", "dit."
MANIFESTS = Path(__file__).parent / "manifests"


def load_published(
    folder: Path,
    image_encoder_folder: Path,
    dtype: torch.dtype,
    device: torch.device | str,
    autoencoder_device: torch.device | str | None = None,
    report: LoadReport = ignore,
) -> PartPackerPipeline:
    """The published pipeline from `flow.pt` and `vae.pt` in `folder` and DINOv2 giant, ready to run on `device`.

    Stored tensors may have any dtype. The autoencoder goes to its own device if that is there. Raises CheckpointError.
    """
    second = available_device(autoencoder_device, device)
    weights = open_denoiser(folder / "flow.pt")
    denoiser = fill(empty(PartPackerDenoiser), weights, dtype, device, partial(report, "denoiser"))
    weights = open_autoencoder(folder / "vae.pt")
    autoencoder = fill(empty(PartPackerAutoencoder), weights, dtype, second, partial(report, "autoencoder"))
    image_encoder = load_image_encoder(
        image_encoder_folder, encoder_shapes("dinov2-giant"), dtype, partial(report, "image encoder")
    )
    return PartPackerPipeline(image_encoder.to(device), denoiser, autoencoder, flow_scheduler())


def published_shapes(name: str) -> Shapes:
    """Name and shape of every published tensor of `flow` or `vae`."""
    return read_manifest(MANIFESTS / f"{name}.json")


def open_denoiser(path: Path) -> StoredTensors:
    """The denoiser's tensors in `flow.pt`, under the module's own names. Raises CheckpointError."""
    return _open(path).checked(published_shapes("flow")).under(DENOISER_PREFIX)


def open_autoencoder(path: Path) -> StoredTensors:
    """The autoencoder's tensors in `vae.pt`. Raises CheckpointError."""
    return _open(path).checked(published_shapes("vae"))


def _open(path: Path) -> StoredTensors:
    """A state dict, with or without a `model` key around it."""
    stored = open_tensors(path)
    return stored.under(WRAPPER) if any(name.startswith(WRAPPER) for name in stored.shapes) else stored
