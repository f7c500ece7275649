# SPDX-License-Identifier: GPL-3.0-or-later
"""How large images may be drawn so that the job that runs and the task's button stay in sight without scrolling."""

from dataclasses import dataclass

import bpy

from .. import jobs
from .words import rows

NEEDED_IDLE, NEEDED_AT_WORK = 21.0, 25.0
"""Rows that a task takes down to its button, with the smallest images: without a job, and with one."""
SMALLEST, LARGEST_INPUT, LARGEST_WORK = 2.5, 7.0, 11.0


@dataclass(frozen=True)
class Room:
    """Scales of Blender's `template_icon`: of the chosen image, and of the work so far, 0 where that has no room."""

    input: float
    work: float
    spare: float


def room_in(context: bpy.types.Context) -> Room:
    """How the height of the sidebar is shared. The work so far comes first: it is what the artist waits for."""
    working = any(not job.ended for job in jobs.jobs())
    spare = rows(context) - (NEEDED_AT_WORK if working else NEEDED_IDLE)
    if not working:
        return Room(min(SMALLEST + max(spare, 0.0), LARGEST_INPUT), 0.0, spare)
    work = min(spare, LARGEST_WORK) if spare >= SMALLEST else 0.0
    return Room(min(SMALLEST + max(spare - work, 0.0), LARGEST_INPUT), work, spare - work)
