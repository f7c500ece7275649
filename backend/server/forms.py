# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes over HTTP, as pydantic models: from these the OpenAPI document is made."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from ..contract import MAXIMUM_SEED
from .job_store import Record, State

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
OptionValue = StrictBool | StrictInt | StrictFloat | StrictStr


class Form(BaseModel):
    """No field beyond those that are named."""

    model_config = ConfigDict(extra="forbid")


class ErrorForm(Form):
    """An error in words, as every answer from 400 on holds it."""

    what: str = Field(description="What happened")
    why: str = Field(description="Why it happened")
    advice: str = Field(description="What to do about it")
    remedy: str | None = Field(default=None, description="What one button of the panel can do about it")
    details: str = Field(default="", description="Always empty here: details are in the server's log")
    needs: dict[str, str] = Field(default_factory=dict, description="What that button must know")


class InputForm(Form):
    """A named slot of a task."""

    name: str = Field(description="Name of the slot")
    kind: Literal["image", "mesh"] = Field(description="What kind of file it takes")
    label: str = Field(description="The slot in words")
    description: str = Field(description="What to give")
    required: bool = Field(description="Whether the task cannot do without it")
    needs: list[str] = Field(description="What a mesh must bring: uvs, selection, texture")
    most: int | None = Field(description="How many files it takes; null for any number")


class WeightsForm(Form):
    """A set of weights that serves the task."""

    name: str = Field(description="Name of the set")
    label: str = Field(description="The set in words")
    description: str = Field(description="What it is good for")
    installed: bool = Field(description="Whether this server has its files")
    needs: list[str] = Field(description="Inputs that it cannot do without")
    takes: list[str] | None = Field(description="Optional inputs that it can use; null for all")
    license: str = Field(description="Name of its license")
    commercial_use: bool = Field(description="Whether the license allows commercial use")
    defaults: dict[str, OptionValue] = Field(description="Options that suit it")


class PresetForm(Form):
    """A named choice of quality."""

    name: str = Field(description="Name of the preset")
    label: str = Field(description="The preset in words")
    description: str = Field(description="What it means")
    values: dict[str, OptionValue] = Field(description="The options that it sets")


class StageForm(Form):
    """One stage of a task."""

    name: str = Field(description="Name of the stage in events")
    label: str = Field(description="The stage in words")


class TaskForm(Form):
    """Something that can be asked for."""

    pipeline: str = Field(description="Name of the pipeline")
    pipeline_label: str = Field(description="The pipeline in words")
    task: str = Field(description="Name of the task")
    label: str = Field(description="The task in words")
    description: str = Field(description="What it does")
    delivery: Literal["object", "parts", "replace", "groups", "material", "text"] = Field(
        description="What comes of it: an object, parts, a mesh for another, grouped meshes, material maps, text")
    selection: Literal["none", "each", "together"] = Field(description="Whether a job takes no mesh, one, or several")
    needs_one_of: list[list[str]] = Field(description="Groups of inputs and options of which one must be given")
    inputs: list[InputForm] = Field(description="Its named slots for files")
    options: dict[str, Any] = Field(description="JSON Schema of its options, with defaults for the default weights")
    seeded: bool = Field(description="Whether the result depends on a seed")
    largest_seed: int = Field(description="The largest seed; the smallest is 0")
    weights: list[WeightsForm] = Field(description="Sets of weights; the first installed one is the default")
    presets: list[PresetForm] = Field(description="Named choices of quality, the fastest first")
    stages: list[StageForm] = Field(description="Stages in the order of their events")


class JobRequestForm(Form):
    """What to do. Inputs are uploaded afterwards, under the names given here."""

    pipeline: Name = Field(description="Name of the pipeline")
    task: Name = Field(description="Name of the task")
    weights: str = Field(default="", max_length=64, description="Set of weights; empty for the default")
    preset: str = Field(default="", max_length=64, description="A preset, for options that are left out")
    subject: str = Field(default="", max_length=200, description="A word for the thing, after which results are named")
    seed: StrictInt = Field(default=0, ge=0, le=MAXIMUM_SEED, description="Seed; the same one gives the same result")
    parameters: dict[Name, OptionValue] = Field(
        default_factory=dict, max_length=64, description="Options by name; those left out have their defaults")
    inputs: dict[Name, list[FileName]] = Field(
        default_factory=dict, max_length=16, description="Names of the files of each slot")


class ArtifactForm(Form):
    """One file of a result."""

    name: str = Field(description="The thing in words")
    kind: Literal["mesh", "image", "text", "scene"] = Field(description="What kind of file it is")
    role: str = Field(description="What it is for: mesh, base_color, metallic, roughness, normal, caption, preview, …")
    file: str = Field(description="Its name among the job's files")
    url: str = Field(description="Where to get it: in the store if it is there, else on this server")
    target: str = Field(default="", description="The input or mesh file that it belongs to")
    color: list[float] | None = Field(default=None, description="sRGB color of a part, in [0, 1]")
    group: str = Field(default="", description="Joins artifacts that belong together")
    properties: dict[str, OptionValue] = Field(default_factory=dict, description="Measured values")


class ResultForm(Form):
    """What a finished job gives."""

    artifacts: list[ArtifactForm] = Field(description="Its files in order")
    seconds: dict[str, float] = Field(description="Seconds by stage")
    notes: list[str] = Field(description="Remarks")
    files: dict[str, Any] = Field(description="Of a job over several files: what came of each")
    glb: str = Field(description="Where all meshes are, as one GLB with named nodes; empty when there are none")
    store_error: str = Field(default="", description="Why the store lacks the files; empty when it has them")


class JobForm(Form):
    """A job as it is now."""

    id: str = Field(description="The job's id")
    state: State = Field(description="How far it is")
    pipeline: str = Field(description="Name of the pipeline")
    task: str = Field(description="Name of the task")
    weights: str = Field(description="Set of weights")
    subject: str = Field(description="A word for the thing")
    seed: int = Field(description="Seed")
    parameters: dict[str, OptionValue] = Field(description="All options")
    inputs: dict[str, list[str]] = Field(description="Files of each slot")
    missing: list[str] = Field(description="Inputs that were not uploaded yet")
    created: float = Field(description="Seconds since 1970")
    attempt: int = Field(description="Number of the attempt; above 1 when an engine was lost")
    error: ErrorForm | None = Field(default=None, description="Why it failed")


class HistoryForm(Form):
    """Jobs, the latest first."""

    jobs: list[JobForm] = Field(description="At most as many as asked for")
    next: float | None = Field(default=None, description="`before` of the next page; null on the last")


class ServerForm(Form):
    """The server."""

    name: Literal["Meshwright"] = Field(default="Meshwright", description="What it is")
    version: str = Field(description="Its version")
    contract: int = Field(description="Version of requests and events")
    device: str = Field(description="What computes")
    waiting: int = Field(description="Accepted jobs that have not ended")
    most_waiting: int = Field(description="As many are accepted")
    largest_upload: int = Field(description="Bytes of the largest file that is taken")


class HealthForm(Form):
    """That the server answers."""

    status: Literal["healthy"] = Field(default="healthy", description="Always this")
    worker_id: str = Field(description="Names this start of the server")


def job_form(record: Record) -> JobForm:
    """The job as it is now."""
    request, state = record.request, record.state
    error = record.folder.read_error() if state == "failed" else None
    files = [file for names in request.inputs.values() for file in names]
    return JobForm(
        id=record.id, state=state, pipeline=request.pipeline, task=request.task, weights=request.weights,
        subject=request.subject, seed=request.seed, parameters=dict(request.parameters),
        inputs={name: list(names) for name, names in request.inputs.items()},
        missing=[] if record.note.accepted else [file for file in files if not (record.folder.inputs / file).is_file()],
        created=record.note.created, attempt=record.note.attempt,
        error=ErrorForm(what=error.what, why=error.why, advice=error.advice,
                        remedy=error.remedy.value if error.remedy else None, needs=dict(error.needs))
        if error else None)
