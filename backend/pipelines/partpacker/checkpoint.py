# SPDX-License-Identifier: GPL-3.0-or-later
"""Loading the published checkpoints unchanged (spec section 4).

Strict: every published tensor must be there in its shape before anything is computed. A wrong file would give noise
without an error. Nothing in a file is executed (`weights_only=True`).
"""

import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from diffusers.models.modeling_utils import ModelMixin
from safetensors import safe_open
from torch import Tensor
from transformers import Dinov2Config, Dinov2Model

from ...contract.reports import LoadReport, ignore
from ..common.checkpoint_shapes import PUBLISHED, Shapes, absent, check_shapes, damaged, read_manifest, stored_shapes
from ..common.sampler import flow_scheduler
from .autoencoder import PartPackerAutoencoder
from .denoiser import PartPackerDenoiser
from .pipeline import PartPackerPipeline, available_device

Model = TypeVar("Model", bound=ModelMixin)
DENOISER_PREFIX = "dit."
MANIFESTS = Path(__file__).parent / "manifests"


def load_published(
    folder: Path,
    dtype: torch.dtype,
    device: torch.device | str,
    autoencoder_device: torch.device | str | None = None,
    report: LoadReport = ignore,
) -> PartPackerPipeline:
    """The published pipeline from `flow.pt`, `vae.pt` and `dinov2-giant/` in `folder`, ready to run on `device`.

    Stored tensors may have any dtype. The autoencoder goes to its own device if that is there. Raises CheckpointError.
    """
    second = available_device(autoencoder_device, device)
    weights = read_denoiser_weights(folder / "flow.pt")
    denoiser = build_model(PartPackerDenoiser, weights, dtype, device, partial(report, "denoiser"))
    weights = read_autoencoder_weights(folder / "vae.pt")
    autoencoder = build_model(PartPackerAutoencoder, weights, dtype, second, partial(report, "autoencoder"))
    image_encoder = load_image_encoder(folder / "dinov2-giant", dtype, partial(report, "image encoder")).to(device)
    return PartPackerPipeline(image_encoder, denoiser, autoencoder, flow_scheduler())


def published_shapes(name: str) -> Shapes:
    """Name and shape of every published tensor of `flow`, `vae` or `dinov2-giant`."""
    return read_manifest(MANIFESTS / f"{name}.json")


def read_denoiser_weights(path: Path) -> dict[str, Tensor]:
    """State dict of the denoiser from `flow.pt`, under the module's own names."""
    weights = _read_checked(path, published_shapes("flow"))
    return {name.removeprefix(DENOISER_PREFIX): tensor for name, tensor in weights.items()}


def read_autoencoder_weights(path: Path) -> dict[str, Tensor]:
    """State dict of the autoencoder from `vae.pt`."""
    return _read_checked(path, published_shapes("vae"))


def build_model(
    model_class: type[Model],
    weights: dict[str, Tensor],
    dtype: torch.dtype,
    device: torch.device | str,
    on_tensor: Callable[[], None] = lambda: None,
) -> Model:
    """The model in its published configuration around `weights`, which it takes over: memory holds them once.

    `on_tensor` is called before every tensor and may raise to give up.
    """
    with torch.device("meta"):
        model = model_class()
    placed = {}
    for name in list(weights):
        on_tensor()
        placed[name] = weights.pop(name).to(device, dtype)
    model.load_state_dict(placed, assign=True)
    return model.requires_grad_(False).eval()


def load_image_encoder(
    folder: Path, dtype: torch.dtype, on_tensor: Callable[[], None] = lambda: None
) -> Dinov2Model:
    """DINOv2 giant from a local folder in transformers' format; nothing is fetched. `on_tensor` as above."""
    path = folder / "model.safetensors"
    shapes = stored_shapes(path)
    check_shapes(path.name, shapes, published_shapes("dinov2-giant"))
    tensors = {}
    with safe_open(path, "pt") as file:
        for name in shapes:
            on_tensor()
            tensors[name] = file.get_tensor(name).to(dtype)
    config = Dinov2Config.from_pretrained(folder, local_files_only=True)
    # Only from_pretrained knows how the published names became the installed version's.
    model = Dinov2Model.from_pretrained(None, config=config, state_dict=tensors, dtype=dtype)
    return model.requires_grad_(False).eval()


def _read_checked(path: Path, expected: Shapes) -> dict[str, Tensor]:
    """The expected tensors of a pickled state dict, with or without a `model` key around it."""
    if not path.is_file():
        raise absent(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, OSError) as error:
        raise damaged(path, error) from error
    if isinstance(content, dict) and isinstance(content.get("model"), dict):
        content = content["model"]
    if not isinstance(content, dict):
        raise PUBLISHED.error(f"{path.name} does not hold the weights that belong there.",
                              f"It holds a {type(content).__name__} and not named tensors.")
    tensors = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    check_shapes(path.name, {name: tuple(tensor.shape) for name, tensor in tensors.items()}, expected)
    return {name: tensors[name] for name in expected}
