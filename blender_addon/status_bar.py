# SPDX-License-Identifier: GPL-3.0-or-later
"""The progress of the job that runs in Blender's status bar, in whatever editor the artist is."""

import time
from collections.abc import Sequence

import bpy

from . import jobs
from .deliver.scene import modal_operator
from .jobs import Job, JobState
from .panels.now_strip import current_job, progress_words, stage_words
from .translations import translated

SECONDS_BETWEEN = 0.5
WIDTH = 9.0
"""Of the bar, in units of a button's height."""
_drawn: tuple[object, ...] = ()
_drawn_at = 0.0


def register() -> None:
    """Add our part to the status bar."""
    bpy.types.STATUSBAR_HT_header.append(_draw)


def unregister() -> None:
    """Take it away."""
    bpy.types.STATUSBAR_HT_header.remove(_draw)


def follow(listed: Sequence[Job]) -> None:
    """Have the status bar drawn when its words have changed, twice a second at most."""
    global _drawn, _drawn_at
    job = current_job(listed)
    state = () if job is None else (job.id, job.stage, progress_words(job))
    now = time.monotonic()
    if state == _drawn or (state and now - _drawn_at < SECONDS_BETWEEN) or modal_operator():
        return
    _drawn, _drawn_at = state, now
    for window in bpy.context.window_manager.windows:
        # Blender draws a status bar on its own only for what it shows itself; a text of None is no text.
        window.workspace.status_text_set_internal(None)


def _draw(self: bpy.types.Header, _context: bpy.types.Context) -> None:
    listed = jobs.jobs()
    job = current_job(listed)
    if job is None:
        return
    row = self.layout.row(align=True)
    row.label(text=translated(f"{job.request.subject}: {stage_words(job, listed)}"), icon="PLAY")
    if job.state not in (JobState.QUEUED, JobState.DELIVERING):
        bar = row.row()
        bar.ui_units_x = WIDTH
        bar.progress(factor=job.fraction, text=translated(progress_words(job)))
    row.operator("meshwright.cancel_job", text="", icon="X", emboss=False).job = job.id
