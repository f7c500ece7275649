# SPDX-License-Identifier: GPL-3.0-or-later
"""From a job folder to the scene: read, place, select, one undo step."""

from collections.abc import Mapping
from dataclasses import dataclass

import bpy
from mathutils import Matrix

from ..backend.contract import JobFolder, MeshwrightError, Remedy, Request
from ..backend.contract.parameter import Value
from ..delivery_note import DeliveryNote
from . import preview
from .explode import follow_slider
from .materials import new_material
from .mesh import new_mesh
from .names import fitted
from .parts import Part, combined_bounds, read_parts
from .placement import placement
from .recipe import attach, recipe
from .scene import hide, hide_superseded, push_undo, scene_of, select_only, view_layer_of
from .tree import build_tree


@dataclass(frozen=True)
class DeliveryReport:
    """Names of the objects that were made, the active one first, and remarks that the artist should read."""

    objects: tuple[str, ...]
    notes: tuple[str, ...]
    message: str = ""


def deliver(folder: JobFolder) -> DeliveryReport:
    """Put a finished job's result into its scene as one undo step; can be repeated, also in a later session.

    A job without meshes (a download, say) changes nothing. Raises MeshwrightError when the folder holds no readable
    result. Call it only while `blocked()` is empty.
    """
    request, result = folder.read_request(), folder.read_result()
    if result is None:
        raise MeshwrightError("This job has no result.", "It did not finish.", "Start it again.", Remedy.RETRY)
    note, notes = DeliveryNote.read(folder), list(result.notes)
    parts = read_parts(folder, result)
    if not parts:
        return DeliveryReport((), tuple(notes))
    preview.remove(request.job)  # before the undo step
    scene = scene_of(note, notes)
    view_layer = view_layer_of(scene)
    values = recipe(folder, request, note)
    if note.mode == "replace":
        objects = _replace(request, parts, note, scene, values, notes)
    else:
        place = placement(note, *combined_bounds(parts))
        root, made = build_tree(request.subject, parts, place, scene, values, by_group=note.mode == "groups")
        objects = [root, *made]
    if note.mode != "place":
        hide(filter(None, (target.reference.find(bpy.data.objects) for target in note.targets)), view_layer)
    hide_superseded(note, view_layer)
    view_layer.update()
    select_only(objects, objects[0], view_layer)
    message = f"Meshwright: {len(parts)} parts" if len(parts) > 1 else f"Meshwright: {objects[-1].name}"
    push_undo(message)
    return DeliveryReport(tuple(item.name for item in objects), tuple(notes), message)


def _replace(request: Request, parts: list[Part], note: DeliveryNote, scene: bpy.types.Scene,
             values: Mapping[str, Value], notes: list[str]) -> list[bpy.types.Object]:
    """New objects where the target is: its world matrix, parent, collections and materials. Meshes are in its frame."""
    target = note.targets[0] if note.targets else None
    old = target and target.reference.find(bpy.data.objects)
    if target and old is None:
        notes.append(f"{target.reference.name} has gone: the result stands where it was, as a new object.")
    matrix = old.matrix_world.copy() if old else Matrix([target.matrix[row * 4:row * 4 + 4] for row in range(4)]) \
        if target else Matrix.Translation(note.cursor)
    homes = [home for home in old.users_collection if home in _collections(scene)] if old else []
    materials = [slot.material for slot in old.material_slots if slot.material] if old else []
    objects = []
    for part in parts:
        name = fitted(request.subject, f".{request.task}")
        mesh = new_mesh(name, part.vertices, part.faces)
        for material in materials or [new_material(name, part.artifact.color)]:
            mesh.materials.append(material)
        made = bpy.data.objects.new(name, mesh)
        for home in homes or [scene.collection]:
            home.objects.link(made)
        if old and old.parent:
            made.parent, made.parent_type, made.parent_bone = old.parent, old.parent_type, old.parent_bone
        if old:
            follow_slider(made, old)
        made.matrix_world = matrix
        attach(made, values)
        objects.append(made)
    return objects


def _collections(scene: bpy.types.Scene) -> list[bpy.types.Collection]:
    return [scene.collection, *scene.collection.children_recursive]
