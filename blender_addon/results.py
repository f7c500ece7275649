# SPDX-License-Identifier: GPL-3.0-or-later
"""The results in the scene: which one is active, and how to make it again."""

import bpy

from . import jobs
from .backend.contract import MAXIMUM_SEED, JobFolder
from .deliver.recipe import FOLDER, SEED
from .preferences import jobs_folder
from .submission import submit_again


def active_result(context: bpy.types.Context) -> bpy.types.Object | None:
    """The result that the active object belongs to: its empty, or the object itself where there is none."""
    active = context.view_layer.objects.active
    if active is None or FOLDER not in active:
        return None
    parent = active.parent
    return parent if parent and parent.get(FOLDER) == active[FOLDER] else active


def redo(result: bpy.types.Object) -> jobs.Job:
    """Queue the result's recipe as it is. Raises MeshwrightError when its job folder has gone."""
    return submit_again(_folder(result), superseded=result)


def reroll(result: bpy.types.Object) -> jobs.Job:
    """Queue the result's recipe with the next seed. Raises MeshwrightError when its job folder has gone."""
    return submit_again(_folder(result), seed=next_seed(int(result[SEED])), superseded=result)


def next_seed(seed: int) -> int:
    """The seed after this one; after the last comes 0."""
    return (seed + 1) % (MAXIMUM_SEED + 1)


def _folder(result: bpy.types.Object) -> JobFolder:
    return JobFolder(jobs_folder() / result[FOLDER])
