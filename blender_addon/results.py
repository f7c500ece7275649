# SPDX-License-Identifier: GPL-3.0-or-later
"""The results in the scene: which one is active, and how to make it again."""

from collections.abc import Iterable

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
    return submit_again(folder_of(result), superseded=result)


def reroll(result: bpy.types.Object) -> jobs.Job:
    """Queue the result's job with the next seed. Raises MeshwrightError when its job folder no longer exists."""
    return submit_again(folder_of(result), seed=next_seed(int(result[SEED])), superseded=result)


def textured_objects(context: bpy.types.Context) -> list[bpy.types.Object]:
    """The objects with material variants that the selection means: those selected, and those below a selected empty;
    the active one, or those below it, first."""
    active = context.view_layer.objects.active
    chosen = [item for item in (active, *context.selected_objects) if item is not None]
    meant = dict.fromkeys(part for item in chosen
                          for part in ((item, *item.children_recursive) if item.type == "EMPTY" else (item,)))
    return [item for item in meant if len(material_variants_of(item))]


def shown_materials(items: Iterable[bpy.types.Object]) -> list[bpy.types.Material]:
    """The materials of ours that the objects show, one for each job that made them."""
    shown = (shown_material(item) for item in items)
    return list({material[FOLDER]: material for material in shown if material is not None}.values())


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


def reroll_materials(items: Iterable[bpy.types.Object]) -> list[jobs.Job]:
    """Queue the jobs of the shown materials with the next seed. Raises MeshwrightError when one's folder no longer
    exists."""
    return [submit_again(folder_of(material), seed=next_seed(int(material[SEED])))
            for material in shown_materials(items)]


def next_seed(seed: int) -> int:
    """The seed after this one; 0 after the last."""
    return (seed + 1) % (MAXIMUM_SEED + 1)


def folder_of(result: bpy.types.ID) -> JobFolder:
    """The folder of the job that made the result or material."""
    return job_folder(jobs_folder(), str(result[FOLDER]))
