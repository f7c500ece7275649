# SPDX-License-Identifier: GPL-3.0-or-later
"""From the scene's settings to a job: capture, request, queue. The same calls serve the panel and scripts."""

import datetime
import random
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import bpy

from . import jobs
from .backend.contract import (
    DOWNLOAD_WEIGHTS,
    MAXIMUM_SEED,
    BadInput,
    InputSpec,
    JobFolder,
    MeshwrightError,
    PipelineSpec,
    Request,
    TaskSpec,
    WeightSet,
)
from .backend.contract.parameter import Value
from .backend.pipelines import registry
from .capture import capture_image, capture_mesh, target_of
from .capture.mesh import Frame
from .capture.painted_mesh import capture_painted
from .capture.view import View
from .deliver.provenance import SIZE, SUBJECT
from .delivery_note import DeliveryNote, Mode, Paint, Transfer, reference
from .parameter_groups import WEIGHTS, parameter_values
from .preferences import jobs_folder
from .properties import settings_of

MESH_KINDS = ("mesh", "meshes", "uv_meshes")
CONVERTIBLE = ("CURVE", "SURFACE", "META", "FONT")
"""Types of objects that Blender can make meshes of."""


def submit_task(context: bpy.types.Context, spec: PipelineSpec, task: TaskSpec) -> list[jobs.Job]:
    """Capture what the task needs and queue it: one job, or where it takes a single mesh one for each selected mesh.

    Raises MeshwrightError; then nothing is queued and no job folder is left behind.
    """
    settings = settings_of(context.scene)
    if task.seeded and settings.random_seed:
        settings.seed = random.randrange(MAXIMUM_SEED + 1)
    meshes = selected_meshes(context)
    each = [[item] for item in meshes] if mode_of(task) == "replace" and meshes else [meshes]
    written: list[tuple[Request, JobFolder]] = []
    try:
        for taken in each:
            subject = subject_of(settings, task, taken) if len(each) == 1 else taken[0].name
            written.append(_write_job(context, spec, task, taken, subject))
    except MeshwrightError:
        for _, folder in written:
            shutil.rmtree(folder.path, ignore_errors=True)
        raise
    return [jobs.submit(request, folder) for request, folder in written]


def mode_of(task: TaskSpec) -> Mode:
    """Where the task's result goes: a mesh takes its source's place, several become groups, a texture goes onto its
    objects, the rest is placed."""
    kinds = {wanted.kind for wanted in task.inputs}
    modes: dict[str, Mode] = {"mesh": "replace", "meshes": "groups", "uv_meshes": "texture"}
    return next((mode for kind, mode in modes.items() if kind in kinds), "place")


def _write_job(context: bpy.types.Context, spec: PipelineSpec, task: TaskSpec, meshes: Sequence[bpy.types.Object],
               subject: str) -> tuple[Request, JobFolder]:
    """A whole job folder. Raises MeshwrightError; then it is removed again."""
    settings = settings_of(context.scene)
    group = getattr(settings, task.name)
    request = Request(
        job=_job_name(task.name), task=task.name, pipeline=spec.name,
        weights=getattr(group, WEIGHTS, spec.weights[0].name), subject=subject,
        seed=settings.seed if task.seeded else 0, parameters=parameter_values(group, task),
    )
    folder = JobFolder.create(jobs_folder() / request.job)
    try:
        paints: list[Paint] = []
        request = replace(request, inputs=_capture(context, task, meshes, folder, paints)).validated(spec)
        replace(_note(context, task, meshes), paints=tuple(paints)).write(folder)
        folder.write_request(request)
    except MeshwrightError:
        shutil.rmtree(folder.path, ignore_errors=True)
        raise
    return request, folder


def submit_download(spec: PipelineSpec, weights: WeightSet, accepted_license: str) -> jobs.Job:
    """Queue the download of a set of weights whose license the artist was shown and accepted."""
    request = Request(job=_job_name("download"), task=DOWNLOAD_WEIGHTS.name, pipeline=spec.name, weights=weights.name,
                      subject=f"{spec.label} · {weights.label}",
                      parameters={"accepted_license": accepted_license}).validated(spec)
    folder = JobFolder.create(jobs_folder() / request.job)
    folder.write_request(request)
    return jobs.submit(request, folder)


def submit_again(earlier: JobFolder, seed: int | None = None, parameters: Mapping[str, Value] | None = None,
                 superseded: bpy.types.Object | None = None) -> jobs.Job:
    """Queue an earlier job's request once more with the same inputs; another seed and other options if given.

    With `superseded`, the empty or object of the earlier result, the new one takes its place and that one is hidden.
    A texture with another seed is painted on what was there before the earlier one.
    Raises MeshwrightError when the earlier job's folder has gone.
    """
    if not (earlier.path / "request.json").is_file():
        raise MeshwrightError("The inputs of this result are no longer there.", f"{earlier.path} has gone.",
                              "Start from the panel with the image again.")
    request = earlier.read_request()
    request = replace(request, job=_job_name(request.task), seed=request.seed if seed is None else seed,
                      parameters=request.parameters if parameters is None else parameters)
    request = request.validated(registry.spec(request.pipeline))
    folder = JobFolder.create(jobs_folder() / request.job)
    shutil.copytree(earlier.inputs, folder.inputs, dirs_exist_ok=True)
    note = DeliveryNote.read(earlier)
    if note.mode == "texture" and seed is not None:
        note = replace(note, rerolled=earlier.path.name)
    if superseded is not None:
        note = replace(note, superseded=reference(superseded))
        if note.mode == "place":
            note = replace(note, fit=False, cursor=tuple(superseded.matrix_world.translation),
                           size=superseded.get(SIZE, note.size))
    note.write(folder)
    folder.write_request(request)
    return jobs.submit(request, folder)


def selected_meshes(context: bpy.types.Context) -> list[bpy.types.Object]:
    """The selected mesh objects by name, the active one first."""
    found = sorted((item for item in context.selected_objects if item.type == "MESH"), key=lambda item: item.name)
    return sorted(found, key=lambda item: item != context.view_layer.objects.active)


def subject_of(settings: bpy.types.PropertyGroup, task: TaskSpec, meshes: Sequence[bpy.types.Object]) -> str:
    """The artist's name for the thing, or the image's, the mesh's, or that of what several meshes belong to."""
    if settings.subject.strip():
        return str(settings.subject.strip())
    kinds = {wanted.kind for wanted in task.inputs}
    if "image" in kinds and not kinds & set(MESH_KINDS) and settings.image:
        return Path(settings.image.name).stem
    whole = meshes[0].parent if len({item.parent for item in meshes}) == 1 < len(meshes) else None
    if whole:
        return str(whole.get(SUBJECT, whole.name))  # an earlier result's own word: "chair", not "chair-3"
    return str(meshes[0].name) if meshes else task.label


def missing_input(context: bpy.types.Context, task: TaskSpec) -> str:
    """What the artist still has to give for this task, in words, or ""; cheap enough for a poll.

    A task whose words and image are both optional needs one of them.
    """
    settings, meshes = settings_of(context.scene), None
    hints = [wanted for wanted in task.inputs if wanted.kind in ("text", "image")]
    for wanted in task.inputs:
        if wanted.kind in MESH_KINDS:
            meshes = selected_meshes(context) if meshes is None else meshes
        given = {"image": settings.image, "text": settings.prompt.strip()}.get(wanted.kind, meshes)
        if wanted.required and not given:
            return f"{wanted.label} is missing: {_other_selection(context, wanted) or wanted.description.lower()}"
    if hints and not any(wanted.required for wanted in hints):
        if settings.use_image and settings.image is None:
            return "An image is missing: choose one above, or switch Use Image off"
        if not settings.prompt.strip() and not settings.use_image:
            return "A prompt is missing: write what it shall look like, or switch Use Image on"
    return ""


def _other_selection(context: bpy.types.Context, wanted: InputSpec) -> str:
    """What can be done with a selection without a mesh, or ""."""
    if wanted.kind not in MESH_KINDS:
        return ""
    surfaces = [item.name for item in context.selected_objects if item.type in CONVERTIBLE]
    if surfaces:
        return f"make {surfaces[0]} one with Object › Convert › Mesh"
    inside = [item.name for item in context.selected_objects
              if item.type == "EMPTY" and any(child.type == "MESH" for child in item.children_recursive)]
    return f"select the objects below {inside[0]} (Select › Select Grouped › Children)" if inside else ""


def used_image(settings: bpy.types.PropertyGroup, task: TaskSpec) -> bpy.types.Image | None:
    """The image that the task takes: where it needs none, only if the artist asks for it."""
    wanted = next((wanted for wanted in task.inputs if wanted.kind == "image"), None)
    return settings.image if wanted and (wanted.required or settings.use_image) else None


def _capture(context: bpy.types.Context, task: TaskSpec, meshes: Sequence[bpy.types.Object], folder: JobFolder,
             paints: list[Paint]) -> dict[str, tuple[str, ...]]:
    """The files of each input; `paints` is told how each mesh takes its texture."""
    return {wanted.name: files for wanted in task.inputs
            if (files := _capture_one(context, task, wanted, meshes, folder, paints))}


def _capture_one(context: bpy.types.Context, task: TaskSpec, wanted: InputSpec, meshes: Sequence[bpy.types.Object],
                 folder: JobFolder, paints: list[Paint]) -> tuple[str, ...]:
    settings = settings_of(context.scene)
    if wanted.kind == "image":
        image = used_image(settings, task)
        return (capture_image(image, folder.inputs, context.scene),) if image else ()
    if wanted.kind == "text":
        (folder.inputs / f"{wanted.name}.txt").write_text(settings.prompt, encoding="utf-8")
        return (f"{wanted.name}.txt",) if settings.prompt.strip() else ()
    taken = meshes[:1] if wanted.kind == "mesh" else meshes
    view = View.of(context) if wanted.kind == "uv_meshes" and settings.paint_scope == "VIEW" else None
    textured = wanted.textured(parameter_values(getattr(settings, task.name), task))
    names = tuple(f"{wanted.name}.{number:03d}.npz" for number in range(1, len(taken) + 1))
    for item, name in zip(taken, names, strict=True):
        if wanted.kind == "uv_meshes":
            paints.append(capture_painted(item, folder.inputs / name, settings.mesh_source, settings.paint_scope,
                                          settings.paint_uvs, view, textured))
        else:
            frame: Frame = "standing" if wanted.kind == "mesh" else "world"
            capture_mesh(item, folder.inputs / name, settings.mesh_source, frame)
    return names


def _note(context: bpy.types.Context, task: TaskSpec, meshes: Sequence[bpy.types.Object]) -> DeliveryNote:
    settings, mode = settings_of(context.scene), mode_of(task)
    fit = mode == "place" and settings.placement == "SELECTED"
    if fit and not context.selected_objects:
        raise BadInput("Nothing is selected to fit the result into.", "The place is 'In the Selected Object'.",
                       "Select an object, or place the result at the 3D cursor.")
    used = context.selected_objects if fit else [] if mode == "place" else meshes
    image = used_image(settings, task)
    transfer = Transfer(settings.keep_materials, settings.keep_uvs, settings.keep_weights, settings.mesh_source)
    return DeliveryNote(mode=mode, scene=reference(context.scene), cursor=tuple(context.scene.cursor.location),
                        size=settings.size, fit=fit, targets=tuple(target_of(item) for item in used),
                        image=image.name if image else "", transfer=transfer)


def _job_name(task: str) -> str:
    return f"{datetime.datetime.now():%Y%m%d-%H%M%S}-{task}-{uuid.uuid4().hex[:6]}"
