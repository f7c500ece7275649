# SPDX-License-Identifier: GPL-3.0-or-later
"""One thing an artist can ask for: its inputs, options, stages, and where the result goes."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from .error import BadInput
from .parameter import Parameter, Value
from .weight_set import Component, WeightSet

Delivery = Literal["object", "parts", "replace", "groups", "material", "text"]
"""Where a result goes in the scene.

object: one new object. parts: a collection with an empty and one object a part. replace: an object in the place of the
input mesh, the original hidden. groups: objects sorted into collections by their group. material: a new material on the
input meshes, which stay as they are. text: words about the input mesh, or for a prompt.
"""
Selection = Literal["none", "each", "together"]
"""How selected objects become jobs: not at all, a job for each, or one job for all."""
InputKind = Literal["image", "mesh"]
MeshNeed = Literal["uvs", "selection", "texture"]
"""What a mesh must bring besides its faces: UVs a corner, the faces to work on, the texture that it shows so far."""


@dataclass(frozen=True)
class InputSpec:
    """One named slot of a task. Several images are several slots; a mesh slot of a task whose selection is "together"
    holds one file a mesh.

    `batch` is how many files one job may hold that are computed together, each for itself. `needs` says what each mesh
    brings; `texture_when` names parameters, and of each the values, that also ask for the texture so far.
    """

    name: str
    kind: InputKind
    label: str
    description: str
    required: bool = True
    needs: tuple[MeshNeed, ...] = ()
    texture_when: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    batch: int = 1

    def needs_with(self, values: Mapping[str, Value]) -> frozenset[MeshNeed]:
        """What each mesh brings when the task runs with these parameters."""
        textured = any(values.get(name) in asking for name, asking in self.texture_when.items())
        return frozenset(self.needs) | ({"texture"} if textured else frozenset())


@dataclass(frozen=True)
class StageSpec:
    """One stage of a task: its name in events, its words in the panel, its share of a run's time as a first guess.

    `grows_with` names the options that its time depends on, each with the power, so that the time of one run says
    something about the next with other options.
    """

    name: str
    label: str
    share: float
    grows_with: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Preset:
    """A named choice of quality. Parameters that `values` does not name keep the defaults of the weights."""

    name: str
    label: str
    description: str
    values: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskSpec:
    """One thing the artist can ask of a pipeline.

    Attributes:
        delivery: where the result goes.
        selection: how selected objects become jobs.
        needs_one_of: groups of names of inputs and parameters; of each group at least one must be given.
        presets: named choices of quality, the fastest first.
        optional_components: shared models that the task uses where they are installed, without needing them.
        seeded: False for a task that does not depend on a seed.
        icon: Blender's name of its icon in the row of tasks; a task without one is in the menu next to that row.
        suffix: stands behind the subject in the name of a mesh that replaces another; "" means the task's name.
    """

    name: str
    label: str
    description: str
    delivery: Delivery
    inputs: tuple[InputSpec, ...]
    parameters: tuple[Parameter, ...]
    stages: tuple[StageSpec, ...]
    selection: Selection = "none"
    needs_one_of: tuple[tuple[str, ...], ...] = ()
    presets: tuple[Preset, ...] = ()
    optional_components: tuple[Component, ...] = ()
    needs_weights: bool = True
    seeded: bool = True
    suffix: str = ""
    icon: str = ""

    def input(self, name: str) -> InputSpec:
        """The input of that name. Raises BadInput."""
        for wanted in self.inputs:
            if wanted.name == name:
                return wanted
        known = ", ".join(wanted.name for wanted in self.inputs)
        raise BadInput(f"{self.label} has no input '{name}'.", f"It takes {known or 'none'}.", "Leave the input out.")

    @property
    def mesh_input(self) -> InputSpec | None:
        """The slot that selected objects go to."""
        return next((wanted for wanted in self.inputs if wanted.kind == "mesh"), None)

    def validated(self, values: Mapping[str, object]) -> dict[str, Value]:
        """All parameters of the task, defaults filled in. Raises BadInput for an unknown or unfitting one."""
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in values:
            if name not in known:
                raise BadInput(f"{self.label} has no option '{name}'.", f"It takes {', '.join(known) or 'none'}.",
                               "Leave the option out.")
        return {name: parameter.validated(values.get(name, parameter.default)) for name, parameter in known.items()}

    def defaults(self, weights: WeightSet | None, preset: str = "") -> dict[str, Value]:
        """Every parameter's default with these weights and this preset."""
        values = {parameter.name: parameter.default for parameter in self.parameters}
        chosen = next((item.values for item in self.presets if item.name == preset), {})
        own = weights.preset_values.get(preset, {}) if weights else {}
        fitting = weights.parameter_defaults if weights else {}
        return values | {name: value for name, value in {**fitting, **chosen, **own}.items() if name in values}

    def missing(self, given: Collection[str], weights: WeightSet | None) -> BadInput | None:
        """What still has to be given, as the error to show; None when the task can run.

        `given` has the names of the inputs that hold a file and of the text and file parameters that are not blank.
        Panel, command line, server and worker all ask here.
        """
        for wanted in self.inputs:
            needed = wanted.required or (weights is not None and wanted.name in weights.needs)
            if needed and wanted.name not in given:
                return BadInput(f"{wanted.label} is missing.", f"{self.label} needs it.", f"{wanted.description}.")
        for group in self.needs_one_of:
            if not set(group) & set(given):
                labels = [self._label(name).lower() for name in group]
                return BadInput(f"{self.label} needs {_article(labels[0])} {' or '.join(labels)}.", "None was given.",
                                "Give one of them.")
        for wanted in self.inputs:
            if weights is not None and wanted.name in given and not wanted.required \
                    and not weights.can_take(wanted.name):
                return BadInput(f"{weights.label} takes no {wanted.label.lower()}.", "They have no use for it.",
                                "Choose other weights, or leave it out.")
        return None

    def _label(self, name: str) -> str:
        labels = {wanted.name: wanted.label for wanted in self.inputs}
        return ({parameter.name: parameter.label for parameter in self.parameters} | labels)[name]


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"
