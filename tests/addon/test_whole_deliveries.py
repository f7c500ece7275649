# SPDX-License-Identifier: GPL-3.0-or-later
"""A delivery is whole or it was none, whatever lies in the job's folder and whatever the artist does meanwhile."""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import bpy
import pytest

from backend.contract import JobFolder, MeshwrightError
from blender_addon.capture import target_of
from blender_addon.deliver import deliver, delivering, delivery, interruption
from blender_addon.deliver.transaction import _COLLECTIONS
from blender_addon.delivery_note import DeliveryNote, MaterialPlacement, reference
from blender_addon.jobs.deliveries import Deliveries
from blender_addon.jobs.job import Job, JobState
from blender_addon.materials.variants import material_variants_of

from .synthetic_jobs import finished_job
from .test_deliveries import MAPS, QUAD, job, map_artifacts
from .textured import object_state, registered_variants

__all__ = ["registered_variants"]

MANY = 2000
BOX = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def file_state() -> dict[str, list[str]]:
    """The names of all datablocks."""
    return {name: sorted(item.name for item in getattr(bpy.data, name)) for name in _COLLECTIONS}


@pytest.fixture
def crates(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    made = []
    for number in range(2):
        bpy.ops.mesh.primitive_cube_add(location=(number, 2, 3))
        made.append(bpy.context.object)
        made[-1].data.materials.append(bpy.data.materials.new("wood"))
    bpy.context.view_layer.update()
    return made


# ------------------------------------------------------------------------------------------------ checked before

@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "link", "noise", "text", "not finite", "out of range"])
def test_one_bad_part_leaves_nothing_behind(scene: bpy.types.Scene, tmp_path: Path, kind: str) -> None:
    folder = finished_job(tmp_path / "job-1")
    path = folder.outputs / "part.02.npz"
    content = path.read_bytes()
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        (tmp_path / "elsewhere.npz").write_bytes(content)
        path.symlink_to(tmp_path / "elsewhere.npz")
    elif kind == "noise":
        path.write_bytes(os.urandom(4096))
    elif kind == "text":
        path.write_bytes(content.replace(b"<f4", b"<U1"))
    elif kind == "not finite":
        replace(QUAD, vertices=QUAD.vertices * float("nan")).write(path)
    elif kind == "out of range":
        replace(QUAD, faces=QUAD.faces + 2).write(path)
    before = file_state()
    with pytest.raises(MeshwrightError):
        deliver(folder)
    assert file_state() == before


def test_a_name_with_a_way_out_reaches_no_other_file(scene: bpy.types.Scene, tmp_path: Path) -> None:
    QUAD.write(tmp_path / "secret.npz")
    folder = finished_job(tmp_path / "job-1")
    path = folder.path / "result.json"
    path.write_text(path.read_text("utf-8").replace("part.00.npz", "../../secret.npz"), "utf-8")
    before = file_state()
    with pytest.raises(MeshwrightError):
        deliver(folder)
    assert file_state() == before


# ---------------------------------------------------------------------------------------------------- taken back

def test_a_texture_that_fails_at_the_second_object_is_taken_back_from_the_first(
        crates: list[bpy.types.Object], tmp_path: Path) -> None:
    files = ("mesh.001.npz", "mesh.002.npz")
    artifacts = [replace(artifact, file=f"{number}-{artifact.file}")
                 for number, file in enumerate(files) for artifact in map_artifacts(file)]
    note = DeliveryNote("material", targets=tuple(map(target_of, crates)),
                        materials=(MaterialPlacement("UVMap"),) * 2)
    folder = job(tmp_path / "job-1", artifacts, {"mesh": files}, note,
                 maps={f"{number}-{role}.png": color for number in range(2) for role, color in MAPS.items()})
    whole = (folder.outputs / "1-normal.png").read_bytes()
    (folder.outputs / "1-normal.png").write_bytes(b"no image")
    before, states = file_state(), [object_state(item) for item in crates]
    with pytest.raises(MeshwrightError):
        deliver(folder)
    assert file_state() == before
    assert [object_state(item) for item in crates] == states
    assert [len(material_variants_of(item)) for item in crates] == [0, 0]
    (folder.outputs / "1-normal.png").write_bytes(whole)
    assert len(deliver(folder).objects) == 2


@pytest.mark.parametrize("kind", ["object", "parts", "groups", "replace"])
def test_whatever_blender_raises_at_the_end_the_scene_is_as_before(
        crates: list[bpy.types.Object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    note = DeliveryNote(kind, targets=(target_of(crates[0]),), superseded=reference(crates[1]), select=True)
    folder = finished_job(tmp_path / "job-1")
    note.write(folder)
    before, hidden = file_state(), [item.hide_get() for item in crates]

    def fail(*_: object) -> None:
        raise RuntimeError("context is incorrect")

    with monkeypatch.context() as broken:
        broken.setattr(delivery, "select_only", fail)
        with pytest.raises(RuntimeError, match="context"):
            deliver(folder)
    assert file_state() == before
    assert [item.hide_get() for item in crates] == hidden and not any(item.hide_render for item in crates)
    deliver(folder)
    assert crates[1].hide_get()


# ------------------------------------------------------------------------------------------------------ in slices

@pytest.fixture
def many(scene: bpy.types.Scene, tmp_path: Path) -> Iterator[JobFolder]:
    interruption.register()
    yield finished_job(tmp_path / "job-1", boxes=[BOX] * 200)
    interruption.unregister()


def test_what_the_artist_makes_meanwhile_stays_when_a_delivery_is_given_up(many: JobFolder) -> None:
    deliveries, waits = Deliveries(delivering, lambda: ""), Job(many.read_request(), many, JobState.DELIVERING)
    deliveries.step([waits])
    deliveries.step([waits])
    assert deliveries.under_way and not bpy.context.scene.objects, "nothing is seen before the last slice"
    mine = bpy.data.objects.new("mine", bpy.data.meshes.new("mine"))
    waits.end_cancelled()
    deliveries.step([waits])
    assert not deliveries.under_way and list(bpy.data.objects) == [mine] and len(bpy.data.meshes) == 1
    assert not bpy.data.materials and not bpy.data.collections


@pytest.mark.parametrize("how", ["undo", "another file"])
def test_a_delivery_starts_again_after_an_undo_or_another_file(many: JobFolder, how: str) -> None:
    steps = delivering(many)
    for _ in range(3):
        next(steps)
    if how == "undo":
        bpy.context.scene.frame_current = 7
        bpy.ops.ed.undo_push(message="Frame")
        next(steps)
        bpy.ops.ed.undo()
    else:
        bpy.ops.wm.read_homefile(use_empty=True)
    with pytest.raises(StopIteration) as end:
        while True:
            next(steps)
    assert len(end.value.value.objects) == 201
    assert len(bpy.context.scene.objects) == len(bpy.data.objects) == 201 and len(bpy.data.meshes) == 200


def test_thousands_of_parts_never_freeze_blender(scene: bpy.types.Scene, tmp_path: Path) -> None:
    folder = finished_job(tmp_path / "job-1", boxes=[BOX] * MANY)
    steps, slices = delivering(folder), []
    while True:
        begin = time.thread_time()
        try:
            next(steps)
        except StopIteration:
            break
        finally:
            slices.append(time.thread_time() - begin)
    slices.sort()
    print(f"{MANY} parts: {len(slices)} slices, {sum(slices):.1f} s, half under "
          f"{1000 * slices[len(slices) // 2]:.0f} ms, the longest {1000 * slices[-1]:.0f} ms")
    assert len(bpy.context.scene.objects) == MANY + 1
    assert slices[len(slices) // 2] < 0.1 and slices[-1] < 3.0
