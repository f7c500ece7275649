# SPDX-License-Identifier: GPL-3.0-or-later
"""How large images may be drawn so that the job that runs and the task's button stay in sight without scrolling."""

from dataclasses import dataclass

import bpy

from .. import jobs
from ..offered_tasks import OfferedTask
from ..parameter_groups import chosen_weights
from ..properties import group_of
from .words import UNIT, region_width, rows

NEEDED_IDLE, NEEDED_AT_WORK = 21.0, 25.0
"""Rows that a task takes down to its button, with the smallest images: without a job, and with one."""
BOTH, LICENSED, BROKEN = 1.5, 3.0, 6.5
"""Rows that are added by a selection next to an image, by published weights, and by what is wrong with the engine."""
BORDERS = 3.0
"""Units at the sides of an image, which is no larger than the sidebar is wide."""
SMALLEST, LARGEST_INPUT, LARGEST_WORK, LEAST = 2.5, 7.0, 11.0, 1.5


@dataclass(frozen=True)
class Room:
    """Scales of Blender's `template_icon`: of the chosen image, and of the work so far, 0 where that has no room."""

    input: float
    work: float
    spare: float


def room_in(context: bpy.types.Context, further: float = 0.0) -> Room:
    """How the height of the sidebar is shared, where the task takes `further` rows more than most.

    The work so far comes first: it is what the artist waits for. Where there is room for no image, none is drawn.
    """
    working = any(not job.ended for job in jobs.jobs())
    needed = (NEEDED_AT_WORK if working else NEEDED_IDLE) + further
    spare = rows(context) - needed
    work = min(spare, LARGEST_WORK, region_width(context) / UNIT - BORDERS) if working and spare >= SMALLEST else 0.0
    chosen = min(SMALLEST + spare - work, LARGEST_INPUT)
    return Room(chosen if chosen >= LEAST else 0.0, work, spare - work)


def further_rows(context: bpy.types.Context, offered: OfferedTask) -> float:
    """What a task takes besides what most take: a selection and an image, a license to read, a broken engine."""
    weights = chosen_weights(group_of(context.scene, offered), offered)
    both = offered.task.mesh_input is not None and any(wanted.kind == "image" for wanted in offered.task.inputs)
    broken = jobs.paused() is not None or any(job.silent for job in jobs.jobs())
    return BOTH * both + LICENSED * (weights is not None and not weights.bundled) + BROKEN * broken
