# SPDX-License-Identifier: GPL-3.0-or-later
"""Results that are new in the scene: one object, named parts under an empty, or parts sorted into collections."""

from dataclasses import replace

import bpy
import numpy as np

from ..backend.contract import VARIANT_GROUP
from ..names import fitted
from .arrived_mesh import ArrivedMesh, combined_bounds, read_meshes, reading_meshes
from .clearance import free_placement
from .finished_job import Delivered, FinishedJob, Steps
from .mesh_objects import material_of, new_mesh
from .part_tree import building_tree, unused_name
from .placement import Placement, in_place
from .provenance import SIZE, attach
from .scene import hide_targets
from .since import changes_since
from .variants import mark_variants


def deliver_object(job: FinishedJob) -> Delivered:
    """One object, standing where the artist wants it. Further meshes are variants of it: hidden, one click away."""
    meshes = read_meshes(job.folder, job.result)
    low, high = combined_bounds(meshes)
    place = free_placement(job.note, low, high, job.scene, job.view_layer)
    objects = [_standing_object(job, arrived, place) for arrived in meshes]
    hidden = mark_variants(objects, job.view_layer) if meshes[0].artifact.group == VARIANT_GROUP else []
    shown = tuple(item for item in objects if item not in hidden)
    return Delivered(tuple(objects), shown, objects[0].name)


def deliver_parts(job: FinishedJob) -> Steps:
    """One collection, one empty, one named object a part."""
    meshes = yield from reading_meshes(job.folder, job.result)
    place = free_placement(job.note, *combined_bounds(meshes), job.scene, job.view_layer)
    return (yield from _tree(job, meshes, place, by_group=False))


def deliver_groups(job: FinishedJob) -> Steps:
    """The selected objects' meshes in their places, sorted into a collection for each group; the objects are hidden."""
    meshes = yield from reading_meshes(job.folder, job.result)
    targets = job.note.targets
    origin = targets[0].origin if targets else (0.0, 0.0, 0.0)
    delivered = yield from _tree(job, meshes, in_place(*combined_bounds(meshes), origin), by_group=True)
    known = [(target, target.reference.find(bpy.data.objects)) for target in targets]
    notes = [words for target, item in known if item for words in changes_since(target, item)]
    hide_targets(job.note, job.view_layer)
    return replace(delivered, notes=(*delivered.notes, *notes))


def _tree(job: FinishedJob, meshes: list[ArrivedMesh], place: Placement, by_group: bool) -> Steps:
    root, parts = yield from building_tree(job, meshes, place, by_group)
    objects = (root, *parts)
    return Delivered(objects, objects, f"{len(parts)} part{'s' if len(parts) > 1 else ''}")


def _standing_object(job: FinishedJob, arrived: ArrivedMesh, place: Placement) -> bpy.types.Object:
    """Its origin is the middle of its bottom, its scale 1."""
    name = unused_name(fitted(job.request.subject))
    foot = np.array([*arrived.center[:2], arrived.low[2]])
    vertices = (arrived.mesh.vertices - foot.astype(np.float32)) * np.float32(place.scale)
    made = bpy.data.objects.new(name, new_mesh(name, arrived.mesh.with_vertices(vertices)))
    made.data.materials.append(material_of(name, arrived, job.folder))
    made.location = place.location + place.local(foot)
    job.scene.collection.objects.link(made)
    attach(made, {**job.provenance, SIZE: float((arrived.high - arrived.low).max()) * place.scale})
    return made
