# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading tensors from a pickled checkpoint that also holds objects of its authors' own classes.

torch's restricted unpickler reads it, which runs nothing but the rebuilding of tensors. Training scripts often store
their settings along with the weights; classes that the unpickler does not know become empty stand-ins.
"""

import pickle
from pathlib import Path
from typing import Any

import torch
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from .checkpoint_shapes import absent, damaged


class StandIn:
    """Takes the place of an unknown class. Whatever it is given is thrown away."""

    def __init__(self, *_arguments: object, **_options: object) -> None:
        pass

    def __setstate__(self, _state: object) -> None:
        pass


def read_pickled(path: Path) -> Any:
    """The content of a checkpoint that `torch.save` wrote, with a `StandIn` for each object of an unknown class.

    Tensors are mapped from the file and read when they are used. Raises CheckpointError.
    """
    if not path.is_file():
        raise absent(path)
    try:
        # A class of its own for each name: the unpickler looks stand-ins up by their identity.
        unknown = get_unsafe_globals_in_checkpoint(path)
        stand_ins: list[Any] = [(type("StandIn", (StandIn,), {}), name) for name in unknown]
        with safe_globals(stand_ins):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, OSError, AttributeError) as error:
        raise damaged(path, error) from error
