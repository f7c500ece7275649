# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts as an object tree: one collection, one empty, one object a part."""

from collections.abc import Generator

import bpy
import numpy as np

from ..names import fitted, numbered_subject, part_name
from .arrived_mesh import ArrivedMesh
from .explode import add_slider, directions, follow
from .finished_job import FinishedJob
from .mesh_objects import material_of, new_mesh
from .placement import Placement
from .provenance import PART, SIZE, attach

_COLLECTION = "Meshwright · "


Tree = tuple[bpy.types.Object, list[bpy.types.Object]]


def building_tree(job: FinishedJob, parts: list[ArrivedMesh], place: Placement,
                  by_group: bool) -> Generator[None, None, Tree]:
    """(the empty, the part objects in the order of `parts`), linked into a new collection, in steps of one part.

    The scene gets the collection in the last step. Part meshes are in meters with their origin at their own bounds'
    middle, so every object's scale is 1. `by_group` makes one sub-collection for each group of artifacts.
    """
    subject = unused_subject(job.request.subject, len(parts))
    collection = bpy.data.collections.new(fitted(_COLLECTION + subject))
    root = bpy.data.objects.new(fitted(subject), None)
    root.empty_display_type = "PLAIN_AXES"
    low = np.min([place.local(part.low) for part in parts], axis=0)
    high = np.max([place.local(part.high) for part in parts], axis=0)
    size = float((high - low).max())
    root.empty_display_size = 0.1 * size
    root.location = place.location
    attach(root, {**job.provenance, SIZE: size})
    collection.objects.link(root)
    homes = _group_collections(subject, parts, collection) if by_group else {}
    add_slider(root)
    ways = directions(np.array([place.local(part.center) for part in parts]), (low + high) / 2)
    objects = []
    for number, (part, way) in enumerate(zip(parts, ways, strict=True), 1):
        made = _part_object(part_name(subject, number, len(parts)), part, place, job)
        made.parent = root
        attach(made, {**job.provenance, PART: part.artifact.name})
        homes.get(part.artifact.group, collection).objects.link(made)
        follow(root, made, way)
        objects.append(made)
        yield
    job.scene.collection.children.link(collection)
    return root, objects


def unused_subject(subject: str, count: int) -> str:
    """The subject, or "subject-2", "subject-3" … so that Blender need not rename any part."""
    candidate, number = subject, 1
    while {fitted(candidate), part_name(candidate, 1, count)} & set(bpy.data.objects.keys()):
        number += 1
        candidate = numbered_subject(subject, number, count)
    return candidate


def unused_name(name: str) -> str:
    """The name, or "name-2", "name-3" … so that Blender need not add ".001"."""
    candidate, number = name, 1
    while candidate in bpy.data.objects:
        number += 1
        candidate = fitted(name, f"-{number}")
    return candidate


def _part_object(name: str, part: ArrivedMesh, place: Placement, job: FinishedJob) -> bpy.types.Object:
    center = part.center
    vertices = np.multiply(part.mesh.vertices - center.astype(np.float32), np.float32(place.scale))
    mesh = new_mesh(name, part.mesh.with_vertices(vertices))
    mesh.materials.append(material_of(name, part, job.folder))
    made = bpy.data.objects.new(name, mesh)
    made.location = place.local(center)
    return made


def _group_collections(subject: str, parts: list[ArrivedMesh],
                       parent: bpy.types.Collection) -> dict[str, bpy.types.Collection]:
    homes = {}
    for group in sorted({part.artifact.group for part in parts if part.artifact.group}):
        homes[group] = bpy.data.collections.new(fitted(subject, f" · {group}"[:40]))
        parent.children.link(homes[group])
    return homes
