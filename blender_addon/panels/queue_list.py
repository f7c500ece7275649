# SPDX-License-Identifier: GPL-3.0-or-later
"""All jobs of the session, folded away: what runs first, what waits in its order, then what ended, the newest first."""

from collections.abc import Sequence

import bpy

from .. import job_images
from ..jobs import Job, JobState
from ..offered_tasks import icon_of, label_of
from ..translations import translated

THUMBNAIL = 1.8
_ICONS = {JobState.DONE: "CHECKMARK", JobState.FAILED: "ERROR", JobState.CANCELLED: "X", JobState.QUEUED: "TIME"}


def in_order(listed: Sequence[Job]) -> list[Job]:
    """Running, waiting, ended."""
    running = [job for job in listed if not job.ended and job.state is not JobState.QUEUED]
    waiting = [job for job in listed if job.state is JobState.QUEUED]
    return [*running, *waiting, *(job for job in reversed(listed) if job.ended)]


def queue_words(listed: Sequence[Job]) -> str:
    """"Queue: 3 waiting, 1 failed"."""
    counts = {"waiting": sum(job.state is JobState.QUEUED for job in listed),
              "failed": sum(job.state is JobState.FAILED for job in listed),
              "done": sum(job.state is JobState.DONE for job in listed)}
    return f"Queue: {', '.join(f'{count} {word}' for word, count in counts.items() if count) or len(listed)}"


def draw_queue(layout: bpy.types.UILayout, listed: Sequence[Job]) -> None:
    """One row a job: thumbnail, task and subject, and what can be done with it."""
    header, body = layout.panel("meshwright_queue", default_closed=True)
    header.label(text=queue_words(listed))
    if sum(not job.ended for job in listed) > 1:
        header.operator("meshwright.cancel_all", text="", icon="CANCEL", emboss=False)
    if body is None:
        return
    waiting = [job for job in listed if job.state is JobState.QUEUED]
    for job in in_order(listed):
        _draw_row(body.row(align=True), job, waiting)


def _draw_row(row: bpy.types.UILayout, job: Job, waiting: Sequence[Job]) -> None:
    thumbnail = job_images.thumbnail_of(job)
    if thumbnail is not None:
        row.template_icon(thumbnail, scale=THUMBNAIL)
    words = row.column(align=True)
    words.scale_y = 0.9
    words.label(text=job.request.subject, icon=icon_of(job.request) if thumbnail is None else "NONE")
    below = words.row()
    below.active = False
    state = f"{job.fraction:.0%}" if job.state is JobState.RUNNING else job.stage
    below.label(text=translated(f"{label_of(job.request)} · {state}"), icon=_ICONS.get(job.state, "PLAY"))
    if job in waiting:
        for step, icon in ((-1, "TRIA_UP"), (1, "TRIA_DOWN")):
            if 0 <= waiting.index(job) + step < len(waiting):
                button = row.operator("meshwright.move_job", text="", icon=icon, emboss=False)
                button.job, button.step = job.id, step
    for name, icon in _buttons(job):
        row.operator(f"meshwright.{name}", text="", icon=icon, emboss=False).job = job.id


def _buttons(job: Job) -> list[tuple[str, str]]:
    if not job.ended:
        return [("cancel_job", "X")]
    found = [("open_job_folder", "FILE_FOLDER")]
    if job.state in (JobState.FAILED, JobState.CANCELLED):
        found.append(("retry_job", "FILE_REFRESH"))
    elif job.result and job.result.artifacts:
        found.append(("deliver_again", "IMPORT"))
    return [*found, ("remove_job", "X")]
