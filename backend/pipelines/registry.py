# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the pipelines: every folder here with a `spec.py`. Free of torch, so Blender can ask too."""

import importlib
from functools import cache
from pathlib import Path

from ..contract import BadInput, PipelineSpec


@cache
def trainable() -> tuple[str, ...]:
    """Names of the pipelines that have a training recipe, in alphabetical order. The installed extension has none."""
    return tuple(sorted(path.parents[1].name for path in Path(__file__).parent.glob("*/training/recipe.py")))


@cache
def specs() -> dict[str, PipelineSpec]:
    """All pipelines' specs by name, in alphabetical order."""
    folders = sorted(path.parent.name for path in Path(__file__).parent.glob("*/spec.py"))
    return {name: importlib.import_module(f".{name}.spec", __package__).SPEC for name in folders}


def spec(pipeline: str) -> PipelineSpec:
    """The spec of one pipeline. Raises BadInput when there is none of that name."""
    if pipeline not in specs():
        raise BadInput(f"There is no pipeline '{pipeline}'.", f"Known are {', '.join(specs())}.",
                       "Update Meshwright and its runtime together.")
    return specs()[pipeline]
