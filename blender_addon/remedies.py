# SPDX-License-Identifier: GPL-3.0-or-later
"""What the one button under an error does."""

from collections.abc import Callable, Mapping

import bpy

from . import jobs
from .backend.contract import BadInput, MeshwrightError, Parameter, Remedy, TaskSpec
from .backend.contract.parameter import Value
from .backend.pipelines import registry
from .delivery_note import ask_here
from .submission import submit_again

LABELS: Mapping[Remedy, str] = {
    Remedy.FREE_MEMORY: "Free GPU Memory and Retry",
    Remedy.LOWER_RESOLUTION: "Retry at Lower Resolution",
    Remedy.DOWNLOAD: "Download Weights…",
    Remedy.ACCEPT_LICENSE: "Read License…",
    Remedy.CHOOSE_FOLDER: "Choose Folder…",
    Remedy.OPEN_PREFERENCES: "Open Preferences…",
    Remedy.OPEN_LOG: "Open Log",
    Remedy.DELIVER_HERE: "Deliver Here",
    Remedy.RETRY: "Retry",
}


def apply_remedy(job: jobs.Job) -> None:
    """Do what the job's error asks for. Raises MeshwrightError when that cannot be done."""
    if job.error and job.error.remedy:
        _ACTIONS[job.error.remedy](job)


def retry(job: jobs.Job, parameters: Mapping[str, Value] | None = None) -> None:
    """Run an ended job again, perhaps with other parameters; the new one takes its place in the list."""
    submit_again(job.folder, parameters=parameters)
    jobs.remove(job.id)


def wanted_weights(job: jobs.Job) -> tuple[str, str]:
    """Pipeline and weights that the job's error asks for; those of the job itself where it names none."""
    needs = job.error.needs if job.error else {}
    return needs.get("pipeline", job.request.pipeline), needs.get("weights", job.request.weights)


def remedy_label(job: jobs.Job, remedy: Remedy) -> str:
    """What the button says; one for a download names what it downloads."""
    if remedy is Remedy.DOWNLOAD:
        pipeline, name = wanted_weights(job)
        try:
            weights = registry.spec(pipeline).weight_set(name)
        except BadInput:  # a job of a pipeline that is no longer installed
            return LABELS[remedy]
        return f"Download {weights.label} ({weights.gigabytes:g} GB)…"
    return LABELS[remedy]


def lower_resolution(task: TaskSpec, values: Mapping[str, Value]) -> dict[str, Value]:
    """The values with every resolution one choice lower. Raises MeshwrightError at the lowest."""
    lowered = {name: lower for name, value in values.items()
               if (lower := _next_lower(task, name, value)) is not None}
    if not lowered:
        raise MeshwrightError("The resolution cannot be lowered.", "There is no lower choice.",
                              "Choose the memory mode Low in the preferences, or use smaller weights.",
                              Remedy.OPEN_PREFERENCES)
    return {**values, **lowered}


def _next_lower(task: TaskSpec, name: str, value: Value) -> Value | None:
    parameter = next((known for known in task.parameters if known.name == name), None)
    if parameter is None or not name.endswith("resolution") or parameter.kind != "choice":
        return None
    smaller = [int(choice) for choice in _numbers(parameter) if int(choice) < int(value)]
    return str(max(smaller)) if smaller else None


def _numbers(parameter: Parameter) -> list[str]:
    return [choice.value for choice in parameter.choices if choice.value.isdigit()]


def _free_and_retry(job: jobs.Job) -> None:
    jobs.free_memory()
    retry(job)


def _retry_lower(job: jobs.Job) -> None:
    task = registry.spec(job.request.pipeline).task(job.request.task)
    retry(job, lower_resolution(task, job.request.parameters))


def _ask_for_weights(job: jobs.Job) -> None:
    pipeline, weights = wanted_weights(job)
    bpy.ops.meshwright.download_weights("INVOKE_DEFAULT", pipeline=pipeline, weights=weights)


def _deliver_here(job: jobs.Job) -> None:
    ask_here(job.folder)
    jobs.deliver_again(job.id)


_ACTIONS: Mapping[Remedy, Callable[[jobs.Job], object]] = {
    Remedy.FREE_MEMORY: _free_and_retry,
    Remedy.LOWER_RESOLUTION: _retry_lower,
    Remedy.DOWNLOAD: _ask_for_weights,
    Remedy.ACCEPT_LICENSE: _ask_for_weights,
    Remedy.CHOOSE_FOLDER: lambda job: bpy.ops.meshwright.open_preferences(),
    Remedy.OPEN_PREFERENCES: lambda job: bpy.ops.meshwright.open_preferences(),
    Remedy.OPEN_LOG: lambda job: bpy.ops.meshwright.open_log(job=job.request.job),
    Remedy.DELIVER_HERE: _deliver_here,
    Remedy.RETRY: retry,
}
