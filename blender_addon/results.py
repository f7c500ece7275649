# SPDX-License-Identifier: GPL-3.0-or-later
"""The results in the scene: which one is active, and how to make it again."""

import bpy

from . import jobs
from .backend.contract import MAXIMUM_SEED, BadInput, JobFolder, PipelineSpec, TaskSpec
from .backend.pipelines import registry
from .deliver.provenance import FOLDER, PIPELINE, SEED, TASK
from .preferences import jobs_folder
from .submission import submit_again


def active_result(context: bpy.types.Context) -> bpy.types.Object | None:
    """The result that the active object belongs to: its empty, or the object itself where there is none."""
    active = context.view_layer.objects.active
    if active is None or FOLDER not in active:
        return None
    parent = active.parent
    return parent if parent and parent.get(FOLDER) == active[FOLDER] else active


def made_by(result: bpy.types.Object) -> tuple[PipelineSpec, TaskSpec] | None:
    """What made the result; None when this version does not have it."""
    try:
        spec = registry.spec(result[PIPELINE])
        return spec, spec.task(result[TASK])
    except BadInput:
        return None


def depends_on_seed(result: bpy.types.Object) -> bool:
    """Whether another seed could make another result."""
    maker = made_by(result)
    return maker is not None and maker[1].seeded


def redo(result: bpy.types.Object) -> jobs.Job:
    """Queue the result's recipe as it is. Raises MeshwrightError when its job folder has gone."""
    return submit_again(_folder(result), superseded=result)


def reroll(result: bpy.types.Object) -> jobs.Job:
    """Queue the result's recipe with the next seed. Raises MeshwrightError when its job folder has gone."""
    return submit_again(_folder(result), seed=next_seed(int(result[SEED])), superseded=result)


def shown_texture(item: bpy.types.Object) -> bpy.types.Material | None:
    """The material of the texture that the object shows: it carries the recipe. None when it shows none of ours."""
    return next((slot.material for slot in item.material_slots if slot.material and FOLDER in slot.material), None)


def reroll_texture(item: bpy.types.Object) -> jobs.Job:
    """Queue the shown texture's recipe with the next seed. Raises MeshwrightError when its job folder has gone."""
    material = shown_texture(item)
    if material is None:
        raise BadInput("The object shows no texture of Meshwright.", "Its look is an older one.",
                       "Show the look that is to be painted anew.")
    return submit_again(_folder(material), seed=next_seed(int(material[SEED])))


def next_seed(seed: int) -> int:
    """The seed after this one; after the last comes 0."""
    return (seed + 1) % (MAXIMUM_SEED + 1)


def _folder(result: bpy.types.ID) -> JobFolder:
    return JobFolder(jobs_folder() / result[FOLDER])
