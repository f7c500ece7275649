# SPDX-License-Identifier: GPL-3.0-or-later
"""What a `PipelineSpec` must obey, checked once where pipelines are found, ours and an artist's own."""

import re
from collections.abc import Iterable, Iterator

from .error import BadInput
from .parameter import Parameter, Value
from .pipeline_spec import PipelineSpec
from .task_spec import TaskSpec

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_NUMERIC = ("int", "float", "choice")
_LARGEST = 2**31 - 1
"""Whole numbers of Blender's properties have 32 bits."""
_SELECTIONS = {"object": ("none", "each"), "parts": ("none", "each"), "replace": ("each",), "groups": ("together",),
               "material": ("together", "each"), "text": ("none", "each")}
"""What each delivery can be made of: a result that replaces a mesh needs one, say."""


def check_spec(spec: PipelineSpec, folder: str) -> None:
    """Raises BadInput that names everything wrong with the spec of the pipeline in `folder`."""
    complaints = list(_complaints(spec, folder))
    if complaints:
        raise BadInput(f"The pipeline in {folder} cannot be offered.", " ".join(complaints), "Correct its spec.py.")


def _complaints(spec: PipelineSpec, folder: str) -> Iterator[str]:
    if spec.name != folder:
        yield f"It calls itself '{spec.name}', which is not its folder's name."
    if not spec.tasks:
        yield "It has no task."
    names = [*(task.name for task in spec.tasks), *(weights.name for weights in spec.weights)]
    yield from (f"'{name}' is not a name of lowercase letters, digits and underscores." for name in names
                if not _NAME.fullmatch(name.replace("-", "_").replace(".", "_")))
    yield from _repeated("tasks", (task.name for task in spec.tasks))
    yield from _repeated("weights", (weights.name for weights in spec.weights))
    for task in spec.tasks:
        yield from (f"{task.label}: {complaint}" for complaint in _task_complaints(task))
        if task.needs_weights and not spec.weights_for(task):
            yield f"{task.label}: no weights serve it."
    known = {parameter.name for task in spec.tasks for parameter in task.parameters}
    for weights in spec.weights:
        if not weights.memory:
            yield f"{weights.label}: no memory mode is offered."
        yield from (f"{weights.label}: the revision of {file.local} is not a commit of 40 digits."
                    for file in weights.files if file.revision is not None and not _COMMIT.fullmatch(file.revision))
        for name in {*weights.parameter_defaults, *(n for values in weights.preset_values.values() for n in values)}:
            if name not in known:
                yield f"{weights.label}: there is no parameter '{name}'."


def _task_complaints(task: TaskSpec) -> Iterator[str]:
    yield from _repeated("inputs and parameters", _names_of(task))
    meshes = [wanted for wanted in task.inputs if wanted.kind == "mesh"]
    if len(meshes) > 1 or bool(meshes) != (task.selection != "none"):
        yield "selected objects go to one mesh input, and selection says how."
    if task.selection not in _SELECTIONS[task.delivery]:
        yield f"a result delivered as '{task.delivery}' cannot have the selection '{task.selection}'."
    for parameter in task.parameters:
        yield from _parameter_complaints(parameter)
    givable = {wanted.name for wanted in task.inputs} | \
              {parameter.name for parameter in task.parameters if parameter.kind in ("text", "file")}
    yield from (f"'{name}' of needs_one_of is no input and no text." for group in task.needs_one_of for name in group
                if name not in givable)
    parameters = {parameter.name: parameter for parameter in task.parameters}
    yield from (f"'{name}' of a stage's grows_with is no number or choice of the task." for stage in task.stages
                for name in stage.grows_with if name not in parameters or parameters[name].kind not in _NUMERIC)
    yield from (f"'{wanted.name}' is not a name of lowercase letters, digits and underscores." for wanted in task.inputs
                if not _NAME.fullmatch(wanted.name))
    for preset in task.presets:
        for name, value in preset.values.items():
            if name not in parameters:
                yield f"the preset {preset.label} names the unknown parameter '{name}'."
            else:
                yield from (f"the preset {preset.label}: {complaint}" for complaint
                            in _value_complaints(parameters[name], value))


def _names_of(task: TaskSpec) -> list[str]:
    return [wanted.name for wanted in task.inputs] + [parameter.name for parameter in task.parameters]


def _parameter_complaints(parameter: Parameter) -> Iterator[str]:
    if not _NAME.fullmatch(parameter.name):
        yield f"'{parameter.name}' is not a name of lowercase letters, digits and underscores."
    if parameter.kind == "int" and isinstance(parameter.default, int) and abs(parameter.default) > _LARGEST:
        yield f"the default of {parameter.label} is larger than {_LARGEST}."
    if parameter.kind != "file":
        yield from _value_complaints(parameter, parameter.default)


def _value_complaints(parameter: Parameter, value: Value) -> Iterator[str]:
    try:
        parameter.validated(value)
    except BadInput as error:
        yield error.report.what


def _repeated(what: str, names: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield f"Two {what} are called '{name}'."
        seen.add(name)
