# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of jobs: progress, time left, cancel; an error with the button that fixes it."""

from collections.abc import Sequence

import bpy

from .. import job_images, jobs
from ..backend.contract import ErrorReport
from ..jobs import Job, JobState
from ..remedies import remedy_label
from .main_panel import JOBS_ORDER, SidebarPanel
from .words import duration, region_width, wrapped

SHOWN = 8
IMAGE_SCALE = 11.0
_ICONS = {JobState.DONE: "CHECKMARK", JobState.FAILED: "ERROR", JobState.CANCELLED: "X", JobState.QUEUED: "TIME"}


class MESHWRIGHT_PT_jobs(SidebarPanel, bpy.types.Panel):
    bl_label = "Jobs"
    bl_order = JOBS_ORDER

    def draw(self, context: bpy.types.Context) -> None:
        listed = jobs.jobs()
        if not listed:
            self.layout.label(text="No jobs yet")
        for job in listed[::-1][:SHOWN]:
            _draw_job(self.layout.box(), job, region_width(context))
        row = self.layout.row(align=True)
        row.operator("meshwright.recover_results", icon="RECOVER_LAST")
        row.operator("meshwright.free_memory", text="Free Memory", icon="MEMORY")


def _draw_job(box: bpy.types.UILayout, job: Job, width: float) -> None:
    row = box.row()
    row.label(text=job.request.subject, icon=_ICONS.get(job.state, "PLAY"))
    if job.ended:
        _button(row, job, "open_job_folder", "FILE_FOLDER")
        if job.state is JobState.DONE and job.result and job.result.artifacts:
            _button(row, job, "deliver_again", "IMPORT")
        _button(row, job, "remove_job", "X")
    else:
        _button(row, job, "cancel_job", "X")
        box.label(text=stage_words(job, jobs.jobs()))
        if job.state is not JobState.QUEUED:
            left = "" if job.seconds_left is None else f" · {duration(job.seconds_left)} left"
            box.progress(factor=job.fraction, text=f"{job.fraction:.0%}{left}")
        icon = job_images.icon_of(job)
        if icon is not None:
            box.template_icon(icon, scale=IMAGE_SCALE)
            box.operator("meshwright.show_views", icon="IMAGE_REFERENCE").job = job.id
    for note in job.notes:
        wrapped(box, note, width, "INFO")
    if job.error:
        _draw_error(box, job, job.error, width)


def stage_words(job: Job, queue: Sequence[Job]) -> str:
    """What happens to the job now; for a waiting one, how many others come first."""
    earlier = [other for other in queue[:queue.index(job)] if not other.ended]
    if job.state is not JobState.QUEUED or not earlier:
        return job.stage
    return "Next in the queue" if len(earlier) == 1 else f"Waiting for {len(earlier)} other jobs"


def _draw_error(box: bpy.types.UILayout, job: Job, error: ErrorReport, width: float) -> None:
    what = box.column()
    what.alert = True
    wrapped(what, error.what, width, "ERROR")
    wrapped(box, f"{error.why} {error.advice}", width)
    row = box.row(align=True)
    if error.remedy:
        row.operator("meshwright.apply_remedy", text=remedy_label(job, error.remedy)).job = job.id
    else:
        row.operator("meshwright.retry_job").job = job.id
    _button(row, job, "open_log", "TEXT")
    _button(row, job, "copy_error", "COPYDOWN")


def _button(row: bpy.types.UILayout, job: Job, name: str, icon: str) -> None:
    row.operator(f"meshwright.{name}", text="", icon=icon, emboss=False).job = job.id


CLASSES = (MESHWRIGHT_PT_jobs,)
