# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens now: the job that runs with its progress, the last one that ended, and the queue below them."""

from collections.abc import Sequence

import bpy

from .. import job_images, jobs
from ..deliver.scene import nothing_since
from ..jobs import Job, JobState
from ..offered_tasks import icon_of, label_of
from ..translations import translated
from .error_box import draw_error
from .queue_list import draw_queue
from .room import Room
from .words import duration, region_width, wrapped

NOTE_LINES = 3


def draw_now(layout: bpy.types.UILayout, context: bpy.types.Context, room: Room) -> None:
    """Nothing while there is no job."""
    listed, width = jobs.jobs(), region_width(context)
    if not listed:
        return
    current, ended = current_job(listed), last_ended(listed)
    if current is not None:
        _draw_current(layout.box(), current, listed, room)
    if ended is not None and (current is None or ended.state is not JobState.DONE or ended.error is not None):
        _draw_ended(layout.box(), ended, width, brief=current is not None and room.spare < NOTE_LINES)
    if len(listed) > (current is not None) + (ended is not None):
        draw_queue(layout, listed)
    _draw_engine(layout)


def current_job(listed: Sequence[Job]) -> Job | None:
    """The job that the worker is at, else one that is being delivered, else the next to run; None when all ended."""
    order = {JobState.DELIVERING: 1, JobState.QUEUED: 2}
    waiting = [job for job in listed if not job.ended]
    return min(waiting, key=lambda job: order.get(job.state, 0), default=None)


def last_ended(listed: Sequence[Job]) -> Job | None:
    """What the artist should hear of first: a job that failed, was cancelled or was not delivered, else the last one
    that is done."""
    ended = [job for job in reversed(listed) if job.ended]
    return next((job for job in ended if job.state is not JobState.DONE or job.error), ended[0] if ended else None)


def progress_words(job: Job) -> str:
    """"25% · 1 min 15 s left"."""
    share = f"{job.fraction:.0%}"
    if job.seconds_left is None:
        return share
    return f"{share} · " + f"{duration(job.seconds_left)} left"


def stage_words(job: Job, queue: Sequence[Job]) -> str:
    """What happens to the job now; for a waiting one, how many others come first."""
    earlier = [other for other in queue[:queue.index(job)] if not other.ended]
    if job.state is not JobState.QUEUED or not earlier:
        return job.stage
    return "Next in the queue" if len(earlier) == 1 else f"Waiting for {len(earlier)} other jobs"


def done_words(job: Job) -> str:
    """"chair · 6 parts · 19 s"."""
    title = job.title if job.title not in (job.request.subject, *job.objects) else label_of(job.request)
    seconds = sum(job.result.seconds.values()) if job.result else 0.0
    return " · ".join(filter(None, (job.request.subject, title, duration(seconds) if seconds else "")))


def _draw_current(box: bpy.types.UILayout, job: Job, listed: Sequence[Job], room: Room) -> None:
    column = box.column(align=True)
    column.label(text=translated(f"{job.request.subject} · {label_of(job.request)}"), icon=icon_of(job.request))
    row = column.row(align=True)
    if job.state in (JobState.QUEUED, JobState.DELIVERING):
        row.label(text=translated(stage_words(job, listed)), icon="TIME")
    else:
        row.progress(factor=job.fraction, text=translated(progress_words(job)))
    icon = job_images.icon_of(job)
    if icon is not None:
        row.operator("meshwright.show_views", text="", icon="IMAGE_REFERENCE").job = job.id
    row.operator("meshwright.cancel_job", text="", icon="X").job = job.id
    if job.state not in (JobState.QUEUED, JobState.DELIVERING):
        words = column.row()
        words.active = False
        words.label(text=translated(stage_words(job, listed)))
    if icon is not None and room.work:
        box.template_icon(icon, scale=room.work)


def _draw_ended(box: bpy.types.UILayout, job: Job, width: float, brief: bool) -> None:
    """A job that ended: what there is now, or what is wrong with the one button that helps."""
    row = box.row(align=True)
    failed = job.state is not JobState.DONE or job.error is not None
    icon = "INFO" if job.waits_for_file or job.state is JobState.CANCELLED else "ERROR" if failed else "CHECKMARK"
    words = f"{job.request.subject} · {label_of(job.request)}" if failed else done_words(job)
    row.label(text=translated(words), icon=icon)
    if job.state is JobState.CANCELLED or (failed and brief):
        row.operator("meshwright.retry_job", text="Retry").job = job.id
    row.operator("meshwright.remove_job", text="", icon="X", emboss=False).job = job.id
    if job.state is JobState.CANCELLED:
        box.label(text="Cancelled")
    elif job.error is not None and not brief:
        draw_error(box, job, job.error, width)
    elif not failed:
        _draw_result(box, job)
    if not brief:
        for note in job.notes:
            wrapped(box, note, width, "INFO", NOTE_LINES)


def _draw_result(box: bpy.types.UILayout, job: Job) -> None:
    if job.result is None or not job.result.artifacts:
        return
    row = box.row(align=True)
    if not any(name in bpy.data.objects for name in job.objects):
        row.operator("meshwright.deliver_again", icon="IMPORT").job = job.id
        return
    row.operator("meshwright.frame_result", icon="VIEWZOOM").job = job.id
    row.operator("meshwright.select_result", icon="RESTRICT_SELECT_OFF").job = job.id
    if nothing_since(job.request.job):
        row.operator("ed.undo", icon="LOOP_BACK")


def _draw_engine(layout: bpy.types.UILayout) -> None:
    """The device that the engine runs on, while it runs, and the way to have its memory back."""
    if device := jobs.device():
        row = layout.split(factor=0.5)
        words = row.row()
        words.active = False
        words.label(text=device.partition(" · ")[2] or device)
        row.operator("meshwright.free_memory", text="Free Memory", icon="MEMORY")
