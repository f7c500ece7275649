# SPDX-License-Identifier: GPL-3.0-or-later
"""From a job folder to the scene: read, hand to the deliverer of its kind, select, one undo step. All or nothing."""

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass

import bpy

from ..backend.contract import Delivery, JobFolder, MeshwrightError, Remedy
from ..delivery_note import DeliveryNote
from ..opened_file import OpenedFile
from . import preview
from .arrived_files import check_files
from .caption import deliver_text
from .finished_job import Delivered, FinishedJob, Steps
from .framing import frame
from .interruption import interruptions
from .material import deliver_material
from .new_objects import deliver_groups, deliver_object, deliver_parts
from .provenance import provenance
from .replacement import deliver_replacement
from .scene import (
    Selection,
    hand_on_selection,
    hide_superseded,
    push_undo,
    scene_of,
    select_only,
    selected,
    view_layer_of,
)
from .transaction import Transaction

SLICE_SECONDS = 0.015


def _in_one_step(deliverer: Callable[[FinishedJob], Delivered]) -> Callable[[FinishedJob], Steps]:
    def steps(job: FinishedJob) -> Steps:
        yield
        return deliverer(job)
    return steps


DELIVERERS: Mapping[Delivery, Callable[[FinishedJob], Steps]] = {
    "object": _in_one_step(deliver_object), "parts": deliver_parts, "groups": deliver_groups,
    "replace": _in_one_step(deliver_replacement), "material": _in_one_step(deliver_material),
    "text": _in_one_step(deliver_text),
}


@dataclass(frozen=True)
class DeliveryReport:
    """Names of the objects that were made or changed, the main one first, remarks that the artist should read, what the
    objects are ("3 parts"), and the name of the undo step."""

    objects: tuple[str, ...]
    notes: tuple[str, ...]
    title: str = ""
    message: str = ""


def deliver(folder: JobFolder) -> DeliveryReport:
    """`delivering`, to its end."""
    steps = delivering(folder)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            report: DeliveryReport = end.value
            return report


def delivering(folder: JobFolder) -> Generator[None, None, DeliveryReport]:
    """Put a finished job's result into its scene as one undo step; can be repeated, also in a later session.

    Every step takes some hundredths of a second, however many parts there are; the scene changes in the last one. What
    a delivery made that fails, or that is given up, is taken back. It starts again when the artist undoes something or
    opens another file meanwhile. The artist's selection and active object stay, unless the result was asked to be
    selected.

    A job without artifacts (a download, say) changes nothing. Raises MeshwrightError when the folder holds no readable
    result, and with the remedy DELIVER_HERE while another file is open than the one that it was asked from. Call it
    only while `blocked()` is empty.
    """
    request, result = folder.read_request(), folder.read_result()
    if result is None:
        raise MeshwrightError("This job has no result.", "It did not finish.", "Start it again.", Remedy.RETRY)
    note = DeliveryNote.read(folder)
    if result.artifacts and note.file is not None and not note.file.is_open:
        raise other_file_open(request.subject, note.file)
    preview.remove(request.job)  # before the undo step
    if not result.artifacts:
        return DeliveryReport((), result.notes)
    check_files(folder, result)
    scene, remarks = scene_of(note)
    job = FinishedJob(folder, request, result, note, provenance(folder, request, note), scene, view_layer_of(scene))
    transaction, steps, count = Transaction(note, job.view_layer), DELIVERERS[note.delivery](job), interruptions()
    report = None
    try:
        while report is None:
            with transaction.making():
                report = _slice(job, steps, remarks)
            if report is None:
                yield
                if _outdated(job, count):
                    break
    except BaseException:  # also GeneratorExit: the artist cancelled
        transaction.take_back(None if _outdated(job, count) else job.view_layer)
        raise
    if report is None:
        transaction.take_back(None)
        return (yield from delivering(folder))
    push_undo(report.message, request.job)
    return report


def _outdated(job: FinishedJob, count: int) -> bool:
    """Whether the job's datablocks may no longer exist, or the artist looks at another view layer."""
    return interruptions() != count or job.scene not in bpy.data.scenes.values() \
        or view_layer_of(job.scene) != job.view_layer


def _slice(job: FinishedJob, steps: Steps, remarks: tuple[str, ...]) -> DeliveryReport | None:
    """Some steps, and with the last one all that is seen of the delivery; None while there are more."""
    before, begin = selected(job.view_layer), time.monotonic()
    try:
        while time.monotonic() - begin < SLICE_SECONDS:
            next(steps)
    except StopIteration as end:
        return _finished(job, end.value, before, remarks)
    return None


def _finished(job: FinishedJob, made: Delivered, before: Selection, remarks: tuple[str, ...]) -> DeliveryReport:
    note = job.note
    hide_superseded(note, job.view_layer)
    job.view_layer.update()
    if made.shown and note.select:
        select_only(made.shown, made.objects[0], job.view_layer)
    elif made.shown:
        hand_on_selection(before, made.shown, job.view_layer)
    if note.frame:
        frame(made.objects, job.scene)
    names = tuple(item.name for item in made.objects)
    return DeliveryReport(names, (*job.result.notes, *remarks, *made.notes), made.title, f"Meshwright: {made.title}")


def other_file_open(subject: str, file: OpenedFile) -> MeshwrightError:
    """The error of a result whose file is not the one that is open."""
    wait = f"Open {file.name} again, or deliver it here." if file.last_path else "Deliver it here."
    return MeshwrightError(f"{subject} is ready, but another file is open.", f"It was asked from {file.name}.",
                           wait, Remedy.DELIVER_HERE)
