# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh that grows while a job runs: in its target's place, and gone without a trace when the job ends."""

import time
from collections.abc import Iterator
from pathlib import Path

import bpy
import numpy as np
import pytest
from mathutils import Matrix

from backend.contract import MeshData
from blender_addon import jobs
from blender_addon.deliver import preview
from blender_addon.delivery_note import DeliveryNote, reference

from .conftest import Extension
from .jobs_at_work import Delivery, new_job, real_worker, until
from .synthetic_jobs import BOX_FACES, box, finished_job
from .test_deliver import cube, note_on, world_vertices
from .watched_previews import Onlooker

LOW, HIGH = (-1.0, -2.0, -3.0), (1.0, 2.0, 3.0)


class Bench:
    """A job on a target, whose previews the test tells."""

    def __init__(self, extension: Extension, folder: Path, target: bpy.types.Object | None = None) -> None:
        note = note_on(extension, "replace", target) if target else {
            "delivery": "parts", "cursor": (4.0, 0.0, 0.0), "size": 12.0}
        opened_file = extension.module("opened_file").current()
        note["file"] = {"path": opened_file.path, "opening": opened_file.opening}
        contract = extension.module("backend.contract")
        made = finished_job(folder, "reconstruct", "vase", [(LOW, HIGH)], note)
        self.folder = contract.JobFolder(made.path)
        self.job = extension.module("jobs").Job(self.folder.read_request(), self.folder)
        self.preview, self._event = extension.module("deliver").preview, contract.Preview

    def tell(self, faces: int = len(BOX_FACES), file: str = "preview.npz") -> None:
        """A preview with so many faces of a box comes, and the queue takes a step."""
        MeshData(box(LOW, HIGH), BOX_FACES[:faces]).write(self.folder.outputs / file)
        self.job.take(self._event(self.job.id, file))
        self.show()

    def show(self) -> None:
        self.preview.show([self.job])

    @property
    def object(self) -> bpy.types.Object | None:
        found = [item for item in bpy.data.objects if self.preview.MARK in item]
        assert len(found) <= 1
        return found[0] if found else None


@pytest.fixture
def target(extension: Extension, scene: bpy.types.Scene) -> bpy.types.Object:
    """A dense vase in a place of its own."""
    vase = cube("vase", (0, 0, 0), (1, 1, 1))
    vase.matrix_world = Matrix.LocRotScale((1, 2, 3), Matrix.Rotation(0.7, 3, "Z"), (-1, 2, 0.5))
    bpy.context.view_layer.update()
    bpy.ops.ed.undo_push(message="A vase")
    return vase


@pytest.fixture
def bench(extension: Extension, target: bpy.types.Object, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(extension, tmp_path / "job-1", target)
    yield bench
    bench.preview.remove(bench.job.id)


def placed(matrix: Matrix, captured: Matrix) -> np.ndarray:
    """Where the box's corners are below `matrix`, in the frame of an object captured as it stood at `captured`."""
    own = matrix @ captured.to_3x3().inverted().to_4x4()
    return np.array([own @ Matrix.Translation(corner).translation for corner in box(LOW, HIGH).tolist()])


def test_it_stands_where_the_target_stands_and_moves_with_it(bench: Bench, target: bpy.types.Object) -> None:
    captured = target.matrix_world.copy()
    bench.tell()
    assert world_vertices(bench.object) == pytest.approx(placed(captured, captured), abs=1e-5)
    assert not any(polygon.use_smooth for polygon in bench.object.data.polygons)
    assert bench.object.name == "vase (preview)" and bench.object.show_in_front
    assert bench.object.hide_render and bench.object.hide_select and not bench.object.select_get()
    parent = cube("table", (0, 0, 0), (1, 1, 1))
    parent.matrix_world = Matrix.Rotation(0.5, 4, "X") @ Matrix.Diagonal((1, 3, 1, 1))
    target.parent = parent  # sheared from now on
    assert world_vertices(bench.object) == pytest.approx(placed(target.matrix_world, captured), abs=1e-5)
    assert not target.hide_get() and bpy.context.view_layer.objects.active != bench.object


def test_without_a_target_it_stands_where_the_result_will(extension: Extension, scene: bpy.types.Scene,
                                                          tmp_path: Path) -> None:
    bench = Bench(extension, tmp_path / "job-1")
    bench.tell()
    points = world_vertices(bench.object)
    report = extension.module("deliver").deliver(bench.folder)
    assert bench.object is None, "a delivery ends it before its undo step"
    assert points == pytest.approx(world_vertices(bpy.data.objects[report.objects[1]]), abs=1e-5)


def test_it_grows_at_most_five_times_a_second(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    seen = []
    for faces in range(1, 13):
        bench.tell(faces)
        seen.append(len(bench.object.data.polygons))
        now[0] += 0.125
    assert seen == [1, 1, 3, 3, 5, 5, 7, 7, 9, 9, 11, 11]
    bench.show()
    assert len(bench.object.data.polygons) == 12, "the last one is shown too"
    uid = bench.object.session_uid
    now[0] += 1
    bench.show()
    assert bench.object.session_uid == uid and len(bpy.data.meshes) == 2


@pytest.mark.parametrize("end", ["cancelling", "cancelled", "failed", "gone"])
def test_it_goes_when_the_job_ends(bench: Bench, extension: Extension, end: str) -> None:
    bench.tell()
    job, listed = bench.job, [bench.job]
    if end == "cancelling":
        job.cancelling = True
    elif end == "cancelled":
        job.end_cancelled()
    elif end == "failed":
        job.fail(extension.module("backend.contract").ErrorReport("It broke.", "", ""))
    else:
        listed = []
    bench.preview.show(listed)
    assert bench.object is None and [mesh.name for mesh in bpy.data.meshes] == ["vase"]


def test_it_waits_with_its_result_for_object_mode(bench: Bench) -> None:
    bench.tell()
    bench.job.deliver_next()
    bench.show()
    assert bench.object, "until the result can take its place"


def test_no_undo_brings_it_back(bench: Bench, target: bpy.types.Object) -> None:
    bench.tell(3)
    target.location.x = 9
    bpy.ops.ed.undo_push(message="Moved, with the preview there")
    bench.tell(6)
    bpy.ops.ed.undo()
    assert bpy.data.objects["vase"].location.x == pytest.approx(1)
    bench.show()
    assert len(bench.object.data.polygons) == 6, "undo is not what ends it"
    bpy.ops.ed.redo()
    bench.job.end_cancelled()
    bench.show()
    assert bench.object is None
    for step in (bpy.ops.ed.undo, bpy.ops.ed.redo):
        step()
        assert bench.object is None and bpy.data.objects.keys() == ["vase"] == bpy.data.meshes.keys()


def test_undo_in_edit_mode_leaves_the_artist_where_they_are(bench: Bench) -> None:
    edited = cube("edited", (0, 0, 0), (1, 1, 1))
    bpy.context.view_layer.objects.active = edited
    bpy.ops.ed.undo_push(message="A cube")
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.ed.undo_push(message="Edit Mode")
    bench.tell(3)
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.mesh.subdivide()
    bpy.ops.ed.undo_push(message="Subdivided")
    bench.tell(6)
    bpy.ops.ed.undo()
    bench.show()
    assert bpy.context.mode == "EDIT_MESH" and len(bench.object.data.polygons) == 6
    bpy.ops.object.mode_set(mode="OBJECT")
    assert len(bpy.data.objects["edited"].data.vertices) == 8


def test_it_is_not_saved_and_not_in_another_file(bench: Bench, tmp_path: Path) -> None:
    bench.tell()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "saved.blend"), copy=True)
    assert bench.object, "saving does not end it"
    with bpy.data.libraries.load(str(tmp_path / "saved.blend")) as (inside, _):
        assert inside.objects == ["vase"] == inside.meshes
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "saved.blend"))
    assert bpy.data.objects.keys() == ["vase"] == [item.name for item in bpy.context.scene.collection.objects]
    bench.tell()
    assert bench.object is None, "its target is not in this file"


def test_deleted_by_the_artist_it_stays_away(bench: Bench) -> None:
    bench.tell(3)
    bpy.data.objects.remove(bench.object)
    bench.tell(6)
    bench.tell(9)
    assert bench.object is None
    bench.job.end_cancelled()
    bench.show()


def test_a_deleted_target_takes_it_away(bench: Bench, target: bpy.types.Object,
                                        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.preview, "SECONDS_BETWEEN", 0.0)
    monkeypatch.setattr(bench.preview, "LARGEST_SHARE", 1e9)
    bench.tell(3)
    bpy.data.objects.remove(target)
    bench.tell(6)
    assert bench.object is None


def test_images_and_damaged_meshes_are_passed_over(bench: Bench) -> None:
    (bench.folder.outputs / "sheet.png").write_bytes(b"an image")
    bench.job.take(bench._event(bench.job.id, "sheet.png"))
    bench.show()
    assert bench.object is None and bench.job.preview.name == "sheet.png"
    np.savez(bench.folder.outputs / "bad.npz", vertices=np.zeros((3, 3), np.float32), faces=np.array([[0, 1, 9]]))
    for name in ("bad.npz", "missing.npz"):
        bench.job.take(bench._event(bench.job.id, name))
        bench.show()
    assert bench.object is None
    bench.tell()
    assert bench.object


def test_from_the_worker_to_the_scene(scene: bpy.types.Scene, tmp_path: Path) -> None:
    """The whole way: worker, events, the queue's step; then the result is delivered and the preview is removed."""
    delivery, sizes = Delivery(), []
    jobs.register(delivery.deliver, delivery.blocked, real_worker, show=preview.show)
    preview.register()
    try:
        request, folder = new_job(tmp_path, steps=5, fault="previews")
        DeliveryNote(scene=reference(scene)).write(folder)
        job, onlooker = jobs.submit(request, folder), Onlooker(folder)

        def step() -> None:
            jobs.poll_once()
            sizes.extend({len(item.data.polygons) for item in bpy.data.objects} - set(sizes))
            onlooker.has_seen(len(sizes))

        until(lambda: job.ended, step)
        assert job.delivered and not bpy.data.objects and not bpy.data.meshes
        assert sizes == [1, 2, 3, 4, 5]
    finally:
        preview.unregister()
        jobs.unregister()
