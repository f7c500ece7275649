# SPDX-License-Identifier: GPL-3.0-or-later
"""A new object in the place of the one that was captured: its transforms, parent, collections, materials."""

import json
import uuid
from collections.abc import Mapping, Sequence

import bpy
import numpy as np
from mathutils import Matrix

from ..backend.contract import VARIANT_GROUP, BadInput, Request
from ..backend.contract.json_form import from_json, to_json
from ..backend.contract.parameter import Value
from ..backend.pipelines import registry
from ..delivery_note import DeliveryNote, Reference
from ..materials.plain import new_material
from ..names import fitted
from .explode import follow_slider
from .mesh import new_mesh
from .parts import Part
from .provenance import DELIVERY, ORIGINAL, VARIANT, attach
from .transfer import transfer_data

_TRANSFORMS = ("rotation_mode", "location", "rotation_euler", "rotation_quaternion", "rotation_axis_angle", "scale",
               "delta_location", "delta_rotation_euler", "delta_rotation_quaternion", "delta_scale")


def replace_target(request: Request, parts: Sequence[Part], note: DeliveryNote, scene: bpy.types.Scene,
                   view_layer: bpy.types.ViewLayer, values: Mapping[str, Value],
                   notes: list[str]) -> list[bpy.types.Object]:
    """New objects where the target is. Of variants, all but the first are to be hidden.

    A target that has gone leaves its world matrix, and the artist a remark.
    """
    target = note.targets[0] if note.targets else None
    old = target and target.reference.find(bpy.data.objects)
    if target and old is None:
        notes.append(f"{target.reference.name} has gone: the result stands where it was, as a new object.")
    homes = [home for home in old.users_collection if home in _open_collections(view_layer)] if old else []
    if old and not homes:
        notes.append(f"The collection of {old.name} is linked or excluded: the result is in the scene's own.")
    if old and target:
        values = {**values, ORIGINAL: json.dumps(to_json(target.reference))}
    delivery, suffix, objects = uuid.uuid4().hex, _suffix(request), []
    for number, part in enumerate(parts, 1):
        variant = part.artifact.group == VARIANT_GROUP
        name = fitted(request.subject, f"{suffix}.v{number}" if variant and number > 1 else suffix)
        vertices, faces = target.own(part.vertices, part.faces) if target else (part.vertices, part.faces)
        made = bpy.data.objects.new(name, new_mesh(name, vertices, faces))
        for home in homes or [scene.collection]:
            home.objects.link(made)
        attach(made, {**values, VARIANT: number, DELIVERY: delivery} if variant and len(parts) > 1 else values)
        objects.append(made)
    if old:
        for made in objects:
            follow_slider(made, old)
        stand_like(objects, old, view_layer)
        transfer_data(old, objects, note.transfer, scene, view_layer)
    else:
        for made in objects:
            made.matrix_world = Matrix(np.reshape(target.matrix, (4, 4))) if target \
                else Matrix.Translation(note.cursor)
    for made, part in zip(objects, parts, strict=True):
        if not made.data.materials:
            made.data.materials.append(new_material(made.name, part.artifact.color))
    return objects


def stand_like(objects: Sequence[bpy.types.Object], old: bpy.types.Object, view_layer: bpy.types.ViewLayer) -> None:
    """Put the objects where `old` stands, below the same parent. Its transforms are copied one by one, since a world
    matrix below a parent of uneven scale cannot be set; what a constraint adds is in the world matrix alone."""
    for made in objects:
        made.parent, made.parent_type, made.parent_bone = old.parent, old.parent_type, old.parent_bone
        made.parent_vertices = old.parent_vertices
        made.matrix_parent_inverse = old.matrix_parent_inverse
        for name in _TRANSFORMS:
            setattr(made, name, getattr(old, name))
    view_layer.update()
    for made in objects:
        if not np.allclose(made.matrix_world, old.matrix_world, rtol=1e-5, atol=1e-6):
            made.matrix_world = old.matrix_world


def original_of(item: bpy.types.Object) -> bpy.types.Object | None:
    """The object whose place this one took; None when there is none, or it has gone."""
    if ORIGINAL not in item:
        return None
    return from_json(Reference, json.loads(item[ORIGINAL])).find(bpy.data.objects)


def _suffix(request: Request) -> str:
    """What stands behind the subject in a result's name."""
    try:
        return registry.spec(request.pipeline).task(request.task).suffix or f".{request.task}"
    except BadInput:  # the job of a version that had other pipelines can still be delivered
        return f".{request.task}"


def _open_collections(view_layer: bpy.types.ViewLayer) -> list[bpy.types.Collection]:
    """Those of the view layer that take new objects: excluded ones would not show them, linked ones refuse them."""
    found, waiting = [], [view_layer.layer_collection]
    while waiting:
        layer = waiting.pop()
        waiting.extend(layer.children)
        if not layer.exclude and layer.collection.library is None:
            found.append(layer.collection)
    return found
