# SPDX-License-Identifier: GPL-3.0-or-later
"""Loading the published checkpoints unchanged (spec section 4).

Strict: every published tensor must be there in its shape before anything is computed. A wrong file would give noise
without an error. Nothing in a file is executed (`weights_only=True`).
"""

import json
import logging
import pickle
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from diffusers.models.modeling_utils import ModelMixin
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import Dinov2Config, Dinov2Model

from ...contract import MeshwrightError, Remedy
from ..reports import LoadReport, ignore
from .autoencoder import PartPackerAutoencoder
from .denoiser import PartPackerDenoiser
from .pipeline import PartPackerPipeline, available_device
from .sampler import flow_scheduler

logger = logging.getLogger(__name__)

Model = TypeVar("Model", bound=ModelMixin)
Shapes = Mapping[str, tuple[int, ...]]
DENOISER_PREFIX = "dit."
MANIFESTS = Path(__file__).parent / "manifests"


class CheckpointError(MeshwrightError):
    """A file of weights is missing, damaged, or holds something else."""


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
    shapes = json.loads((MANIFESTS / f"{name}.json").read_text("utf-8"))
    return {tensor: tuple(shape) for tensor, shape in shapes.items()}


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
    _check_exists(path)
    try:
        with safe_open(path, "pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise _damaged(path, error) from error
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


def check_shapes(file_name: str, found: Shapes, expected: Shapes) -> None:
    """Raise CheckpointError naming the first tensors that are missing or have another shape; extra ones only warn."""
    wrong = [f"{name} is missing" for name in expected if name not in found]
    wrong += [
        f"{name} has shape {list(found[name])} instead of {list(shape)}"
        for name, shape in expected.items()
        if name in found and found[name] != shape
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise CheckpointError(f"{file_name} does not hold the weights that belong there.",
                              f"{'; '.join(wrong[:3])}{more}.", "Download the weights again.", Remedy.DOWNLOAD)
    extra = [name for name in found if name not in expected]
    if extra:
        logger.warning("%s holds %d tensors that are not used, the first is %s", file_name, len(extra), extra[0])


def _read_checked(path: Path, expected: Shapes) -> dict[str, Tensor]:
    """The expected tensors of a pickled state dict, with or without a `model` key around it."""
    _check_exists(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, OSError) as error:
        raise _damaged(path, error) from error
    if isinstance(content, dict) and isinstance(content.get("model"), dict):
        content = content["model"]
    if not isinstance(content, dict):
        raise CheckpointError(f"{path.name} does not hold the weights that belong there.",
                              f"It holds a {type(content).__name__} and not named tensors.",
                              "Download the weights again.", Remedy.DOWNLOAD)
    tensors = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    check_shapes(path.name, {name: tuple(tensor.shape) for name, tensor in tensors.items()}, expected)
    return {name: tensors[name] for name in expected}


def _check_exists(path: Path) -> None:
    if not path.is_file():
        raise CheckpointError(f"{path.name} is not there.", f"The folder {path.parent} does not hold it.",
                              "Download the weights.", Remedy.DOWNLOAD)


def _damaged(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(f"{path.name} cannot be read.", "The file is damaged or was not downloaded completely.",
                           "Download the weights again.", Remedy.DOWNLOAD, details=str(error))
