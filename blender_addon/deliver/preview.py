# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh preview as a temporary object: it is where the result will be, is not saved, and no undo brings it back."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import bpy
import numpy as np
from mathutils import Matrix

from ..backend.contract import MeshwrightError
from ..delivery_note import DeliveryNote
from ..jobs.job import Job
from ..names import fitted
from .arrived_mesh import read_checked
from .clearance import MARK, free_placement
from .mesh_objects import fill
from .placement import placement
from .scene import modal_operator, rendering, view_layer_of

log = logging.getLogger(__name__)

SECONDS_BETWEEN = 0.2
LARGEST_SHARE = 0.05
"""Of Blender's time, for previews."""


@dataclass
class _Shown:
    """What is shown of one job: its object, which of its previews, from when on the next may come, where
    it stands in the world.

    `uid` is None before the first one and after undo; `unwanted` when the artist deleted the object, or its place went.
    """

    note: DeliveryNote
    uid: int | None = None
    count: int = 0
    next_at: float = 0.0
    unwanted: bool = False
    location: np.ndarray | None = None


_shown: dict[str, _Shown] = {}


def show(jobs: Sequence[Job]) -> None:
    """Bring the previews of these jobs up to date, and remove those of jobs that ended or are being cancelled.

    Called after each step of the queue. A preview that the artist deletes does not come back.
    """
    if rendering() or modal_operator():
        return
    followed = [job for job in jobs if job.shows_mesh and not job.ended and not job.cancelling]
    for name in set(_shown) - {job.id for job in followed}:
        remove(name)
    for job in followed:
        if job.id not in _shown:
            _shown[job.id] = _Shown(DeliveryNote.read(job.folder))
        if not _shown[job.id].unwanted and _shown[job.id].count != job.preview_count:
            _update(_shown[job.id], job)


def remove(name: str) -> None:
    """Take the preview of the job of this name out of the scene, if there is one."""
    shown = _shown.pop(name, None)
    if shown is not None and (item := _object_of(shown)):
        _delete(item)


def register() -> None:
    """Have Blender tell of undo and of other files."""
    for handlers in _handlers():
        handlers.append(_start_anew)


def unregister() -> None:
    """Remove all previews and the handlers."""
    for handlers in _handlers():
        handlers.remove(_start_anew)
    for name in list(_shown):
        remove(name)


def _update(shown: _Shown, job: Job) -> None:
    begin, item = time.monotonic(), _object_of(shown)
    if begin < shown.next_at:
        return
    if shown.uid is not None and item is None:
        shown.unwanted = True
        return
    assert job.preview is not None
    try:
        mesh = read_checked(job.preview, job.request.subject)
    except MeshwrightError as error:  # the next one, or the result, will do
        log.warning("No preview: %s", error)
        shown.count = job.preview_count
        return
    scene, parent, matrix = _place(shown, *mesh.bounds.astype(np.float64))
    if scene is None:
        shown.unwanted = True
        if item:
            _delete(item)
        return
    item = item or _new_object(job, scene)
    item.data.clear_geometry()
    if parent:  # turned and scaled back vertex by vertex: an object's matrix holds no shear
        mesh = shown.note.targets[0].own(mesh)
    fill(item.data, mesh.vertices, mesh.faces)
    item.data.shade_flat()  # its winding is not consistent, which smooth shading would show as dents
    item.parent, item.matrix_basis = parent, matrix
    shown.uid, shown.count = item.session_uid, job.preview_count
    shown.next_at = begin + max(SECONDS_BETWEEN, (time.monotonic() - begin) / LARGEST_SHARE)


def _place(shown: _Shown, low: np.ndarray,
           high: np.ndarray) -> tuple[bpy.types.Scene | None, bpy.types.Object | None, Matrix]:
    """(scene or None where the place has gone, parent, matrix below it) for a preview with these bounds.

    Below its target it stands as that does: moved, sheared, mirrored. Elsewhere it stays where the first one was put.
    """
    note = shown.note
    if note.file is not None and not note.file.is_open:
        return None, None, Matrix()
    scene = note.scene.find(bpy.data.scenes) if note.scene else bpy.context.scene
    if note.delivery in ("replace", "material") and note.targets:
        target = note.targets[0].reference.find(bpy.data.objects)
        return scene if target else None, target, Matrix()
    if scene is None:
        return None, None, Matrix()
    if shown.location is None:
        shown.location = free_placement(note, low, high, scene, view_layer_of(scene)).location
    place = replace(placement(note, low, high), location=shown.location)
    return scene, None, (Matrix.Translation(place.location) @ Matrix.Scale(place.scale, 4)
                         @ Matrix.Translation(-place.origin))


def _new_object(job: Job, scene: bpy.types.Scene) -> bpy.types.Object:
    """An empty preview, seen through other objects, that can be neither rendered nor selected nor saved."""
    name = fitted(job.request.subject, " (preview)")
    mesh = bpy.data.meshes.new(name)
    item = bpy.data.objects.new(name, mesh)
    item[MARK] = job.id
    item.show_in_front = item.show_wire = item.show_all_edges = True
    item.hide_render = item.hide_select = True
    mesh.is_runtime_data = item.is_runtime_data = True
    scene.collection.objects.link(item)
    return item


def _object_of(shown: _Shown) -> bpy.types.Object | None:
    """The preview's object, or None when it has gone from all scenes."""
    return next((item for item in bpy.data.objects if item.session_uid == shown.uid and item.users_scene), None)


def _delete(item: bpy.types.Object) -> None:
    mesh = item.data
    bpy.data.objects.remove(item)
    bpy.data.meshes.remove(mesh)


def _handlers() -> tuple[list[object], ...]:
    known = bpy.app.handlers
    return known.undo_post, known.redo_post, known.load_post


@bpy.app.handlers.persistent
def _start_anew(*_: object) -> None:
    """Undo may bring back a preview of long ago or take away one of now: none stays, and those of now come again."""
    for item in [item for item in bpy.data.objects if MARK in item]:
        _delete(item)
    for shown in _shown.values():
        shown.uid, shown.count, shown.next_at = None, 0, 0.0
