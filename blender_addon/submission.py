# SPDX-License-Identifier: GPL-3.0-or-later
"""From the scene's settings to a job: capture, request, queue. The same calls serve the panel and scripts."""

import datetime
import random
import shutil
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import bpy
import numpy as np

from . import jobs, opened_file
from .backend.contract import (
    DOWNLOAD_WEIGHTS,
    MAXIMUM_SEED,
    BadInput,
    JobFolder,
    MeshwrightError,
    PipelineSpec,
    Request,
    TaskSpec,
    WeightSet,
)
from .backend.contract.parameter import Value
from .backend.pipelines import registry
from .capture import target_of
from .deliver.provenance import SIZE
from .delivery_note import DeliveryNote, Transfer, asked_here, reference
from .offered_tasks import OfferedTask
from .parameter_groups import chosen_weights
from .preferences import jobs_folder
from .properties import group_of, settings_of
from .task_inputs import capture_inputs, given_images, parameters_of, selected_meshes, subject_of

PLACED = ("object", "parts")
"""Deliveries that the artist chooses a place for."""


def submit_task(context: bpy.types.Context, offered: OfferedTask) -> list[jobs.Job]:
    """Capture what the task needs and queue it: one job, or where its selection is "each" one for each selected mesh.

    Raises MeshwrightError; then nothing is queued and no job folder is left behind.
    """
    settings = settings_of(context.scene)
    if offered.task.seeded and settings.random_seed:
        settings.seed = random.randrange(MAXIMUM_SEED + 1)
    written: list[tuple[Request, JobFolder]] = []
    try:
        for meshes, subject in _shares(context, offered):
            written.append(_write_job(context, offered, meshes, subject))
    except MeshwrightError:
        for _, folder in written:
            shutil.rmtree(folder.path, ignore_errors=True)
        raise
    return [jobs.submit(request, folder) for request, folder in written]


def submit_download(spec: PipelineSpec, weights: WeightSet, accepted_licenses: Collection[str]) -> jobs.Job:
    """Queue the download of a set of weights; the artist was shown and accepted the licenses of these names."""
    return submit_weights_task(DOWNLOAD_WEIGHTS, spec, weights, {"accepted_licenses": "\n".join(accepted_licenses)})


def submit_weights_task(task: TaskSpec, spec: PipelineSpec, weights: WeightSet,
                        parameters: Mapping[str, Value] | None = None) -> jobs.Job:
    """Queue what is to be done with a set of weights: one of `WEIGHTS_TASKS`."""
    request = Request(job=_job_name(task.name), task=task.name, pipeline=spec.name, weights=weights.name,
                      subject=f"{spec.label} · {weights.label}", parameters=parameters or {}).validated(spec)
    folder = JobFolder.create(jobs_folder() / request.job)
    folder.write_request(request)
    return jobs.submit(request, folder)


def submit_again(earlier: JobFolder, seed: int | None = None, parameters: Mapping[str, Value] | None = None,
                 superseded: bpy.types.Object | None = None) -> jobs.Job:
    """Queue an earlier job's request once more with the same inputs; another seed and other parameters if given.

    With `superseded`, the empty or object of the earlier result, the new one takes its place and that one is hidden.
    A material with another seed is painted over what was there before the earlier one.
    Raises MeshwrightError when the earlier job's folder no longer exists.
    """
    if not (earlier.path / "request.json").is_file():
        raise MeshwrightError("The inputs of this result no longer exist.", f"There is no folder {earlier.path}.",
                              "Choose the inputs in the panel again.")
    request = earlier.read_request()
    request = replace(request, job=_job_name(request.task), seed=request.seed if seed is None else seed,
                      parameters=request.parameters if parameters is None else parameters)
    request = request.validated(registry.spec(request.pipeline))
    folder = JobFolder.create(jobs_folder() / request.job)
    shutil.copytree(earlier.inputs, folder.inputs, dirs_exist_ok=True)
    note = asked_here(DeliveryNote.read(earlier))
    if note.delivery == "material" and seed is not None:
        note = replace(note, rerolled=earlier.path.name)
    if superseded is not None and note.delivery != "text":  # a described object is not what the job made
        note = replace(note, superseded=reference(superseded))
        if note.delivery in PLACED:
            note = replace(note, fit=False, clear=False, cursor=tuple(superseded.matrix_world.translation),
                           size=superseded.get(SIZE, note.size))
    note.write(folder)
    folder.write_request(request)
    return jobs.submit(request, folder)


def _shares(context: bpy.types.Context, offered: OfferedTask) -> list[tuple[Sequence[bpy.types.Object], str]]:
    """The meshes of each job, and its subject."""
    meshes = selected_meshes(context) if offered.task.mesh_input else []
    if offered.task.selection == "each" and len(meshes) > 1:
        return [([item], item.name) for item in meshes]
    return [(meshes, subject_of(context.scene, offered, meshes))]


def _write_job(context: bpy.types.Context, offered: OfferedTask, meshes: Sequence[bpy.types.Object],
               subject: str) -> tuple[Request, JobFolder]:
    """A whole job folder. Raises MeshwrightError; then it is removed again."""
    spec, task, scene = offered.spec, offered.task, context.scene
    weights = chosen_weights(group_of(scene, offered), offered)
    request = Request(
        job=_job_name(task.name), task=task.name, pipeline=spec.name,
        weights=spec.weights_to_name(weights), subject=subject,
        seed=settings_of(scene).seed if task.seeded else 0, parameters=parameters_of(scene, offered),
    )
    folder = JobFolder.create(jobs_folder() / request.job)
    try:
        captured = capture_inputs(context, offered, meshes, folder)
        request = replace(request, inputs=captured.inputs).validated(spec)
        note = _note(context, offered, meshes, captured.origin)
        replace(note, materials=captured.materials).write(folder)
        folder.write_request(request)
    except MeshwrightError:
        shutil.rmtree(folder.path, ignore_errors=True)
        raise
    return request, folder


def _note(context: bpy.types.Context, offered: OfferedTask, meshes: Sequence[bpy.types.Object],
          origin: np.ndarray) -> DeliveryNote:
    """Where the result goes; `origin` as the meshes were captured with."""
    settings, delivery = settings_of(context.scene), offered.task.delivery
    fit = delivery in PLACED and settings.placement == "SELECTED"
    if fit and not context.selected_objects:
        raise BadInput("Nothing is selected to fit the result into.", "The place is 'In the Selection'.",
                       "Select an object, or place the result at the 3D cursor.")
    image = next(iter(given_images(context.scene, offered).values()), None)
    return DeliveryNote(
        delivery=delivery, scene=reference(context.scene), file=opened_file.current(),
        cursor=tuple(context.scene.cursor.location),
        size=settings.size, fit=fit, clear=settings.keep_clear, select=settings.select_result,
        frame=settings.frame_result, targets=tuple(target_of(item, None if fit else origin)
                                             for item in (context.selected_objects if fit else meshes)),
        image=image.name if image else "", transfer=Transfer(
            settings.keep_materials, settings.keep_uvs, settings.keep_weights, settings.mesh_source))


def _job_name(task: str) -> str:
    return f"{datetime.datetime.now():%Y%m%d-%H%M%S}-{task}-{uuid.uuid4().hex[:6]}"
