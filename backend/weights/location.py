# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the weights of a pipeline and the shared models lie, or what is missing there.

    bundled        backend/weights/starter/<pipeline>/, or <its folder>/starter/ of a pipeline that is not ours
    published      <models folder>/<pipeline>/<the set's folder, or its name>/<WeightFile.local>
    shared models  <models folder>/shared/<component>/<WeightFile.local>
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from ..contract import Component, MeshwrightError, PipelineSpec, Remedy, WeightSet
from ..pipelines import registry
from .licenses import accepted
from .verified_files import complaint

Set = tuple[PipelineSpec, WeightSet]
_STARTER = Path(__file__).parent / "starter"


def set_folder(spec: PipelineSpec, weights: WeightSet, models_folder: Path) -> Path:
    """The folder of one set of weights, whether or not it is there."""
    if weights.bundled:
        foreign = registry.foreign_folder(spec.name)
        return foreign / "starter" if foreign else _STARTER / spec.name
    return Path(models_folder) / spec.name / (weights.folder or weights.name)


def locate(spec: PipelineSpec, weights: WeightSet, models_folder: Path) -> Path:
    """The folder with the complete files of `weights`, whose shared models are complete, too.

    Raises MeshwrightError that lists what is missing or wrong, how large it is and which folder to fill by hand;
    its remedy is DOWNLOAD, or ACCEPT_LICENSE while a license was not accepted.
    """
    folder = set_folder(spec, weights, models_folder)
    if weights.bundled:
        if not any(folder.glob("**/*.safetensors")):
            raise MeshwrightError(f"The weights of {spec.label} · {weights.label} are missing.",
                                  f"{folder} holds none: this copy of Meshwright is not whole.",
                                  "Install Meshwright again.")
        return folder
    lacking = [pair for pair in ((spec, weights), *map(shared_set, weights.components))
               if not is_complete(*pair, models_folder)]
    if lacking:
        raise _incomplete(spec, weights, lacking, models_folder)
    return folder


def is_complete(spec: PipelineSpec, weights: WeightSet, models_folder: Path) -> bool:
    """Whether every file of the set itself is there, its components aside."""
    folder = set_folder(spec, weights, models_folder)
    return weights.bundled or not any(complaint(file, folder) for file in weights.files)


def shared_set(component: Component) -> Set:
    """The shared model as a set of weights, and the pipeline that holds it."""
    shared = registry.spec(registry.SHARED)
    return shared, shared.weight_set(component.name)


def installed_components(components: Iterable[Component], models_folder: Path) -> dict[str, Path]:
    """The folders of those of the shared models that are there, by name."""
    sets = {each.name: shared_set(each) for each in components}
    return {name: set_folder(*pair, models_folder) for name, pair in sets.items() if is_complete(*pair, models_folder)}


def _incomplete(spec: PipelineSpec, weights: WeightSet, lacking: list[Set], models_folder: Path) -> MeshwrightError:
    all_accepted = all(accepted(*pair, models_folder) for pair in lacking)
    first_step = "Download them" if all_accepted else "Read and accept the license, then download them"
    by_hand = "; ".join(f"the files of {', '.join(dict.fromkeys(file.repository for file in each.files))} into "
                        f"{set_folder(owner, each, models_folder)}" for owner, each in lacking)
    return MeshwrightError(
        f"The weights of {spec.label} · {weights.label} are not complete.",
        f"{'; '.join(_complaints(lacking, models_folder))}. The whole download is "
        f"{sum(each.gigabytes for _, each in lacking):g} GB.",
        f"{first_step}, or put {by_hand} by hand.",
        Remedy.DOWNLOAD if all_accepted else Remedy.ACCEPT_LICENSE,
        needs={"pipeline": spec.name, "weights": weights.name},
    )


def _complaints(lacking: list[Set], models_folder: Path) -> Iterator[str]:
    for owner, each in lacking:
        folder = set_folder(owner, each, models_folder)
        for file in each.files:
            if words := complaint(file, folder):
                of = f" of {each.label}" if owner.name == registry.SHARED else ""
                yield f"{file.local}{of} {words}"
