# SPDX-License-Identifier: GPL-3.0-or-later
"""From a job folder to the scene: read, place, select, one undo step."""

from dataclasses import dataclass

import bpy

from ..backend.contract import JobFolder, MeshwrightError, Remedy
from ..delivery_note import DeliveryNote
from . import preview
from .material import deliver_textures
from .part_tree import build_tree
from .parts import combined_bounds, read_parts
from .placement import placement
from .provenance import VARIANT, recipe
from .quality import attach_metrics
from .replacement import replace_target
from .scene import hide, hide_superseded, push_undo, scene_of, select_only, view_layer_of


@dataclass(frozen=True)
class DeliveryReport:
    """Names of the objects that were made, the active one first, and remarks that the artist should read."""

    objects: tuple[str, ...]
    notes: tuple[str, ...]
    message: str = ""


def deliver(folder: JobFolder) -> DeliveryReport:
    """Put a finished job's result into its scene as one undo step; can be repeated, also in a later session.

    A job without meshes and textures (a download, say) changes nothing. Raises MeshwrightError when the folder holds no
    readable result. Call it only while `blocked()` is empty.
    """
    request, result = folder.read_request(), folder.read_result()
    if result is None:
        raise MeshwrightError("This job has no result.", "It did not finish.", "Start it again.", Remedy.RETRY)
    note, notes = DeliveryNote.read(folder), list(result.notes)
    values = recipe(folder, request, note)
    preview.remove(request.job)  # before the undo step
    if note.mode == "texture":
        painted = deliver_textures(folder, request, result, note, values, notes)
        return _report(painted, notes, "Meshwright: texture")
    parts = read_parts(folder, result)
    if not parts:
        return DeliveryReport((), tuple(notes))
    scene = scene_of(note, notes)
    view_layer = view_layer_of(scene)
    if note.mode == "replace":
        objects = replace_target(request, parts, note, scene, view_layer, values, notes)
        attach_metrics(objects, [part.artifact for part in parts], folder)
        hide([item for item in objects if item.get(VARIANT, 1) > 1], view_layer)
    else:
        place = placement(note, *combined_bounds(parts))
        root, made = build_tree(request.subject, parts, place, scene, values, by_group=note.mode == "groups")
        objects = [root, *made]
    if note.mode != "place":
        hide(filter(None, (target.reference.find(bpy.data.objects) for target in note.targets)), view_layer)
    hide_superseded(note, view_layer)
    view_layer.update()
    select_only([item for item in objects if not item.hide_render], objects[0], view_layer)
    several = note.mode != "replace" and len(parts) > 1
    return _report(objects, notes, f"Meshwright: {len(parts)} parts" if several else f"Meshwright: {objects[0].name}")


def _report(objects: list[bpy.types.Object], notes: list[str], message: str) -> DeliveryReport:
    """Close the undo step."""
    push_undo(message)
    return DeliveryReport(tuple(item.name for item in objects), tuple(notes), message)
