# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab as a whole: one task is shown, the running job comes first, the queue can be ordered."""

import json
from pathlib import Path
from types import SimpleNamespace

import bpy
import pytest

from blender_addon.jobs import Job, JobState
from blender_addon.jobs.queue import JobQueue

from .conftest import Extension
from .jobs_at_work import new_job
from .synthetic_jobs import finished_job
from .test_jobs import bench
from .test_operators import desk
from .test_panels import Layout, drawn

__all__ = ["bench", "desk"]


def test_one_row_offers_every_task_and_only_the_chosen_one_is_shown(extension: Extension,
                                                                    scene: bpy.types.Scene) -> None:
    offered = extension.module("offered_tasks").offered()
    in_row = [item for item in offered if item.task.icon]
    assert [item.label for item in in_row] == ["Generate Parts", "Shape", "Instant", "Texture", "Paint", "Remesh"]
    for chosen in offered:
        scene.meshwright.task = chosen.key
        words = drawn(extension, "main")
        assert [item.key for item in offered if f"meshwright.{item.key}" in words] == [chosen.key]
        row = words[words.index(in_row[0].key):words.index("MESHWRIGHT_MT_tasks")]
        assert {item.key for item in in_row} | {chosen.key} == set(row[::2])
        assert [text for text in row[1::2] if text] == [chosen.label], "a narrow row names the chosen task alone"
        order = [words.index(f"meshwright.{chosen.key}"), words.index("Advanced")]
        assert order == sorted(order), "the button stands above what is rarely needed"
    words = drawn(extension, "main", width=900)
    assert all(item.label in words for item in in_row), "a wide row names them all"


def test_the_menu_has_every_task(extension: Extension, scene: bpy.types.Scene) -> None:
    words: list[str] = []
    menu = extension.module("panels.task_row").MESHWRIGHT_MT_tasks
    menu.draw(SimpleNamespace(layout=Layout(words)), bpy.context)
    assert set(words[::2]) == {item.key for item in extension.module("offered_tasks").offered()}


def test_the_choice_is_kept_by_its_name_not_its_place(extension: Extension, scene: bpy.types.Scene) -> None:
    items = scene.meshwright.bl_rna.properties["task"].enum_items
    assert len({item.value for item in items}) == len(items)
    scene.meshwright["task"] = 5  # of a pipeline that is no longer there
    assert extension.module("properties").chosen_task(scene) == extension.module("offered_tasks").offered()[0]


def test_advanced_settings_come_in_groups_of_at_most_eight(extension: Extension) -> None:
    advanced = extension.module("panels.advanced")
    for item in extension.module("offered_tasks").offered():
        groups = advanced.groups_of(item)
        assert all(0 < len(members) <= 8 for _, members in groups)
        assert len({title for title, _ in groups}) == len(groups)
        shown = [parameter for _, members in groups for parameter in members]
        assert len(shown) == len(set(map(id, shown)))
        assert {parameter.name for parameter in item.task.parameters} - {parameter.name for parameter in shown} == {
            parameter.name for parameter in item.task.parameters if advanced.is_central_prompt(parameter)}


@pytest.mark.parametrize("height", [380, 560, 900, 2000])
def test_images_shrink_before_the_button_is_out_of_sight(extension: Extension, height: float,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    module = extension.module("panels.room")
    context = SimpleNamespace(region=SimpleNamespace(height=height, width=280),
                              preferences=SimpleNamespace(system=SimpleNamespace(ui_scale=1.0)))
    for waiting in ([], [SimpleNamespace(ended=False)]):
        monkeypatch.setattr(module.jobs, "jobs", lambda waiting=waiting: waiting)
        room = module.room_in(context)
        needed = module.NEEDED_AT_WORK if waiting else module.NEEDED_IDLE
        taken = needed + room.work + room.input - module.SMALLEST
        assert room.input == 0 or module.LEAST <= room.input <= module.LARGEST_INPUT
        assert 0 <= room.work <= module.LARGEST_WORK and (room.input or not room.work)
        assert taken <= max(height / 20, needed - module.SMALLEST)


def listed(*states: JobState) -> list[Job]:
    """Jobs in these states, named a, b, c …"""
    found = [Job(SimpleNamespace(job=name, inputs={}), None) for name in "abcdefgh"[:len(states)]]
    for job, state in zip(found, states, strict=True):
        job.state = state
    return found


def test_the_running_job_comes_first_and_the_queue_in_its_order(extension: Extension) -> None:
    queue_list, strip = extension.module("panels.queue_list"), extension.module("panels.now_strip")
    jobs = listed(JobState.DONE, JobState.FAILED, JobState.QUEUED, JobState.RUNNING, JobState.QUEUED, JobState.DONE)
    states = extension.module("jobs").JobState
    for job in jobs:
        job.state = states(job.state.value)
    assert "".join(job.id for job in queue_list.in_order(jobs)) == "dcefba"
    assert strip.current_job(jobs).id == "d"
    assert strip.last_ended(jobs).id == "b", "what failed stays until it is dismissed"
    assert queue_list.queue_words(jobs) == "Queue: 2 waiting, 1 failed, 2 done"
    assert strip.current_job(jobs[:2]) is None


def test_waiting_jobs_change_places(bench: object) -> None:
    queue: JobQueue = bench.queue
    jobs = [queue.submit(*new_job(bench.folder, subject)) for subject in ("endless", "nothing", "nothing", "nothing")]
    bench.until(lambda: jobs[0].state is JobState.RUNNING)
    queue.move(jobs[3].id, -1)
    assert queue.jobs() == [jobs[0], jobs[1], jobs[3], jobs[2]]
    queue.move(jobs[1].id, -1)
    assert queue.jobs()[0] is jobs[0], "what runs stays in front"
    queue.move(jobs[1].id, 1)
    assert queue.jobs() == [jobs[0], jobs[3], jobs[1], jobs[2]]
    queue.cancel_all()
    bench.until(lambda: all(job.ended for job in jobs))
    assert {job.state for job in jobs} == {JobState.CANCELLED}


def test_a_result_is_announced_framed_and_selected(desk: Extension, tmp_path: Path) -> None:
    folder = desk.module("backend.contract").JobFolder(finished_job(tmp_path / "job-1").path)
    bpy.ops.mesh.primitive_cube_add()
    job = desk.module("jobs").restore(folder)
    desk.module("jobs").wait(job.id, 10)
    words = drawn(desk, "jobs")
    assert "stool · 3 parts · 1 s" in words
    assert {"meshwright.frame_result", "meshwright.select_result", "ed.undo"} <= set(words)
    assert bpy.ops.meshwright.frame_result(job=job.id) == {"FINISHED"}
    assert bpy.context.view_layer.objects.active.name == "Cube", "framing leaves the selection"
    assert bpy.ops.meshwright.select_result(job=job.id) == {"FINISHED"}
    assert {item.name for item in bpy.context.selected_objects} == set(job.objects)
    for name in job.objects:
        bpy.data.objects.remove(bpy.data.objects[name])
    assert "meshwright.deliver_again" in drawn(desk, "jobs")
    with pytest.raises(RuntimeError, match="no longer in the scene"):
        bpy.ops.meshwright.frame_result(job=job.id)


def test_the_status_bar_shows_what_runs(desk: Extension, monkeypatch: pytest.MonkeyPatch) -> None:
    bar, words = desk.module("status_bar"), []
    bar._draw(SimpleNamespace(layout=Layout(words)), bpy.context)
    assert words == []
    assert bpy.ops.meshwright.partpacker_generate_parts() == {"FINISHED"}
    job = desk.module("jobs").jobs()[0]
    job.take(desk.module("backend.contract").StageProgress(job.id, "sample", 3, 24, 0.25, 75.0))
    bar._draw(SimpleNamespace(layout=Layout(words)), bpy.context)
    assert {f"{job.request.subject}: Generating shape 3/24", "25% · 1 min 15 s left",
            "meshwright.cancel_job"} <= set(words)
    monkeypatch.setattr(bar, "_drawn_at", 0.0)
    bar.follow(desk.module("jobs").jobs())
    assert bar._drawn == (job.id, job.stage, "25% · 1 min 15 s left")


def test_each_preset_has_its_time_once_a_job_has_run_here(desk: Extension, monkeypatch: pytest.MonkeyPatch,
                                                         tmp_path: Path) -> None:
    times, key = desk.module("expected_times"), "partpacker_generate_parts"
    path = tmp_path / "stages.json"
    monkeypatch.setattr(times, "statistics_file", lambda: path)
    times.look()
    assert "≈" not in " ".join(drawn(desk, key))
    task = next(item for item in desk.module("offered_tasks").offered() if item.key == key).task
    weights = desk.module("backend.pipelines.registry").spec("partpacker").weight_set("starter")
    run = {"parameters": task.defaults(weights, "balanced"), "seconds": {"condition": 4.0, "sample": 16.0}}
    path.write_text(json.dumps({"runs": {"partpacker/generate_parts/starter/cpu": run}}))
    times.look()
    shown = [word for word in drawn(desk, key) if word.startswith("≈")]
    assert len(shown) == len(task.presets) and shown[1] == "≈ 20 s" and len(set(shown)) > 1
    path.write_text("{")
    times.look()
    assert "≈" not in " ".join(drawn(desk, key)), "a damaged file costs only the estimate"
