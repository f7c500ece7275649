# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons, pressed in headless Blender through the built zip; timers never fire there, so tests poll."""

import json
import os
from pathlib import Path

import bpy
import numpy as np
import pytest

from .conftest import WORKER_PYTHON, Extension
from .synthetic_jobs import finished_job
from .test_deliver import all_vertices, cube

WAIT = 120.0


@pytest.fixture
def desk(extension: Extension, scene: bpy.types.Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Extension:
    """The extension with a backend, an own jobs folder, an empty list and a red image."""
    monkeypatch.setenv("MESHWRIGHT_PYTHON", str(WORKER_PYTHON))
    extension.preferences.jobs_folder = str(tmp_path / "jobs")
    extension.preferences.models_folder = str(tmp_path / "models")
    extension.preferences.device = "cpu"
    (tmp_path / "jobs").mkdir()
    image = bpy.data.images.new("mug.png", 8, 8)
    image.pixels.foreach_set(np.ones(8 * 8 * 4, np.float32))
    scene.meshwright.images.image = image
    jobs = extension.module("jobs")
    yield extension
    for job in jobs.jobs():
        if not job.ended:
            jobs.cancel(job.id)
        jobs.remove(job.id)
    for name in ("jobs_folder", "models_folder", "device"):
        extension.preferences.property_unset(name)


def only_job(desk: Extension) -> object:
    """The list's one job that has not ended."""
    waiting = [job for job in desk.module("jobs").jobs() if not job.ended]
    assert len(waiting) == 1
    return waiting[0]


def refusal(name: str) -> str:
    """Why the operator's poll says no: what Blender shows under the disabled button."""
    operator = getattr(bpy.ops.meshwright, name)
    assert not operator.poll()
    with pytest.raises(RuntimeError) as caught:
        operator()
    return str(caught.value)


def test_every_task_of_every_spec_has_an_operator(desk: Extension) -> None:
    specs = desk.module("backend.pipelines.registry").specs()
    offered = desk.module("offered_tasks").offered()
    assert {(item.spec.name, item.task.name) for item in offered} == {
        (spec.name, task.name) for spec in specs.values() for task in spec.tasks}
    for item in offered:
        assert item.key == f"{item.spec.name}_{item.task.name}"
        found = getattr(bpy.ops.meshwright, item.key).get_rna_type()
        assert (found.name, found.description) == (item.label, item.task.description)


def test_disabled_buttons_say_why(desk: Extension, scene: bpy.types.Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bpy.ops.meshwright.partpacker_generate_parts.poll()
    scene.meshwright.images.image = None
    assert "Image is missing" in refusal("partpacker_generate_parts")
    assert "Mesh is missing" in refusal("partpacker_reconstruct")
    assert "Select a result" in refusal("reroll") and "Select a result" in refusal("run_again")
    assert "Select the objects" in refusal("capture_view")
    monkeypatch.delenv("MESHWRIGHT_PYTHON")
    assert "Install the AI engine first" in refusal("partpacker_generate_parts")


def test_generate_writes_a_whole_job(desk: Extension, scene: bpy.types.Scene, tmp_path: Path) -> None:
    settings = scene.meshwright
    settings.seed, settings.size = 42, 0.5
    settings.partpacker_generate_parts.steps, settings.partpacker_generate_parts.guidance_scale = 5, 2.1
    scene.cursor.location = (1, 2, 3)
    assert bpy.ops.meshwright.partpacker_generate_parts() == {"FINISHED"}
    job = only_job(desk)
    request = json.loads((job.folder.path / "request.json").read_text())
    assert job.folder.path.parent == tmp_path / "jobs" and job.folder.path.name == request["job"]
    assert request["subject"] == "mug" and request["seed"] == 42 and request["weights"] == "starter"
    assert request["parameters"] == {"steps": 5, "guidance_scale": 2.1, "grid_resolution": "128", "face_target": 0,
                                     "resize": "area", "remove_background": True}
    assert [(job.folder.inputs / name).is_file() for name in request["inputs"]["image"]] == [True]
    note = json.loads((job.folder.path / "delivery.json").read_text())
    assert note["cursor"] == [1, 2, 3] and note["size"] == 0.5 and note["delivery"] == "parts"
    assert note["scene"]["uid"] == scene.session_uid and note["image"] == "mug.png"
    settings.seed = 1
    assert job.request.seed == 42, "a job is a snapshot"


def test_a_random_seed_is_shown_and_used(desk: Extension, scene: bpy.types.Scene) -> None:
    scene.meshwright.random_seed, scene.meshwright.seed = True, 0
    bpy.ops.meshwright.partpacker_generate_parts()
    assert only_job(desk).request.seed == scene.meshwright.seed != 0


def test_weights_bring_their_defaults(desk: Extension, scene: bpy.types.Scene) -> None:
    group = scene.meshwright.partpacker_generate_parts
    assert (group.steps, group.guidance_scale, group.grid_resolution) == (24, 2.0, "128")
    group.resize = "linear"
    group.weights = "published"
    assert (group.steps, group.guidance_scale, group.grid_resolution) == (50, 7.0, "384")
    assert group.resize == "linear", "what does not depend on the weights stays"


def test_a_failed_capture_leaves_nothing(desk: Extension, scene: bpy.types.Scene, tmp_path: Path) -> None:
    scene.meshwright.placement = "SELECTED"
    with pytest.raises(RuntimeError, match="Nothing is selected to fit"):
        bpy.ops.meshwright.partpacker_generate_parts()
    assert list((tmp_path / "jobs").iterdir()) == [] and desk.module("jobs").jobs() == []


def test_a_folder_that_cannot_be_written(desk: Extension, tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("a file stands where the folder should be")
    desk.preferences.jobs_folder = str(tmp_path / "occupied")
    with pytest.raises(RuntimeError, match="cannot be written"):
        bpy.ops.meshwright.partpacker_generate_parts()
    assert desk.module("jobs").jobs() == []


def test_cancel_retry_remove(desk: Extension, scene: bpy.types.Scene) -> None:
    bpy.ops.meshwright.partpacker_generate_parts()
    first = only_job(desk)
    assert bpy.ops.meshwright.cancel_job(job=first.id) == {"FINISHED"} and first.state == "cancelled"
    scene.meshwright.seed = 99
    assert bpy.ops.meshwright.retry_job(job=first.id) == {"FINISHED"}
    again = only_job(desk)
    assert again.request.seed == first.request.seed and again.request.parameters == first.request.parameters
    assert (again.folder.inputs / "image.png").read_bytes() == (first.folder.inputs / "image.png").read_bytes()
    with pytest.raises(RuntimeError, match="no longer in the list"):  # the new try takes its place there
        bpy.ops.meshwright.cancel_job(job=first.id)
    assert bpy.ops.meshwright.cancel_job(job=again.id) == {"FINISHED"}
    assert bpy.ops.meshwright.remove_job(job=again.id) == {"FINISHED"} and not desk.module("jobs").jobs()
    assert first.folder.path.is_dir(), "its folder stays"


def test_reroll_and_run_again_replace_the_result(desk: Extension, scene: bpy.types.Scene, tmp_path: Path) -> None:
    earlier = finished_job(tmp_path / "jobs" / "job-1", note={"delivery": "parts", "cursor": (1, 0, 0), "size": 2.0,
                                                                   "image": "mug.png"})
    (earlier.inputs / "image.png").write_bytes(b"image")
    request = json.loads((earlier.path / "request.json").read_text()) | {"inputs": {"image": ["image.png"]}}
    (earlier.path / "request.json").write_text(json.dumps(request))
    folder = desk.module("backend.contract").JobFolder
    deliver = desk.module("deliver").deliver
    root = bpy.data.objects[deliver(folder(earlier.path)).objects[0]]
    root.location.x = 7.0
    bpy.context.view_layer.update()
    bpy.context.view_layer.objects.active = root.children[1]
    assert bpy.ops.meshwright.reroll() == {"FINISHED"}
    job = only_job(desk)
    assert job.request.seed == 8 and (job.folder.inputs / "image.png").read_bytes() == b"image"
    note = json.loads((job.folder.path / "delivery.json").read_text())
    assert note["cursor"][0] == 7.0 and note["size"] == pytest.approx(2.0)
    for name in ("result.json",):
        (job.folder.path / name).write_bytes((earlier.path / name).read_bytes())
    for file in earlier.outputs.iterdir():
        (job.folder.outputs / file.name).write_bytes(file.read_bytes())
    new = bpy.data.objects[deliver(job.folder).objects[0]]
    assert new.name == "stool-2" and new["meshwright_seed"] == 8 and new.location.x == pytest.approx(7.0)
    assert all(item.hide_get() and item.hide_render for item in (root, *root.children)), "hidden, not deleted"
    assert not new.hide_get()
    desk.module("jobs").cancel(job.id)
    bpy.ops.meshwright.run_again()
    assert only_job(desk).request.seed == 8


def test_run_again_without_the_job_folder(desk: Extension, tmp_path: Path) -> None:
    folder = finished_job(tmp_path / "job-1")
    desk.module("deliver").deliver(desk.module("backend.contract").JobFolder(folder.path))
    with pytest.raises(RuntimeError, match="no longer exist"):
        bpy.ops.meshwright.run_again()


def test_parts_of_one_whole_are_named_after_it(desk: Extension, scene: bpy.types.Scene, tmp_path: Path) -> None:
    folder = desk.module("backend.contract").JobFolder(finished_job(tmp_path / "jobs" / "job-1").path)
    parts = bpy.data.objects[desk.module("deliver").deliver(folder).objects[0]].children
    submission = desk.module("submission")
    task = desk.module("offered_tasks").find("partpacker", "split_parts")
    assert submission.subject_of(scene, task, parts) == "stool"
    assert submission.subject_of(scene, task, parts[1:2]) == "stool.part.02"
    assert submission.subject_of(scene, task, [*parts, cube("lid", (0, 0, 0), (1, 1, 1))]) == "stool.part.01"


def test_the_license_gate(desk: Extension) -> None:
    jobs, system = desk.module("jobs"), bpy.context.preferences.system
    before = system.use_online_access
    try:
        system.use_online_access = False
        assert "Allow Online Access" in refusal("download_weights")
        system.use_online_access = True
        assert bpy.ops.meshwright.download_weights(pipeline="partpacker", weights="published") == {"CANCELLED"}
        assert jobs.jobs() == [], "refused: nothing happens"
        bpy.ops.meshwright.download_weights(pipeline="partpacker", weights="published", accept=True)
        job = only_job(desk)
        assert (job.request.task, job.request.weights) == ("download_weights", "published")
        accepted = job.request.parameters["accepted_licenses"].splitlines()
        assert accepted[0] == "NVIDIA Source Code License" and len(accepted) == len(set(accepted)) >= 1
        weights = desk.module("backend.pipelines.registry").spec("partpacker").weight_set("published")
        assert set(accepted) == {part.license.name for part in (weights, *weights.components)}
    finally:
        system.use_online_access = before


def test_each_remedy_does_something(desk: Extension, scene: bpy.types.Scene) -> None:
    contract, remedies = desk.module("backend.contract"), desk.module("remedies")
    assert set(remedies.LABELS) == set(contract.Remedy)
    jobs = desk.module("jobs")
    scene.meshwright.partpacker_generate_parts.grid_resolution = "256"
    for remedy, resolution in ((contract.Remedy.RETRY, "256"), (contract.Remedy.FREE_MEMORY, "256"),
                               (contract.Remedy.LOWER_RESOLUTION, "128")):
        bpy.ops.meshwright.partpacker_generate_parts()
        failed = only_job(desk)
        failed.fail(contract.ErrorReport("It broke.", "", "", remedy))
        assert bpy.ops.meshwright.apply_remedy(job=failed.id) == {"FINISHED"}
        assert only_job(desk).request.parameters["grid_resolution"] == resolution
        jobs.cancel(only_job(desk).id)


def test_the_lowest_resolution_cannot_be_lowered(desk: Extension) -> None:
    remedies = desk.module("remedies")
    task = desk.module("backend.pipelines.registry").spec("partpacker").task("generate_parts")
    with pytest.raises(desk.module("backend.contract").MeshwrightError, match="cannot be lowered"):
        remedies.lower_resolution(task, {"grid_resolution": "64", "steps": 5})


def test_recover_brings_in_what_a_crash_left(desk: Extension, tmp_path: Path) -> None:
    finished_job(tmp_path / "jobs" / "job-1", subject="lost")
    assert bpy.ops.meshwright.recover_results() == {"FINISHED"}
    desk.module("jobs").wait("job-1", WAIT)
    assert len(bpy.data.objects["lost"].children) == 3
    bpy.ops.meshwright.recover_results()
    desk.module("jobs").poll_once()
    assert "lost-2" not in bpy.data.objects, "once is enough"
    assert bpy.ops.meshwright.deliver_again(job="job-1") == {"FINISHED"}
    desk.module("jobs").wait("job-1", WAIT)
    assert len(bpy.data.objects["lost-2"].children) == 3


def test_history_shows_delivers_and_deletes(desk: Extension, tmp_path: Path) -> None:
    gallery = desk.module("gallery.state")
    folders = [finished_job(tmp_path / "jobs" / f"job-{number:02d}", subject=f"thing {number}").path
               for number in range(12)]
    for age, path in enumerate(folders):
        os.utime(path / "request.json", (1e9 - age, 1e9 - age))
    bpy.ops.meshwright.refresh_history()
    assert [card.subject for card in gallery.matching()] == [f"thing {number}" for number in range(12)]
    assert gallery.matching()[0].words.startswith("Generate Parts · ") and "MB" in gallery.total_words()
    assert bpy.ops.meshwright.deliver_earlier(folder="job-00") == {"FINISHED"}
    with pytest.raises(RuntimeError):
        bpy.ops.meshwright.delete_earlier(folder="job-00")
    assert folders[0].is_dir(), "not while it is delivered"
    desk.module("jobs").wait("job-00", WAIT)
    assert len(bpy.data.objects["thing 0"].children) == 3
    assert bpy.ops.meshwright.delete_earlier(folder="job-00") == {"FINISHED"}
    assert not folders[0].exists() and desk.module("jobs").find("job-00") is None
    assert [card.name for card in gallery.matching()] == [f"job-{number:02d}" for number in range(1, 12)]
    assert "thing 0" in bpy.data.objects, "what is in the scene stays"
    with pytest.raises(RuntimeError, match="not a job's folder"):
        bpy.ops.meshwright.delete_earlier(folder="job-00")


def test_a_job_that_ends_is_in_the_history(desk: Extension, scene: bpy.types.Scene) -> None:
    gallery = desk.module("gallery.state")
    gallery.refresh()
    assert gallery.matching() == () and gallery.total_words() == "No results yet"
    cube("seat", (-1, -1, 0), (1, 1, 0.2)).select_set(True)
    bpy.ops.meshwright.partpacker_split_parts()
    with pytest.raises(desk.module("backend.contract").MeshwrightError, match="engine is busy"):
        desk.module("jobs").end_worker()
    job = desk.module("jobs").wait(only_job(desk).id, WAIT)
    assert [card.name for card in gallery.matching()] == [job.id] and job.request.seed == 0
    assert gallery.matching()[0].thumbnail == job.folder.thumbnail, "made by the worker: no image was given"
    assert desk.module("jobs").device()
    desk.module("jobs").end_worker()
    assert not desk.module("jobs").device(), "no process holds the runtime's files"


def test_split_parts_through_the_real_subprocess(desk: Extension, scene: bpy.types.Scene) -> None:
    pieces = [cube("seat", (-1, -1, 0), (1, 1, 0.2)), cube("leg", (-0.2, -0.2, -1), (0.2, 0.2, 0.05))]
    for piece in pieces:
        piece.select_set(True)
    bpy.context.view_layer.objects.active = pieces[0]
    scene.meshwright.subject = "table"
    bpy.ops.ed.undo_push(message="Two pieces")
    assert bpy.ops.meshwright.partpacker_split_parts() == {"FINISHED"}
    job = desk.module("jobs").wait(only_job(desk).id, WAIT)
    assert job.error is None and job.delivered
    root = bpy.data.objects["table"]
    assert len(root.children) == 2 and len(bpy.data.collections["Meshwright · table"].children) == 2
    points = all_vertices(root)
    assert points.min(axis=0) == pytest.approx([-1, -1, -1], abs=1e-4)
    assert points.max(axis=0) == pytest.approx([1, 1, 0.2], abs=1e-4)
    assert all(piece.hide_get() for piece in pieces)
    assert not {"meshwright_license", "meshwright_weights"} & set(root.keys()), "no weights, no license"
    bpy.ops.ed.undo()
    assert "table" not in bpy.data.objects and not bpy.data.objects["seat"].hide_get()
