# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the pipelines: every folder here with a `spec.py`. Free of torch, so Blender can ask too."""

import importlib
from functools import cache
from pathlib import Path

from .. import pipelines
from ..contract import BadInput, PipelineSpec


@cache
def trainable() -> tuple[str, ...]:
    """Names of the pipelines that have a training recipe, in alphabetical order. The installed extension has none."""
    return tuple(sorted(path.parents[1].name for path in Path(__file__).parent.glob("*/training/recipe.py")))


@cache
def specs() -> dict[str, PipelineSpec]:
    """All pipelines' specs by name, in alphabetical order."""
    folders = sorted(path.parent.name for where in pipelines.__path__ for path in Path(where).glob("*/spec.py"))
    return {name: importlib.import_module(f".{name}.spec", __package__).SPEC for name in folders}


def use_folder(path: Path | None) -> None:
    """TEMP"""
    del pipelines.__path__[1:]
    if path is not None:
        pipelines.__path__.append(str(path))
    specs.cache_clear()


def spec(pipeline: str) -> PipelineSpec:
    """The spec of one pipeline. Raises BadInput when there is none of that name."""
    if pipeline not in specs():
        raise BadInput(f"There is no pipeline '{pipeline}'.", f"Known are {', '.join(specs())}.",
                       "Update Meshwright and its runtime together.")
    return specs()[pipeline]


SHARED = "shared"
if "MESHWRIGHT_PIPELINES" in __import__("os").environ:
    use_folder(Path(__import__("os").environ["MESHWRIGHT_PIPELINES"]))
