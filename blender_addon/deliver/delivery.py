# SPDX-License-Identifier: GPL-3.0-or-later
"""From a job folder to the scene: read, hand to the deliverer of its kind, select, one undo step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..backend.contract import Delivery, JobFolder, MeshwrightError, Remedy
from ..delivery_note import DeliveryNote
from ..opened_file import OpenedFile
from . import preview
from .caption import deliver_text
from .finished_job import Delivered, FinishedJob
from .framing import frame
from .material import deliver_material
from .new_objects import deliver_groups, deliver_object, deliver_parts
from .provenance import provenance
from .replacement import deliver_replacement
from .scene import hand_on_selection, hide_superseded, push_undo, scene_of, select_only, selected, view_layer_of

DELIVERERS: Mapping[Delivery, Callable[[FinishedJob], Delivered]] = {
    "object": deliver_object, "parts": deliver_parts, "groups": deliver_groups, "replace": deliver_replacement,
    "material": deliver_material, "text": deliver_text,
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
    """Put a finished job's result into its scene as one undo step; can be repeated, also in a later session.

    The artist's selection and active object stay, unless the result was asked to be selected.

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
    scene, remarks = scene_of(note)
    job = FinishedJob(folder, request, result, note, provenance(folder, request, note), scene, view_layer_of(scene))
    before = selected(job.view_layer)
    made = DELIVERERS[note.delivery](job)
    hide_superseded(note, job.view_layer)
    job.view_layer.update()
    if made.shown and note.select:
        select_only(made.shown, made.objects[0], job.view_layer)
    elif made.shown:
        hand_on_selection(before, made.shown, job.view_layer)
    if note.frame:
        frame(made.objects, scene)
    message = f"Meshwright: {made.title}"
    push_undo(message, request.job)
    names = tuple(item.name for item in made.objects)
    return DeliveryReport(names, (*result.notes, *remarks, *made.notes), made.title, message)


def other_file_open(subject: str, file: OpenedFile) -> MeshwrightError:
    """The error of a result whose file is not the one that is open."""
    wait = f"Open {file.name} again, or deliver it here." if file.last_path else "Deliver it here."
    return MeshwrightError(f"{subject} is ready, but another file is open.", f"It was asked from {file.name}.",
                           wait, Remedy.DELIVER_HERE)
