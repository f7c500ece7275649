# SPDX-License-Identifier: GPL-3.0-or-later
"""Loading the published checkpoints unchanged (docs/algorithms/hunyuan3d_shape.md, "Checkpoints").

Strict: the sizes of the networks are read from the tensors, and then every tensor must be there in its shape before
anything runs; a wrong file would give noise without an error. Nothing in a file is executed (`weights_only=True`).
"""

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import safe_open
from torch import Tensor, nn
from transformers import Dinov2Config, Dinov2Model

from ...contract.reports import LoadReport, ignore
from ..common.checkpoint_shapes import PUBLISHED, Shapes, absent, check_shapes, damaged, stored_shapes
from . import configurations
from .autoencoder import ShapeAutoencoder
from .image_encoder_names import current_names
from .mixture_denoiser import MixtureDenoiser
from .pipeline import Denoiser, HunyuanShapePipeline
from .published_configuration import read_configuration
from .scheduler import ShapeScheduler
from .two_stream_denoiser import TwoStreamDenoiser
from .variants import CONFIGURATION, LIGHT_FILE, Variant

Network = TypeVar("Network", bound=nn.Module)
DENOISER, AUTOENCODER, IMAGE_ENCODER = "model.", "vae.", "conditioner.main_image_encoder.model."
"""How the names of each network's tensors begin in a checkpoint of all three."""


@dataclass(frozen=True)
class Stored:
    """The tensors of one network in a file: their shapes, and a way to read each."""

    file: str
    shapes: Shapes
    read: Callable[[str], Tensor]

    def under(self, prefix: str) -> "Stored":
        """Those whose names begin with `prefix`, without it."""
        shapes = {name.removeprefix(prefix): shape for name, shape in self.shapes.items() if name.startswith(prefix)}
        return Stored(self.file, shapes, lambda name: self.read(prefix + name))


def load_published(
    folder: Path, variant: Variant, dtype: torch.dtype, device: torch.device | str, report: LoadReport = ignore
) -> HunyuanShapePipeline:
    """The pipeline of a published form from its files in `folder`, ready to run on `device`. Raises CheckpointError.

    `report` is called before every tensor and may raise to give up.
    """
    variant = read_configuration(folder / CONFIGURATION, variant)
    stored = open_checkpoint(folder / variant.file)
    latent_source = open_checkpoint(folder / LIGHT_FILE) if variant.light_decoder else stored.under(AUTOENCODER)
    place = partial(_placed, dtype=dtype, device=device)
    denoiser = place(*build_denoiser(stored.under(DENOISER), variant), report=partial(report, "denoiser"))
    autoencoder = place(*build_autoencoder(latent_source, variant), report=partial(report, "autoencoder"))
    image_encoder = place(*build_image_encoder(stored.under(IMAGE_ENCODER)), report=partial(report, "image encoder"))
    return HunyuanShapePipeline(
        image_encoder, denoiser, autoencoder, ShapeScheduler(variant.schedule, anchors=variant.anchors),
        tokens=variant.tokens, image_size=variant.image_size, encoder_size=variant.encoder_size,
        named_views=variant.named_views,
    )


def open_checkpoint(path: Path) -> Stored:
    """The tensors of a safetensors file, or of a pickle with or without a level of networks. Raises CheckpointError.

    Tensors are mapped from the file and read when they are used.
    """
    if path.suffix == ".safetensors":
        shapes = stored_shapes(path)
        file = safe_open(path, "pt")
        return Stored(path.name, shapes, file.get_tensor)
    if not path.is_file():
        raise absent(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, OSError) as error:
        raise damaged(path, error) from error
    if not isinstance(content, Mapping):
        raise PUBLISHED.error(f"{path.name} does not hold the weights that belong there.",
                              f"It holds a {type(content).__name__} and not named tensors.")
    tensors = dict(_flat(content))
    return Stored(path.name, {name: tuple(tensor.shape) for name, tensor in tensors.items()}, tensors.__getitem__)


def _flat(content: Mapping[Any, Any]) -> list[tuple[str, Tensor]]:
    """Tensors under their full names: a key that holds another mapping becomes the start of its names."""
    flat: list[tuple[str, Tensor]] = []
    for key, value in content.items():
        if isinstance(value, Mapping):
            flat += [(f"{key}.{name}", tensor) for name, tensor in _flat(value)]
        elif isinstance(value, Tensor):
            flat.append((str(key), value))
    return flat


def build_denoiser(stored: Stored, variant: Variant) -> tuple[Denoiser, Stored]:
    """The denoiser on the meta device, in the form that its tensors say; with the tensors, all of which fit."""
    two_stream = variant.single_depth > 0
    expected = {"depth": variant.depth}
    if two_stream:
        expected |= {"single_depth": variant.single_depth, "guidance_embedding": variant.guidance_embedded}
        configuration = _configuration(configurations.two_stream_denoiser, stored, expected)
        return _empty(stored, lambda: TwoStreamDenoiser(**configuration))
    configuration = _configuration(configurations.mixture_denoiser, stored, expected)
    return _empty(stored, lambda: MixtureDenoiser(**configuration))


def build_autoencoder(stored: Stored, variant: Variant) -> tuple[ShapeAutoencoder, Stored]:
    """The autoencoder, with its encoder only where the file holds that."""
    configuration = _configuration(configurations.autoencoder, stored, {})
    return _empty(stored, lambda: ShapeAutoencoder(**configuration, scale_factor=variant.scale_factor))


def build_image_encoder(stored: Stored) -> tuple[Dinov2Model, Stored]:
    """DINOv2; its tensors are read under the names of transformers 4."""
    configuration = _configuration(configurations.image_encoder, stored, {})
    with torch.device("meta"):
        model = Dinov2Model(Dinov2Config(**configuration))
    shapes = current_names({name: torch.empty(shape, device="meta") for name, shape in stored.shapes.items()})
    check_shapes(stored.file, _shapes(shapes), _shapes(model.state_dict()))
    return model, stored


def _configuration(
    read: Callable[[Shapes], dict[str, Any]], stored: Stored, expected: Mapping[str, object]
) -> dict[str, Any]:
    """What `read` finds in the shapes, which must agree with what is expected."""
    try:
        found = read(stored.shapes)
    except (LookupError, ValueError) as error:
        tensor = error.args[0] if error.args else "A tensor"
        raise PUBLISHED.error(f"{stored.file} does not hold the weights that belong there.",
                              f"{tensor} is missing or has another shape.") from error
    for name, value in expected.items():
        if found[name] != value:
            raise PUBLISHED.error(f"{stored.file} does not hold the weights that belong there.",
                                  f"Its {name.replace('_', ' ')} is {found[name]} instead of {value}.")
    return found


def _empty(stored: Stored, make: Callable[[], Network]) -> tuple[Network, Stored]:
    """A network without memory; CheckpointError where its tensors do not fit."""
    with torch.device("meta"):
        model = make()
    check_shapes(stored.file, stored.shapes, _shapes(model.state_dict()))
    return model, stored


def _shapes(tensors: Mapping[str, Tensor]) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _placed(
    model: Network, stored: Stored, *, dtype: torch.dtype, device: torch.device | str, report: Callable[[], None]
) -> Network:
    """The network with its tensors on the device: memory holds them once."""
    tensors = {}
    for name in stored.shapes:
        report()
        tensors[name] = stored.read(name).to(device, dtype)
    if isinstance(model, Dinov2Model):
        tensors = current_names(tensors)
    names = model.state_dict().keys()
    model.load_state_dict({name: tensors[name] for name in names}, assign=True)
    return model.requires_grad_(False).eval()
