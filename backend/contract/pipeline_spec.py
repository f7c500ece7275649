# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pipeline offers: its tasks, their inputs, options and stages, its weights and their licenses.

Panels, queue, download, command line and docs are drawn from this, so a new pipeline is a new folder and nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from .error import BadInput
from .parameter import Parameter, Value

InputKind = Literal["image", "mesh", "meshes", "uv_meshes", "text"]
Named = TypeVar("Named", "TaskSpec", "WeightSet")


@dataclass(frozen=True)
class InputSpec:
    """One input of a task. A "mesh" arrives as one npz file, "meshes" as one npz file a mesh, in a list; "uv_meshes" as
    "meshes", with UVs and the faces that are to be painted.

    `largest_batch` is how many files of a single thing ("image", "mesh") one job may hold, which are then computed
    together, each for itself. `textured_by` names the options, and of each the values, that also ask for the texture
    that each of "uv_meshes" has so far.
    """

    name: str
    kind: InputKind
    label: str
    description: str
    required: bool = True
    largest_batch: int = 1
    textured_by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def textured(self, values: Mapping[str, Value]) -> bool:
        """Whether the meshes shall bring the texture that they have so far. Values that are not given ask for none."""
        return any(values.get(name) in asking for name, asking in self.textured_by.items())


@dataclass(frozen=True)
class StageSpec:
    """One stage of a task: its name in events, its words in the panel, its share of a run's time as a first guess.

    `grows_with` names the options that its time depends on, each with the power, so that the time of one run tells
    about the next with other options.
    """

    name: str
    label: str
    share: float
    grows_with: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskSpec:
    """One thing the artist can ask of a pipeline. `seeded` is False for a task without chance: no seed is asked for.

    `suffix` stands behind the subject in the name of a mesh that takes another's place; "" means the task's name.
    """

    name: str
    label: str
    description: str
    inputs: tuple[InputSpec, ...]
    parameters: tuple[Parameter, ...]
    stages: tuple[StageSpec, ...]
    needs_weights: bool = True
    seeded: bool = True
    suffix: str = ""

    def validated(self, values: Mapping[str, object]) -> dict[str, Value]:
        """All parameters of the task, defaults filled in. Raises BadInput for an unknown or unfitting one."""
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in values:
            if name not in known:
                raise BadInput(f"{self.label} has no option '{name}'.", f"It takes {', '.join(known) or 'none'}.",
                               "Leave the option out.")
        return {name: parameter.validated(values.get(name, parameter.default)) for name, parameter in known.items()}


DOWNLOAD_WEIGHTS = TaskSpec(
    name="download_weights",
    label="Download Weights",
    description="Fetch a published checkpoint, after its license was accepted",
    inputs=(),
    parameters=(Parameter("accepted_license", "text", "", "Accepted license",
                          "Name of the license that the artist was shown and accepted"),),
    stages=(),
    needs_weights=False,
    seeded=False,
)
"""Every pipeline has this task; the worker does it itself."""


@dataclass(frozen=True)
class License:
    """The terms that the artist must accept before a download. `text` is shown whole."""

    name: str
    url: str
    text: str
    commercial_use: bool
    territory: str = "worldwide"


@dataclass(frozen=True)
class WeightFile:
    """One file of a published checkpoint on the hub.

    `local` is its path in the weights' own folder; `bytes` the exact size where it is known beforehand, else None.
    """

    repository: str
    remote: str
    local: str
    bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class WeightSet:
    """One set of weights of a pipeline: the small starter set in the extension, or a published checkpoint.

    Sets of a pipeline with the same `folder` share their files there; by default a set's folder has its name.
    """

    name: str
    label: str
    description: str
    files: tuple[WeightFile, ...]
    license: License
    gigabytes: float
    memory_gib: float
    bundled: bool = False
    parameter_defaults: Mapping[str, Value] | None = None
    folder: str = ""

    @property
    def label_within_text(self) -> str:
        """The label as it reads inside a sentence: "published", but "SD 1.5"."""
        return self.label if self.label[:2].isupper() else self.label.lower()


@dataclass(frozen=True)
class PipelineSpec:
    """One model folder, described. `name` is the folder's name."""

    name: str
    label: str
    summary: str
    tasks: tuple[TaskSpec, ...]
    weights: tuple[WeightSet, ...]

    def task(self, name: str) -> TaskSpec:
        """The task of that name. Raises BadInput."""
        return _named((*self.tasks, DOWNLOAD_WEIGHTS), name, f"{self.label} has no task")

    def weight_set(self, name: str) -> WeightSet:
        """The set of weights of that name. Raises BadInput."""
        return _named(self.weights, name, f"{self.label} has no weights")


def _named(items: tuple[Named, ...], name: str, complaint: str) -> Named:
    for item in items:
        if item.name == name:
            return item
    known = ", ".join(item.name for item in items)
    raise BadInput(f"{complaint} '{name}'.", f"It has {known or 'none'}.", "Choose one of these.")
