# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pipeline offers: its tasks and its weights.

Panels, queue, download, command line, server and docs are drawn from this, so a new pipeline is a new folder and
nothing else.
"""

from dataclasses import dataclass
from typing import TypeVar

from .error import BadInput
from .task_spec import TaskSpec
from .weight_set import Component, WeightSet
from .weights_tasks import WEIGHTS_TASKS

Named = TypeVar("Named", TaskSpec, WeightSet)


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
        return _named((*self.tasks, *WEIGHTS_TASKS), name, f"{self.label} has no task")

    def weight_set(self, name: str) -> WeightSet:
        """The set of weights of that name. Raises BadInput."""
        return _named(self.weights, name, f"{self.label} has no weights")

    def weights_for(self, task: TaskSpec) -> tuple[WeightSet, ...]:
        """The sets that serve a task, the first being the default; none for a task that needs no weights."""
        return tuple(weights for weights in self.weights if weights.serves(task.name)) if task.needs_weights else ()

    def weights_to_name(self, chosen: WeightSet | None) -> str:
        """The weights that a request names: the chosen ones. For a task that needs none the first, where there are any.
        """
        return next((weights.name for weights in (chosen, *self.weights) if weights), "")

    @property
    def components(self) -> tuple[Component, ...]:
        """Every shared model that its weights need or its tasks can use, once each."""
        used = (*(part for weights in self.weights for part in weights.components),
                *(part for task in self.tasks for part in task.optional_components))
        return tuple({part.name: part for part in used}.values())


def _named(items: tuple[Named, ...], name: str, complaint: str) -> Named:
    for item in items:
        if item.name == name:
            return item
    known = ", ".join(item.name for item in items)
    raise BadInput(f"{complaint} '{name}'.", f"It has {known or 'none'}.", "Choose one of these.")
