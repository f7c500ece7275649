# SPDX-License-Identifier: GPL-3.0-or-later
"""A new object in the place of the one that was captured: its transforms, parent, collections, materials."""

import json

import bpy
import numpy as np
from mathutils import Matrix

from ..backend.contract import VARIANT_GROUP, BadInput, Request
from ..backend.contract.json_form import from_json, to_json
from ..backend.pipelines import registry
from ..delivery_note import Reference, Target
from ..names import fitted
from .arrived_mesh import ArrivedMesh, read_meshes
from .explode import follow_slider
from .finished_job import Delivered, FinishedJob
from .mesh_objects import material_of, new_mesh
from .provenance import ORIGINAL, attach
from .quality import attach_metrics
from .scene import hide_targets
from .since import changes_since
from .transfer import transfer_data
from .transforms import stand_like, stand_where
from .variants import mark_variants


def deliver_replacement(job: FinishedJob) -> Delivered:
    """New objects where the target is, which is hidden. Of variants, all but the first are hidden too.

    A target that no longer exists leaves its world matrix, and the artist a remark.
    """
    meshes = read_meshes(job.folder, job.result)
    target = job.note.targets[0] if job.note.targets else None
    old = target and target.reference.find(bpy.data.objects)
    notes = [f"{target.reference.name} no longer exists. The result is a new object in its place."] \
        if target and old is None else []
    homes = [home for home in old.users_collection if home in _open_collections(job.view_layer)] if old else []
    if old and not homes:
        notes.append(f"The collection of {old.name} is linked or excluded. The result is in the scene's collection.")
    objects = [_new_object(job, arrived, number, target, homes) for number, arrived in enumerate(meshes, 1)]
    notes += changes_since(target, old) if target and old else []
    _place(job, objects, target, old)
    for made, arrived in zip(objects, meshes, strict=True):
        if arrived.maps or not made.data.materials:
            made.data.materials.clear()
            made.data.materials.append(material_of(made.name, arrived, job.folder))
    variants = meshes[0].artifact.group == VARIANT_GROUP
    hidden = mark_variants(objects, job.view_layer) if variants else []
    attach_metrics(objects, [arrived.artifact for arrived in meshes], job.folder)
    hide_targets(job.note, job.view_layer)
    shown = tuple(item for item in objects if item not in hidden)
    return Delivered(tuple(objects), shown, objects[0].name, tuple(notes))


def original_of(item: bpy.types.Object) -> bpy.types.Object | None:
    """The object whose place this one took; None when there is none, or it no longer exists."""
    if ORIGINAL not in item:
        return None
    return from_json(Reference, json.loads(item[ORIGINAL])).find(bpy.data.objects)


def _new_object(job: FinishedJob, arrived: ArrivedMesh, number: int, target: Target | None,
                homes: list[bpy.types.Collection]) -> bpy.types.Object:
    """Linked into `homes`, else into the scene's collection; its mesh in the target's own frame."""
    suffix = _suffix(job.request)
    variant = arrived.artifact.group == VARIANT_GROUP and number > 1
    name = fitted(job.request.subject, f"{suffix}.v{number}" if variant else suffix)
    made = bpy.data.objects.new(name, new_mesh(name, target.own(arrived.mesh) if target else arrived.mesh))
    for home in homes or [job.scene.collection]:
        home.objects.link(made)
    original = {ORIGINAL: json.dumps(to_json(target.reference))} if target else {}
    attach(made, {**job.provenance, **original})
    return made


def _place(job: FinishedJob, objects: list[bpy.types.Object], target: Target | None,
           old: bpy.types.Object | None) -> None:
    """Where the original is, with what it hands on; without it, where it was."""
    if old:
        for made in objects:
            follow_slider(made, old)
        stand_like(objects, old, job.view_layer)
        if target and changes_since(target, old):  # an applied scale is in its vertices now
            stand_where(objects, target)
        transfer_data(old, objects, job.note.transfer, job.scene, job.view_layer)
        return
    for made in objects:
        made.matrix_world = Matrix(np.reshape(target.matrix, (4, 4))) if target \
            else Matrix.Translation(job.note.cursor)


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
