# SPDX-License-Identifier: GPL-3.0-or-later
"""An error as the artist reads it: what, why, what to do, and the one button that helps."""

import bpy

from ..backend.contract import ErrorReport
from ..backend.contract.error import sentence
from ..jobs import Job, JobState
from ..remedies import remedy_label
from .words import wrapped

MOST_LINES = 5


def draw_error(box: bpy.types.UILayout, job: Job, error: ErrorReport, width: float) -> None:
    """The remedy's button, *Retry* for what did not run, and the ways to the log and to a report."""
    what = box.column()
    what.alert = not job.waits_for_file
    wrapped(what, sentence(error.what), width, most=MOST_LINES)
    wrapped(box, " ".join(filter(None, map(sentence, (error.why, error.advice)))), width, most=MOST_LINES)
    row = box.row(align=True)
    if error.remedy:
        row.operator("meshwright.apply_remedy", text=remedy_label(job, error.remedy)).job = job.id
    if not error.remedy or (job.state is JobState.FAILED and "Retry" not in remedy_label(job, error.remedy)):
        row.operator("meshwright.retry_job").job = job.id
    for name, icon in (("open_log", "TEXT"), ("copy_error", "COPYDOWN")):
        row.operator(f"meshwright.{name}", text="", icon=icon).job = job.id
