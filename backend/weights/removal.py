# SPDX-License-Identifier: GPL-3.0-or-later
"""Deleting downloaded weights, and the shared models that no installed set needs any more."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..contract import BadInput, Component, PipelineSpec, WeightSet, unwritable_folder
from ..pipelines import registry
from .location import is_complete, set_folder, shared_set
from .shared_files import in_use


@dataclass(frozen=True)
class Removed:
    """What was deleted, as "pipeline · weights", and how many bytes became free."""

    labels: tuple[str, ...]
    bytes: int


def remove(spec: PipelineSpec, weights: WeightSet, models_folder: Path) -> Removed:
    """Delete the files of a set, but those that other installed sets share with it; then every shared model that only
    this set needed. Which licenses were accepted stays on record.

    Raises BadInput for weights that come with Meshwright, that are not installed, or that installed ones need, and
    MeshwrightError where a file cannot be deleted.
    """
    models_folder = Path(models_folder)
    _check(spec, weights, models_folder)
    labels, freed = [f"{spec.label} · {weights.label}"], _delete(spec, weights, models_folder)
    for component in weights.components:
        pair = shared_set(component)
        if set_folder(*pair, models_folder).is_dir() and not list(_users(component, models_folder)):
            labels.append(f"{pair[0].label} · {pair[1].label}")
            freed += _delete(*pair, models_folder)
    return Removed(tuple(labels), freed)


def _check(spec: PipelineSpec, weights: WeightSet, models_folder: Path) -> None:
    name = f"{spec.label} · {weights.label}"
    if weights.bundled:
        raise BadInput(f"{name} cannot be deleted.", "These weights come with Meshwright.", "Leave them.")
    if not set_folder(spec, weights, models_folder).is_dir():
        raise BadInput(f"{name} is not installed.", f"{models_folder} has no file of it.",
                       "There is nothing to delete.")
    folder = set_folder(spec, weights, models_folder)
    if any(in_use(folder / file.local) for file in weights.files):
        raise BadInput(f"{name} cannot be deleted now.", "It is being downloaded.", "Cancel the download first.")
    needed_by = [*_larger(spec, weights, models_folder)]
    if spec.name == registry.SHARED:
        needed_by += [label for pipeline in registry.specs().values() for component in pipeline.components
                      if component.name == weights.name for label in _users(component, models_folder)]
    if needed_by:
        raise BadInput(f"{name} cannot be deleted.", f"It is needed by {', '.join(dict.fromkeys(needed_by))}.",
                       "Delete these first.")


def _users(component: Component, models_folder: Path) -> Iterator[str]:
    """The installed sets of weights that need the shared model."""
    for pipeline in registry.specs().values():
        for weights in pipeline.weights:
            needs = component.name in (each.name for each in weights.components)
            if needs and weights.files and is_complete(pipeline, weights, models_folder):
                yield f"{pipeline.label} · {weights.label}"


def _larger(spec: PipelineSpec, weights: WeightSet, models_folder: Path) -> Iterator[str]:
    """The installed sets in the same folder that hold every file of this one, and more."""
    for other in spec.weights:
        if _together(spec, weights, other, models_folder) and set(weights.files) < set(other.files) and is_complete(
                spec, other, models_folder):
            yield f"{spec.label} · {other.label}"


def _together(spec: PipelineSpec, weights: WeightSet, other: WeightSet, models_folder: Path) -> bool:
    return other.name != weights.name and \
        set_folder(spec, other, models_folder) == set_folder(spec, weights, models_folder)


def _delete(spec: PipelineSpec, weights: WeightSet, models_folder: Path) -> int:
    """Delete the set's files and their partial forms; the folder too where no other set uses it. Returns the bytes."""
    folder = set_folder(spec, weights, models_folder)
    others = [other for other in spec.weights if _together(spec, weights, other, models_folder)
              and is_complete(spec, other, models_folder)]
    kept = {file.local for other in others for file in other.files}
    before = _size(folder)
    try:
        if not others:
            shutil.rmtree(folder)
            return before
        for file in weights.files:
            path = folder / file.local
            for found in (path, *path.parent.glob(f"{path.name}.*.part")):
                if file.local not in kept:
                    found.unlink(missing_ok=True)
        return before - _size(folder)
    except OSError as error:
        raise unwritable_folder(folder, error) from error


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("**/*") if path.is_file())
