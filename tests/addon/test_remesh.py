# SPDX-License-Identifier: GPL-3.0-or-later
"""Remesh the whole way: a mirrored object, the real worker with known tokens, watched while it is woven."""

from collections.abc import Iterator
from pathlib import Path

import bpy
import numpy as np
import pytest
from mathutils import Matrix

from backend.contract import JobFolder, Request
from backend.pipelines.silksong.spec import SPEC
from blender_addon import deliver, jobs
from blender_addon.capture import capture_mesh, target_of
from blender_addon.connection import WorkerSettings
from blender_addon.deliver import preview
from blender_addon.delivery_note import DeliveryNote, Transfer, reference
from blender_addon.materials import variants

from .conftest import WORKER_PYTHON
from .jobs_at_work import HERE, until
from .test_deliver import world_vertices
from .test_replacement import state_of
from .watched_previews import Onlooker

WAIT = 120.0
CELL = 2 / 128 / 0.95
"""Of the grid that vertices lie on, for a ball of radius 1."""


@pytest.fixture(scope="module")
def queue() -> Iterator[None]:
    """The queue over a worker that weaves balls."""
    def worker() -> WorkerSettings:
        return WorkerSettings(WORKER_PYTHON, HERE / "silksong_worker", Path("models"), "cpu")

    alone = not hasattr(bpy.types.Object, variants.VARIANTS)  # else an installed extension has registered them
    if alone:
        for cls in variants.CLASSES:
            bpy.utils.register_class(cls)
        variants.register()
    jobs.register(deliver.deliver, deliver.blocked, worker, show=preview.show)
    preview.register()
    yield
    preview.unregister()
    jobs.unregister()
    if alone:
        variants.unregister()
        for cls in reversed(variants.CLASSES):
            bpy.utils.unregister_class(cls)


@pytest.fixture
def vase(scene: bpy.types.Scene) -> bpy.types.Object:
    """A dense sphere, mirrored, with a vertex group."""
    bpy.ops.mesh.primitive_uv_sphere_add(segments=48, ring_count=24)
    made = bpy.context.object
    made.name = "vase"
    made.matrix_world = Matrix.LocRotScale((1, 2, 3), Matrix.Rotation(0.7, 3, "Z"), (-2, 2, 2))
    made.vertex_groups.new(name="all").add(range(len(made.data.vertices)), 1.0, "REPLACE")
    bpy.context.view_layer.update()
    bpy.ops.ed.undo_push(message="A vase")
    return made


def asked(folder: JobFolder, item: bpy.types.Object, **options: object) -> jobs.Job:
    """Queue a remesh of the object, as the submission does."""
    capture_mesh(item, folder.inputs / "mesh.npz", "EVALUATED", "standing")
    DeliveryNote("replace", reference(bpy.context.scene), targets=(target_of(item),),
                 transfer=Transfer(weights=True)).write(folder)
    request = Request(folder.path.name, "remesh", "silksong", "published", item.name, 3, options,
                      {"mesh": ("mesh.npz",)}).validated(SPEC)
    folder.write_request(request)
    return jobs.submit(request, folder)


def previews() -> list[bpy.types.Object]:
    return [item for item in bpy.data.objects if preview.MARK in item]


def test_it_is_watched_and_stands_in_the_originals_place(queue: None, vase: bpy.types.Object, tmp_path: Path) -> None:
    before, sizes = state_of(vase), []
    job = asked(JobFolder.create(tmp_path / "job-1"), vase, variants=3)
    onlooker = Onlooker(job.folder)

    def step() -> None:
        jobs.poll_once()
        sizes.extend({len(item.data.polygons) for item in previews()} - set(sizes))
        onlooker.has_seen(len(sizes))

    until(lambda: job.ended or len(sizes) == 3, step, WAIT)
    onlooker.leave()
    until(lambda: job.ended, jobs.poll_once, WAIT)
    assert job.delivered and job.error is None, job.error
    assert len(sizes) == 3 and sizes == sorted(sizes) and not previews()
    assert {item.name for item in bpy.data.objects} == {"vase", "vase low", "vase low.v2", "vase low.v3"}
    assert state_of(vase) == before and vase.hide_get() and vase.hide_render
    faces = []
    for name in ("vase low", "vase low.v2", "vase low.v3"):
        low = bpy.data.objects[name]
        faces.append(len(low.data.polygons))
        assert low.hide_get() == low.hide_render == (name != "vase low")
        assert np.array(low.matrix_world) == pytest.approx(np.array(vase.matrix_world), abs=1e-5)
        assert [group.name for group in low.vertex_groups] == ["all"]
        longest = [np.ptp(world_vertices(item), axis=0).max() for item in (low, vase)]
        assert longest[0] == pytest.approx(longest[1], abs=longest[1] * CELL), "as large as the original"
        assert min(polygon.normal @ polygon.center for polygon in low.data.polygons) > 0, "outward"
    assert faces[0] == 320 and sorted(faces) == [20, 80, 320], "the best likeness first"
    bpy.ops.ed.undo()
    assert bpy.data.objects.keys() == ["vase"] and not bpy.data.objects["vase"].hide_get()


def test_cancelled_nothing_is_left(queue: None, vase: bpy.types.Object, tmp_path: Path) -> None:
    before = state_of(vase)
    job = asked(JobFolder.create(tmp_path / "job-2"), vase, variants=2)
    Onlooker(job.folder)
    until(lambda: job.ended or previews(), jobs.poll_once, WAIT)
    assert previews() and not job.ended, job.error
    jobs.cancel(job.id)
    jobs.poll_once()
    assert not previews(), "at once"
    until(lambda: job.ended, jobs.poll_once, 5)
    assert job.state is jobs.JobState.CANCELLED
    assert bpy.data.objects.keys() == ["vase"] and not vase.hide_get() and state_of(vase) == before
