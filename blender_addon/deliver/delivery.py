# SPDX-License-Identifier: GPL-3.0-or-later
"""From a job folder to the scene: read, hand to the deliverer of its kind, select, one undo step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..backend.contract import Delivery, JobFolder, MeshwrightError, Remedy
from ..delivery_note import DeliveryNote
from . import preview
from .caption import deliver_text
from .finished_job import Delivered, FinishedJob
from .material import deliver_material
from .new_objects import deliver_groups, deliver_object, deliver_parts
from .provenance import provenance
from .replacement import deliver_replacement
from .scene import hide_superseded, push_undo, scene_of, select_only, view_layer_of

DELIVERERS: Mapping[Delivery, Callable[[FinishedJob], Delivered]] = {
    "object": deliver_object, "parts": deliver_parts, "groups": deliver_groups, "replace": deliver_replacement,
    "material": deliver_material, "text": deliver_text,
}


@dataclass(frozen=True)
class DeliveryReport:
    """Names of the objects that were made, the active one first, and remarks that the artist should read."""

    objects: tuple[str, ...]
    notes: tuple[str, ...]
    message: str = ""


def deliver(folder: JobFolder) -> DeliveryReport:
    """Put a finished job's result into its scene as one undo step; can be repeated, also in a later session.

    A job without artifacts (a download, say) changes nothing. Raises MeshwrightError when the folder holds no readable
    result. Call it only while `blocked()` is empty.
    """
    request, result = folder.read_request(), folder.read_result()
    if result is None:
        raise MeshwrightError("This job has no result.", "It did not finish.", "Start it again.", Remedy.RETRY)
    preview.remove(request.job)  # before the undo step
    if not result.artifacts:
        return DeliveryReport((), result.notes)
    note = DeliveryNote.read(folder)
    scene, remarks = scene_of(note)
    job = FinishedJob(folder, request, result, note, provenance(folder, request, note), scene, view_layer_of(scene))
    made = DELIVERERS[note.delivery](job)
    hide_superseded(note, job.view_layer)
    job.view_layer.update()
    if made.shown:
        select_only(made.shown, made.objects[0], job.view_layer)
    title = f"Meshwright: {made.title}"
    push_undo(title)
    names = tuple(item.name for item in made.objects)
    return DeliveryReport(names, (*result.notes, *remarks, *made.notes), title)

