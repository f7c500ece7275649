# SPDX-License-Identifier: GPL-3.0-or-later
"""DINOv2 of any size from its published folder."""

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import safe_open
from transformers import Dinov2Config, Dinov2Model

from ...contract.reports import ignore
from .checkpoint_shapes import Shapes, check_shapes, read_manifest, stored_shapes

MANIFESTS = Path(__file__).parent / "manifests"


def encoder_shapes(name: str) -> Shapes:
    """Name and shape of every tensor of a published encoder ("dinov2-giant")."""
    return read_manifest(MANIFESTS / f"{name}.json")


def load_image_encoder(
    folder: Path, published: Shapes, dtype: torch.dtype, on_tensor: Callable[[], None] = ignore
) -> Dinov2Model:
    """DINOv2 on the CPU from a local folder in transformers' format; nothing is fetched.

    `published` are the shapes that its file must have. `on_tensor` is called before each tensor and may raise to give
    up. Raises CheckpointError.
    """
    path = folder / "model.safetensors"
    shapes = stored_shapes(path)
    check_shapes(path.name, shapes, published)
    tensors = {}
    with safe_open(path, "pt") as file:
        for name in shapes:
            on_tensor()
            tensors[name] = file.get_tensor(name).to(dtype)
    config = Dinov2Config.from_pretrained(folder, local_files_only=True)
    # Only from_pretrained knows how the published names became the installed version's.
    model = Dinov2Model.from_pretrained(None, config=config, state_dict=tensors, dtype=dtype)
    return model.requires_grad_(False).eval()
