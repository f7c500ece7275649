# SPDX-License-Identifier: GPL-3.0-or-later
"""One after the other what an artist does with the built zip, the real worker and the starter weights."""

import bpy
import numpy as np
import pytest

from .conftest import Extension
from .test_deliver import all_vertices, cube
from .test_operators import desk, only_job
from .test_run_in import chair

WAIT = 300.0
pytestmark = pytest.mark.timeout(600)
__all__ = ["chair", "desk"]


def finished(desk: Extension) -> bpy.types.Object:
    """Wait for the queue's only job; what it brought."""
    job = desk.module("jobs").wait(only_job(desk).id, WAIT)
    assert job.error is None and job.delivered, job.error
    return bpy.data.objects[job.objects[0]]


def select(*objects: bpy.types.Object) -> None:
    """These and no others, the first active."""
    bpy.ops.object.select_all(action="DESELECT")
    for item in objects:
        item.select_set(True)
    bpy.context.view_layer.objects.active = objects[0]


def test_from_the_image_to_sorted_parts(desk: Extension, chair: bpy.types.Scene) -> None:
    stand_in = cube("stand-in", (-1, -1, 0), (1, 1, 3))
    select(stand_in)
    chair.meshwright.placement = "SELECTED"
    bpy.ops.ed.undo_push(message="Before")
    bpy.ops.meshwright.partpacker_generate_parts()
    whole = finished(desk)
    points = all_vertices(whole)
    assert whole.name == "chair" and len(whole.children) >= 2
    assert (points.min(axis=0) >= (-1.001, -1.001, -0.001)).all()
    assert (points.max(axis=0) <= (1.001, 1.001, 3.001)).all()
    bpy.ops.ed.undo()
    assert "chair" not in bpy.data.objects
    bpy.ops.ed.redo()
    whole = bpy.data.objects["chair"]

    bpy.context.view_layer.objects.active = whole
    bpy.ops.meshwright.run_again()
    again = finished(desk)
    assert again.name == "chair-2" and all_vertices(again) == pytest.approx(all_vertices(bpy.data.objects["chair"]))
    assert bpy.context.view_layer.objects.active == again, "what replaces the active object is active"
    bpy.ops.meshwright.reroll()
    other = finished(desk)
    assert other["meshwright_seed"] == 4 and bpy.data.objects["chair-2"].hide_get() and not other.hide_get()

    part = other.children[0]
    name, low, high = part.name, *bounds(part)
    select(part)
    bpy.context.scene.meshwright.partpacker_reconstruct.grid_resolution = "64"
    bpy.ops.meshwright.partpacker_reconstruct()
    rebuilt, part = finished(desk), bpy.data.objects[name]
    assert part.hide_get() and rebuilt.parent == part.parent and rebuilt.name == f"{name}.reconstruct"
    size = (high - low).max()
    assert np.abs(np.array(bounds(rebuilt)) - (low, high)).max() < 0.15 * size, "in the part's place"

    part.hide_set(False)
    other = bpy.data.objects["chair-3"]
    select(*(item for item in other.children if item != rebuilt))
    bpy.ops.meshwright.partpacker_split_parts()
    sorted_parts = finished(desk)
    assert sorted_parts.name == "chair-4", "named after what the parts belong to"
    assert {home.name for home in bpy.data.collections["Meshwright · chair-4"].children} <= {
        "chair-4 · volume.0", "chair-4 · volume.1"}


def test_a_file_is_loaded_and_an_object_deleted_meanwhile(desk: Extension, chair: bpy.types.Scene) -> None:
    bpy.ops.meshwright.partpacker_generate_parts()
    bpy.ops.wm.read_homefile(use_empty=True)
    job = only_job(desk)
    desk.module("jobs").wait(job.id, WAIT)
    assert not job.delivered and "another file is open" in job.error.what and not bpy.data.objects
    assert bpy.ops.meshwright.apply_remedy(job=job.id) == {"FINISHED"}
    assert len(finished(desk).children) >= 2

    vase = cube("vase", (3, 0, 0), (4, 1, 1))
    select(vase)
    bpy.context.scene.meshwright.partpacker_reconstruct.grid_resolution = "64"
    bpy.ops.meshwright.partpacker_reconstruct()
    bpy.data.objects.remove(vase)
    job = only_job(desk)
    rebuilt = finished(desk)
    assert "vase no longer exists" in " ".join(job.notes)
    assert np.abs(np.array(bounds(rebuilt)) - ((3, 0, 0), (4, 1, 1))).max() < 0.15


def bounds(item: bpy.types.Object) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest corner in the world, float64 [3] each."""
    bpy.context.view_layer.update()
    points = np.array([item.matrix_world @ vertex.co for vertex in item.data.vertices])
    return points.min(axis=0), points.max(axis=0)
