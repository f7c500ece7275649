# SPDX-License-Identifier: GPL-3.0-or-later
"""Results harm nothing: clear of other objects, in a row, the selection kept, into the file they were asked from."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np
import pytest

from .conftest import Extension
from .synthetic_jobs import STOOL, finished_job
from .test_deliver import all_vertices, cube, note_on
from .test_operators import desk

__all__ = ["desk"]


def note_here(extension: Extension, **changes: Any) -> dict[str, Any]:
    """The note of parts that were asked from the file that is open."""
    file = extension.module("opened_file").current()
    return {"delivery": "parts", "file": {"path": file.path, "opening": file.opening}, **changes}


def span(root: bpy.types.Object) -> tuple[float, float]:
    """Where it begins and ends along X."""
    points = all_vertices(root)
    return float(points[:, 0].min()), float(points[:, 0].max())


def test_a_result_stands_next_to_the_default_cube(extension: Extension, scene: bpy.types.Scene,
                                                  tmp_path: Path) -> None:
    deliver = extension.module("deliver").deliver
    cube("Cube", (-1, -1, -1), (1, 1, 1))
    cube("Floor", (-50, -50, -0.5), (50, 50, 0.1))
    ends = [1.0]
    for number in (1, 2, 3):
        root = bpy.data.objects[deliver(finished_job(tmp_path / f"job-{number}", note=note_here(extension))).objects[0]]
        begin, end = span(root)
        assert begin == pytest.approx(ends[-1] + 0.1, abs=1e-4) and end - begin == pytest.approx(1.0, abs=1e-4)
        assert all_vertices(root)[:, 2].min() == pytest.approx(0.0, abs=1e-5), "it keeps the cursor's height"
        ends.append(end)


def test_it_stays_at_the_cursor_where_there_is_room_or_it_was_asked(extension: Extension, scene: bpy.types.Scene,
                                                                    tmp_path: Path) -> None:
    deliver = extension.module("deliver").deliver
    hidden = cube("Hidden", (-1, -1, -1), (1, 1, 1))
    hidden.hide_set(True)
    cube("Far", (5, -1, -1), (6, 1, 1))
    cube("Below", (-1, -1, -2), (1, 1, 0))
    first = bpy.data.objects[deliver(finished_job(tmp_path / "job-1", note=note_here(extension))).objects[0]]
    inside = finished_job(tmp_path / "job-2", note=note_here(extension, clear=False))
    for root in (first, bpy.data.objects[deliver(inside).objects[0]]):
        assert span(root) == pytest.approx((-0.5, 0.5), abs=1e-4)


@pytest.mark.parametrize(("obstacles", "shift"), [
    ([], 0.0), ([(-2.0, -1.0)], 0.0), ([(0.5, 0.6)], 0.7), ([(1.0, 2.0)], 0.0), ([(-1.0, 0.5), (0.9, 2.0)], 2.1),
    ([(-1.0, 0.5), (2.0, 3.0)], 0.6),
])
def test_the_shift_is_the_smallest(extension: Extension, obstacles: list[tuple[float, float]], shift: float) -> None:
    free_shift = extension.module("deliver.clearance").free_shift
    boxes = [(np.array([left, 0.0, 0.0]), np.array([right, 1.0, 1.0])) for left, right in obstacles]
    assert free_shift(np.zeros(3), np.ones(3), boxes, 0.1) == pytest.approx(shift)


def test_selection_and_active_object_stay(extension: Extension, scene: bpy.types.Scene, tmp_path: Path) -> None:
    deliver = extension.module("deliver").deliver
    active, other = cube("active", (5, 0, 0), (6, 1, 1)), cube("other", (7, 0, 0), (8, 1, 1))
    other.select_set(True)
    bpy.context.view_layer.objects.active = active
    deliver(finished_job(tmp_path / "job-1", note=note_here(extension)))
    assert bpy.context.selected_objects == [other] and bpy.context.view_layer.objects.active == active
    asked = deliver(finished_job(tmp_path / "job-2", note=note_here(extension, select=True)))
    assert {item.name for item in bpy.context.selected_objects} == set(asked.objects)
    assert bpy.context.view_layer.objects.active.name == asked.objects[0]


def test_what_takes_the_place_of_a_selected_object_is_selected(extension: Extension, scene: bpy.types.Scene,
                                                               tmp_path: Path) -> None:
    deliver = extension.module("deliver").deliver
    vase, other = cube("vase", (0, 0, 0), (1, 1, 1)), cube("other", (7, 0, 0), (8, 1, 1))
    for item in (vase, other):
        item.select_set(True)
    bpy.context.view_layer.objects.active = vase
    folder = finished_job(tmp_path / "job-1", "reconstruct", "vase", STOOL[:1], note_on(extension, "replace", vase))
    made = bpy.data.objects[deliver(folder).objects[0]]
    assert set(bpy.context.selected_objects) == {made, other} and bpy.context.view_layer.objects.active == made


def test_a_result_waits_for_the_file_that_it_was_asked_from(desk: Extension, tmp_path: Path) -> None:
    street, jobs = tmp_path / "street.blend", desk.module("jobs")
    bpy.ops.wm.save_as_mainfile(filepath=str(street))
    folder = finished_job(tmp_path / "job-1", note=note_here(desk))
    bpy.ops.wm.read_homefile(use_empty=True)
    job = jobs.restore(desk.module("backend.contract").JobFolder(folder.path))
    jobs.wait(job.id, 10)
    assert not job.delivered and job.waits_for_file and not bpy.data.objects
    assert "asked from street.blend" in job.error.why and "deliver it here" in job.error.advice
    bpy.ops.wm.open_mainfile(filepath=str(street))
    jobs.wait(job.id, 10)
    assert job.delivered and job.error is None and "stool" in bpy.data.objects


def test_it_is_delivered_elsewhere_when_that_is_asked(desk: Extension, tmp_path: Path) -> None:
    vase = cube("vase", (0, 0, 0), (1, 1, 1))
    note = {**note_here(desk), **note_on(desk, "replace", vase)}
    folder = finished_job(tmp_path / "job-1", "reconstruct", "vase", STOOL[:1], note)
    bpy.ops.wm.read_homefile(use_empty=True)
    stranger, jobs = cube("vase", (4, 4, 4), (5, 5, 5)), desk.module("jobs")
    job = jobs.restore(desk.module("backend.contract").JobFolder(folder.path))
    jobs.wait(job.id, 10)
    assert not job.delivered and "Deliver it here" in job.error.advice
    assert bpy.ops.meshwright.apply_remedy(job=job.id) == {"FINISHED"}
    jobs.wait(job.id, 10)
    assert job.delivered and job.objects and not stranger.hide_get(), "an object of the same name is left alone"


def test_a_file_saved_under_another_name_is_still_the_same(desk: Extension, tmp_path: Path) -> None:
    file = desk.module("opened_file").current()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "street.blend"))
    assert file.is_open
    bpy.ops.wm.read_homefile(use_empty=True)
    assert not file.is_open and file.name == "street.blend"
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "street.blend"))
    assert file.is_open


def test_delivery_waits_while_an_operator_has_the_hand(extension: Extension, scene: bpy.types.Scene,
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    """The real one, a move in the window, is in tests/gui/drive_delivery.py."""
    module = extension.module("deliver.scene")
    running: list[SimpleNamespace] = []
    window = SimpleNamespace(modal_operators=running, view_layer=bpy.context.view_layer)
    fake = SimpleNamespace(app=bpy.app, context=SimpleNamespace(
        mode="OBJECT", window_manager=SimpleNamespace(windows=[window])))
    monkeypatch.setattr(module, "bpy", fake)
    running.append(SimpleNamespace(bl_label="Screencast Keys", bl_options={"REGISTER"}))
    assert module.blocked() == ""
    running.append(SimpleNamespace(bl_label="Move", bl_options={"REGISTER", "UNDO", "BLOCKING"}))
    assert module.blocked() == "Waiting for Move to end"
    fake.app = SimpleNamespace(is_job_running=lambda kind: kind == "RENDER")
    assert module.blocked() == "Waiting for the render to end"
