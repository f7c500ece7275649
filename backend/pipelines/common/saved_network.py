# SPDX-License-Identifier: GPL-3.0-or-later
"""A network from a folder that `save_pretrained` wrote, strictly: diffusers and transformers would make up what a file
lacks, and only log it."""

from pathlib import Path
from typing import Any, TypeVar

import torch
from transformers import PreTrainedModel

from .checkpoint_shapes import NAMED, Origin, stored_shapes

Network = TypeVar("Network", bound=torch.nn.Module)

SAVED = Origin("Install Meshwright again, or put the whole folder of weights there again.")


def read_saved(kind: type[Network], folder: Path, dtype: torch.dtype = torch.float32) -> Network:
    """The network of this class in the folder, for inference; nothing is fetched.

    Raises CheckpointError for a file that is damaged, lacks a tensor, or has one of another shape.
    """
    for path in sorted(folder.glob("*.safetensors")):
        stored_shapes(path, SAVED)
    library: Any = kind
    network, found = library.from_pretrained(
        folder, local_files_only=True, output_loading_info=True, ignore_mismatched_sizes=True, use_safetensors=True,
        **({"dtype": dtype} if issubclass(kind, PreTrainedModel) else {"torch_dtype": dtype}),
    )
    wrong = [f"{name} is missing" for name in sorted(found["missing_keys"])]
    wrong += [f"{name} has shape {list(shape)} instead of {list(expected)}"
              for name, shape, expected in sorted(found["mismatched_keys"])]
    if wrong:
        more = f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        raise SAVED.error(f"{folder.name} does not hold the weights that belong there.",
                          f"{'; '.join(wrong[:NAMED])}{more}.")
    return network
