# SPDX-License-Identifier: GPL-3.0-or-later
"""A network from a folder that `save_pretrained` wrote, strictly: the libraries themselves make up what a file lacks,
and only log it."""

from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers import ModelMixin

from .checkpoint import check_finite
from .checkpoint_shapes import NAMED, Origin, absent, stored_shapes

Network = TypeVar("Network")

SAVED = Origin("Install Meshwright again, or copy the whole folder of weights there again.")


def read_saved(
    kind: type[Network], folder: Path, dtype: torch.dtype = torch.float32, origin: Origin = SAVED
) -> Network:
    """The network of this class in the folder, ready for inference; nothing is fetched.

    Args:
        kind: a class of diffusers' or transformers' form.
        folder: with its configuration and its tensors as safetensors.
        dtype: of its tensors in memory.
        origin: whose weights they are.

    Raises:
        CheckpointError: a file is missing or damaged, lacks a tensor, has one of another shape, or values that are not
            numbers.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise absent(folder / "model.safetensors", origin)
    for path in files:
        stored_shapes(path, origin)
    library: Any = kind
    network, found = library.from_pretrained(
        folder, local_files_only=True, use_safetensors=True, output_loading_info=True, ignore_mismatched_sizes=True,
        **{"torch_dtype" if issubclass(kind, ModelMixin) else "dtype": dtype},
    )
    wrong = [f"{name} is missing" for name in sorted(found["missing_keys"])]
    wrong += [f"{name} has shape {list(shape)} instead of {list(expected)}"
              for name, shape, expected in sorted(found["mismatched_keys"])]
    if wrong:
        more = f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        raise origin.error(f"The weights in {folder.name} are not the expected ones.",
                           f"{'; '.join(wrong[:NAMED])}{more}.")
    check_finite(folder.name, network.state_dict(), origin)
    network.requires_grad_(False)
    return network.eval()
