# SPDX-License-Identifier: GPL-3.0-or-later
"""The results in the scene: which one is active, and how to make it again."""

import bpy

from . import jobs, offered_tasks
from .backend.contract import MAXIMUM_SEED, BadInput, JobFolder, PipelineSpec, TaskSpec
from .backend.pipelines import registry
from .deliver.provenance import FOLDER, PIPELINE, SEED, TASK
from .history import job_folder
from .materials.variants import material_variants_of
from .offered_tasks import OfferedTask
from .preferences import jobs_folder
from .submission import submit_again


def active_result(context: bpy.types.Context) -> bpy.types.Object | None:
    """The result that the active object belongs to: its empty, or the object itself where there is none."""
    active = context.view_layer.objects.active
    if active is None or FOLDER not in active:
        return None
    parent = active.parent
    return parent if parent and parent.get(FOLDER) == active[FOLDER] else active


def made_by(result: bpy.types.ID) -> tuple[PipelineSpec, TaskSpec] | None:
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


def run_again(result: bpy.types.Object) -> jobs.Job:
    """Queue the result's job as it was. Raises MeshwrightError when its job folder no longer exists."""
    return submit_again(_folder(result), superseded=result)


def reroll(result: bpy.types.Object) -> jobs.Job:
    """Queue the result's job with the next seed. Raises MeshwrightError when its job folder no longer exists."""
    return submit_again(_folder(result), seed=next_seed(int(result[SEED])), superseded=result)


def shown_material(item: bpy.types.Object) -> bpy.types.Material | None:
    """The material of ours that the object shows; it carries its provenance. None when it shows none."""
    return next((slot.material for slot in item.material_slots if slot.material and FOLDER in slot.material), None)


def painter_of(item: bpy.types.Object) -> OfferedTask | None:
    """The task that made the shown material, or else the newest variant's; None when it cannot paint single faces."""
    variants = [slot.material for variant in reversed(material_variants_of(item)) for slot in variant.slots]
    for material in (shown_material(item), *variants):
        if material and FOLDER in material:
            offered = offered_tasks.find(material[PIPELINE], material[TASK])
            mesh = offered and offered.task.mesh_input
            return offered if mesh and "selection" in mesh.needs else None
    return None


def reroll_material(item: bpy.types.Object) -> jobs.Job:
    """Queue the shown material's job with the next seed. Raises MeshwrightError when its folder no longer exists."""
    material = shown_material(item)
    if material is None:
        raise BadInput("The object shows no material by Meshwright.", "Another material variant is shown.",
                       "Show the material variant to repeat.")
    return submit_again(_folder(material), seed=next_seed(int(material[SEED])))


def next_seed(seed: int) -> int:
    """The seed after this one; 0 after the last."""
    return (seed + 1) % (MAXIMUM_SEED + 1)


def _folder(result: bpy.types.ID) -> JobFolder:
    return job_folder(jobs_folder(), str(result[FOLDER]))
