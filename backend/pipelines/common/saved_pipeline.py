# SPDX-License-Identifier: GPL-3.0-or-later
"""A pipeline from a folder that `save_pretrained` wrote."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from diffusers import DiffusionPipeline, SchedulerMixin

from .saved_network import read_saved


class SavedPipeline(DiffusionPipeline):
    """A pipeline whose components' classes are known.

    They are not looked up by the module path in `model_index.json`, which depends on where this package was imported
    from when the folder was saved.
    """

    component_classes: ClassVar[Mapping[str, tuple[type, ...]]] = {}
    """The classes that each component may have."""

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | Path, *, torch_dtype: torch.dtype = torch.float32
    ) -> Self:
        """Load a local folder, without the optional components that it lacks. Nothing is fetched.

        Raises CheckpointError.
        """
        folder = Path(pretrained_model_name_or_path)
        index = json.loads((folder / "model_index.json").read_text("utf-8"))
        given = {name: value for name, value in index.items() if not name.startswith("_")}
        for name, classes in cls.component_classes.items():
            saved = given.pop(name, [None, None])[1]
            if saved is not None or name not in cls._optional_components:
                chosen = next((each for each in classes if each.__name__ == saved), classes[0])
                given[name] = _component(chosen, folder / name, torch_dtype)
        return cls(**given)


def _component(kind: type, folder: Path, dtype: torch.dtype) -> Any:
    if issubclass(kind, SchedulerMixin):
        scheduler: Any = kind
        return scheduler.from_pretrained(folder, local_files_only=True)
    return read_saved(kind, folder, dtype)
