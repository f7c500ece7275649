# SPDX-License-Identifier: GPL-3.0-or-later
"""What the artist asked for: a snapshot as plain data."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .error import BadInput
from .json_form import from_json, to_json
from .parameter import Value
from .pipeline_spec import PipelineSpec
from .plain_name import check_job_name, is_plain_name
from .task_spec import InputSpec, TaskSpec
from .version import VERSION

MAXIMUM_SEED = 2**31 - 1
MAXIMUM_SUBJECT = 200
"""Characters: results and their files are named after it."""


@dataclass(frozen=True)
class Request:
    """One job. `inputs` maps an input's name to file names in the job folder's `inputs/`, never to outside paths.

    `subject` is the artist's word for the thing ("chair"): results are named after it.
    """

    job: str
    task: str
    pipeline: str
    weights: str
    subject: str
    seed: int = 0
    parameters: Mapping[str, Value] = field(default_factory=dict)
    inputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    version: int = VERSION

    def to_json(self) -> dict[str, Any]:
        """The request as a JSON object."""
        return to_json(self)

    @classmethod
    def from_json(cls, data: Any) -> "Request":
        """Raises BadInput on an unknown version before anything else is looked at, then on unfitting fields."""
        version = data.get("version") if isinstance(data, Mapping) else None
        if version != VERSION:
            raise BadInput("This job was made by another version of Meshwright.",
                           f"Its request has version {version!r}, this one reads {VERSION}.",
                           "Start it again, or update Meshwright and its engine to the same version.")
        return from_json(cls, data, "request")

    def validated(self, spec: PipelineSpec) -> "Request":
        """The same request with every option checked and filled in. Raises BadInput."""
        check_job_name(self.job)
        if len(self.subject) > MAXIMUM_SUBJECT:
            raise BadInput("The name of the result is too long.",
                           f"It has {len(self.subject)} characters, at most {MAXIMUM_SUBJECT} are allowed.",
                           "Choose a shorter one.")
        if not 0 <= self.seed <= MAXIMUM_SEED:
            raise BadInput(f"The seed cannot be {self.seed}.", f"It is a whole number from 0 to {MAXIMUM_SEED}.",
                           "Choose a seed in that range.")
        task = spec.task(self.task)
        weights = spec.weight_set(self.weights) if spec.weights else None
        if task.needs_weights and weights and not weights.serves(task.name):
            raise BadInput(f"{weights.label} cannot be used for {task.label}.", "These weights serve other tasks.",
                           f"Choose {', '.join(other.label for other in spec.weights_for(task))}.")
        for name, files in self.inputs.items():
            _check_files(task, task.input(name), files)
        parameters = task.validated(self.parameters)
        if missing := task.missing(given(task, parameters, self.inputs), weights if task.needs_weights else None):
            raise missing
        return replace(self, parameters=parameters)


def given(task: TaskSpec, parameters: Mapping[str, Value], inputs: Mapping[str, Collection[object]]) -> frozenset[str]:
    """Names of the inputs that hold a file and of the text and file parameters that are not blank."""
    texts = {parameter.name for parameter in task.parameters
             if parameter.kind in ("text", "file") and parameter.is_given(parameters.get(parameter.name, ""))}
    return frozenset(texts | {name for name, files in inputs.items() if files})


def _check_files(task: TaskSpec, wanted: InputSpec, files: tuple[str, ...]) -> None:
    most = None if wanted.kind == "mesh" and task.selection == "together" else wanted.batch
    if most is not None and len(files) > most:
        raise BadInput(f"{task.label} cannot take {len(files)} files at once.", f"It takes at most {most}.",
                       "Give fewer.")
    if wrong := [name for name in files if not is_plain_name(name)]:
        raise BadInput("An input's file name cannot be used.", f"{wrong[0][:100]!r} is not a plain name.",
                       "Inputs are named files in the job's own folder.")
