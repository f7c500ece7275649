# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the weights of a pipeline lie, or what is missing there.

    bundled    backend/weights/starter/<pipeline>/
    published  <models folder>/<pipeline>/<the set's folder, or its name>/<WeightFile.local>
"""

from pathlib import Path

from ..contract import MeshwrightError, PipelineSpec, Remedy, WeightSet
from .licenses import accepted
from .verified_files import complaint

_STARTER = Path(__file__).parent / "starter"


def set_folder(spec: PipelineSpec, weights: WeightSet, models_folder: Path) -> Path:
    """The folder of one set of weights, whether or not it is there."""
    if weights.bundled:
        return _STARTER / spec.name
    return Path(models_folder) / spec.name / (weights.folder or weights.name)


def locate(spec: PipelineSpec, weights: WeightSet, models_folder: Path) -> Path:
    """The folder with the complete files of `weights`.

    Raises MeshwrightError that lists what is missing or wrong, how large it is and which folder to fill by hand;
    its remedy is DOWNLOAD, or ACCEPT_LICENSE while the license was not accepted.
    """
    folder = set_folder(spec, weights, models_folder)
    if weights.bundled:
        if not any(folder.glob("**/*.safetensors")):
            raise MeshwrightError(f"{spec.label}'s {weights.label_within_text} weights are not there.",
                                  f"{folder} holds none: this copy of Meshwright is not whole.",
                                  "Install Meshwright again.")
        return folder
    complaints = {file: words for file in weights.files if (words := complaint(file, folder))}
    if complaints:
        remedy = Remedy.DOWNLOAD if accepted(spec, weights, models_folder) else Remedy.ACCEPT_LICENSE
        raise _incomplete(spec, weights, folder, [f"{file.local} {words}" for file, words in complaints.items()],
                          remedy)
    return folder


def _incomplete(spec: PipelineSpec, weights: WeightSet, folder: Path, complaints: list[str],
                remedy: Remedy) -> MeshwrightError:
    first_step = "Download them" if remedy is Remedy.DOWNLOAD else "Read and accept the license, then download them"
    sources = ", ".join(dict.fromkeys(file.repository for file in weights.files))
    return MeshwrightError(
        f"{spec.label}'s {weights.label_within_text} weights are not complete.",
        f"{'; '.join(complaints)}. The whole set is {weights.gigabytes:g} GB.",
        f"{first_step}, or put the files of {sources} into {folder} by hand.",
        remedy,
    )
