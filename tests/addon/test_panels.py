# SPDX-License-Identifier: GPL-3.0-or-later
"""Every panel's draw is run on a layout that knows what Blender would refuse: wrong names, wrong arguments."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import pytest

from .conftest import Extension
from .synthetic_jobs import BOX_FACES, box, finished_job
from .test_deliver import cube, note_on
from .test_replacement import woven_job


class Layout:
    """Takes what a UILayout takes and keeps the words; raises where a real one would complain."""

    def __init__(self, words: list[str]) -> None:
        self.words = words

    def _part(self, *_: Any, **__: Any) -> "Layout":
        return Layout(self.words)

    row = column = box = split = _part

    def panel(self, _name: str, default_closed: bool = False) -> tuple["Layout", "Layout"]:
        return self._part(), self._part()

    def separator(self) -> None:
        self.words.append("")

    active = True

    def label(self, text: str = "", icon: str = "NONE", translate: bool = True) -> None:
        self._icon(icon)
        self.words.append(text)

    def prop(self, data: Any, name: str, text: str | None = None, icon: str = "NONE", **_: Any) -> None:
        self._icon(icon)
        assert data.path_resolve(name) is not None or data.bl_rna.properties[name].type == "POINTER"
        self.words.append(name)

    def prop_enum(self, data: Any, name: str, value: str, text: str = "", icon: str = "NONE") -> None:
        self._icon(icon)
        assert value in data.bl_rna.properties[name].enum_items
        self.words += [value, text]

    def menu(self, name: str, text: str = "", icon: str = "NONE", icon_value: int = 0) -> None:
        self._icon(icon)
        assert hasattr(bpy.types, name) and isinstance(icon_value, int)
        self.words.append(name)

    def template_ID(self, data: Any, name: str, open: str = "") -> None:
        assert name in data.bl_rna.properties
        self.words.append(name)

    def template_icon(self, value: int, scale: float = 1.0) -> None:
        assert isinstance(value, int)
        self.words.append("icon")

    def progress(self, factor: float = 0.0, text: str = "") -> None:
        assert 0.0 <= factor <= 1.0
        self.words.append(text)

    def operator(self, name: str, text: str | None = None, icon: str = "NONE", emboss: bool = True,
                 depress: bool = False) -> Any:
        self._icon(icon)
        room, _, verb = name.partition(".")
        known = getattr(getattr(bpy.ops, room), verb).get_rna_type().properties
        self.words += [name, text or ""]
        return _Checked(set(known.keys()))

    def _icon(self, icon: str) -> None:
        known = bpy.types.UILayout.bl_rna.functions["label"].parameters["icon"].enum_items
        assert icon in known, icon


class _Checked:
    """An operator button's properties: only those that the operator has."""

    def __init__(self, known: set[str]) -> None:
        object.__setattr__(self, "known", known)

    def __setattr__(self, name: str, value: object) -> None:
        assert name in self.known, name


def drawn(extension: Extension, part: str, width: float = 300, height: float = 900) -> list[str]:
    """What a panel, the strip of jobs ("jobs") or a task (its key) shows: labels, property names, operator names."""
    words: list[str] = []
    context = SimpleNamespace(
        scene=bpy.context.scene, view_layer=bpy.context.view_layer,
        selected_objects=bpy.context.selected_objects, region=SimpleNamespace(width=width, height=height),
        space_data=SimpleNamespace(shading=SimpleNamespace(type="SOLID", color_type="MATERIAL")),
        preferences=SimpleNamespace(system=SimpleNamespace(ui_scale=1.0)))
    room = extension.module("panels.room").room_in(context)
    offered = {item.key: item for item in extension.module("offered_tasks").offered()}
    if part == "jobs":
        extension.module("panels.now_strip").draw_now(Layout(words), context, room)
    elif part in offered:
        extension.module("panels.task_panel").draw_task(Layout(words), context, offered[part], room)
    else:
        classes = extension.module("panels").CLASSES
        cls = next(cls for cls in classes if cls.__name__ == f"MESHWRIGHT_PT_{part}")
        # Instances of panels are Blender's to make: the function is called with what it uses of itself.
        cls.draw(SimpleNamespace(layout=Layout(words)), context)
    return words


@pytest.fixture(autouse=True)
def no_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MESHWRIGHT_PYTHON", raising=False)


def test_first_run_offers_the_runtime(extension: Extension, scene: bpy.types.Scene,
                                      monkeypatch: pytest.MonkeyPatch) -> None:
    words = drawn(extension, "main")
    assert {"meshwright.install_runtime", "meshwright.open_preferences"} <= set(words)
    assert "GB download" in " ".join(words) and "minutes" in " ".join(words)
    monkeypatch.setenv("MESHWRIGHT_PYTHON", "/usr/bin/python3")
    assert "meshwright.install_runtime" not in drawn(extension, "main")


def test_the_setup_has_its_buttons_in_their_order_and_keeps_its_failure(
        extension: Extension, scene: bpy.types.Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    system = bpy.context.preferences.system
    monkeypatch.setattr(system, "use_online_access", False)
    words = drawn(extension, "main")
    assert words.index("extensions.userpref_allow_online") < words.index("meshwright.install_runtime")
    system.use_online_access = True
    assert "extensions.userpref_allow_online" not in drawn(extension, "main")
    state = extension.module("setup.operators").runtime_state()
    report = extension.module("backend.contract").ErrorReport
    monkeypatch.setattr(state, "error", report("The packages could not be installed.", "No route to host: 443.",
                                               "Check the connection."))
    words = drawn(extension, "main")
    assert {"meshwright.repair_runtime", "Retry", "meshwright.copy_diagnostics", "Copy Report"} <= set(words)
    text = " ".join(words)
    assert "The packages could not be installed." in text and "Check the connection." in text and "443" not in text
    bpy.ops.meshwright.copy_diagnostics()
    if copied := bpy.context.window_manager.clipboard:  # there is none without a window
        assert "443" in copied


def test_every_task_has_its_options_and_its_button(extension: Extension, scene: bpy.types.Scene) -> None:
    for item in extension.module("offered_tasks").offered():
        words = drawn(extension, item.key)
        assert f"meshwright.{item.key}" in words
        assert {parameter.name for parameter in item.task.parameters} <= set(words)
        assert "meshwright.download_weights" not in words or not item.weights[0].bundled, "there is no engine yet"
        assert ("preset" in words) == bool(item.task.presets)


def test_weights_are_described_with_what_their_output_may_be_used_for(extension: Extension,
                                                                      scene: bpy.types.Scene) -> None:
    assert "Demo model (included)" in " ".join(drawn(extension, "partpacker_generate_parts"))
    scene.meshwright.partpacker_generate_parts.weights = "published"
    words = " ".join(drawn(extension, "partpacker_generate_parts"))
    assert "non-commercial only" in words and "Download Published (" in words and "Demo" not in words


def test_jobs_show_progress_and_errors(extension: Extension, scene: bpy.types.Scene, tmp_path: Path) -> None:
    assert drawn(extension, "jobs") == []
    contract, jobs = extension.module("backend.contract"), extension.module("jobs")
    folder = contract.JobFolder(finished_job(tmp_path / "job-1").path)
    job = jobs.submit(folder.read_request(), folder)
    job.take(contract.StageProgress("job-1", "sample", 3, 24, 0.25, 75.0))
    assert {"Generating shape 3/24", "25% · 1 min 15 s left"} <= set(drawn(extension, "jobs"))
    assert "meshwright.cancel_job" in drawn(extension, "jobs")
    for remedy in [*contract.Remedy, None]:
        job.fail(contract.ErrorReport("It broke.", "The memory is full.", "Free some.", remedy))
        words = drawn(extension, "jobs")
        assert "It broke." in words and "The memory is full. Free some." in words
        assert ("meshwright.apply_remedy" if remedy else "meshwright.retry_job") in words
        assert sum("Retry" in word or word == "meshwright.retry_job" for word in words) == 1, "one way to try again"
    jobs.remove("job-1")


def test_a_waiting_job_tells_how_many_go_first(extension: Extension) -> None:
    words, job = extension.module("panels.now_strip").stage_words, extension.module("jobs").Job
    queue = [job(SimpleNamespace(job=name), None) for name in "abc"]
    assert [words(item, queue) for item in queue] == ["Waiting", "Next in the queue", "Waiting for 2 other jobs"]
    queue[0].end_cancelled()
    assert [words(item, queue) for item in queue[1:]] == ["Waiting", "Next in the queue"]


def test_the_seed_is_offered_where_there_is_chance(extension: Extension, scene: bpy.types.Scene,
                                                   tmp_path: Path) -> None:
    assert "seed" in drawn(extension, "partpacker_generate_parts")
    assert "seed" not in drawn(extension, "partpacker_split_parts")
    folder = extension.module("backend.contract").JobFolder
    extension.module("deliver").deliver(folder(finished_job(tmp_path / "job-1", task="split_parts").path))
    words = drawn(extension, "result")
    assert "meshwright.run_again" in words and "meshwright.reroll" not in words and "seed" not in " ".join(words)
    assert not bpy.ops.meshwright.reroll.poll() and bpy.ops.meshwright.run_again.poll()


def test_the_result_shows_its_slider(extension: Extension, scene: bpy.types.Scene, tmp_path: Path) -> None:
    panel = next(cls for cls in extension.module("panels").CLASSES if cls.__name__ == "MESHWRIGHT_PT_result")
    assert not panel.poll(bpy.context)
    extension.module("deliver").deliver(extension.module("backend.contract").JobFolder(
        finished_job(tmp_path / "job-1").path))
    assert panel.poll(bpy.context)
    words = drawn(extension, "result")
    assert {'["explode"]', "meshwright.reroll", "meshwright.run_again"} <= set(words)
    assert "seed 7" in " ".join(words)
    bpy.context.view_layer.objects.active = bpy.data.objects["stool.part.02"]
    assert '["explode"]' in drawn(extension, "result"), "a part stands for its whole"


def test_what_is_taken_over_is_asked_where_a_mesh_takes_anothers_place(extension: Extension,
                                                                       scene: bpy.types.Scene) -> None:
    options = {"keep_materials", "keep_uvs", "keep_weights"}
    for task in ("silksong_remesh", "partpacker_reconstruct"):
        assert options <= set(drawn(extension, task))
    assert not options & {*drawn(extension, "partpacker_generate_parts"), *drawn(extension, "partpacker_split_parts")}
    settings = scene.meshwright
    assert settings.keep_materials and not settings.keep_uvs and not settings.keep_weights
    for name in options:
        assert len(settings.bl_rna.properties[name].description) > 20, "a tooltip"


def test_a_replaced_mesh_offers_its_variants_and_the_bake(extension: Extension, scene: bpy.types.Scene,
                                                          tmp_path: Path) -> None:
    offered = {"meshwright.show_next_variant", "meshwright.bake_normals"}
    deliver, note = extension.module("deliver").deliver, {"delivery": "replace", "targets": []}
    for count in (2, 1):
        vase = cube("vase", (0, 0, 0), (1, 1, 1))
        bpy.context.view_layer.objects.active = vase
        note["targets"] = note_on(extension, "replace", vase)["targets"]
        meshes = [(box((0, 0, 0), (1, 1, 1)), BOX_FACES)] * count
        deliver(extension.module("backend.contract").JobFolder(
            woven_job(tmp_path / f"job-{count}", note, meshes).path))
        assert offered & set(drawn(extension, "result")) == (offered if count == 2 else {"meshwright.bake_normals"})
    for name in ("show_next_variant", "bake_normals"):
        assert len(getattr(bpy.ops.meshwright, name).get_rna_type().description) > 20
    made = deliver(extension.module("backend.contract").JobFolder(finished_job(tmp_path / "parts").path))
    bpy.context.view_layer.objects.active = bpy.data.objects[made.objects[0]]
    assert not offered & set(drawn(extension, "result"))


def test_preferences(extension: Extension) -> None:
    words: list[str] = []
    extension.module("panels.preferences_box").draw_preferences(Layout(words), extension.preferences)
    assert {"backend_python", "runtime_folder", "models_folder", "jobs_folder", "device"} <= set(words)


def test_words_wrap_whole(extension: Extension) -> None:
    words: list[str] = []
    extension.module("panels.words").wrapped(Layout(words), "An error that is longer than the sidebar is wide.", 280)
    assert len(words) == 2 and " ".join(words) == "An error that is longer than the sidebar is wide."
    assert max(map(len, words)) <= 33, "what fits beside an icon in a box of the default sidebar"


def test_a_download_that_cannot_be_had_says_why(extension: Extension, scene: bpy.types.Scene,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESHWRIGHT_PYTHON", "/usr/bin/python3")
    module, task = extension.module("panels.task_panel"), "partpacker_generate_parts"
    monkeypatch.setattr(module, "download_complaint", lambda: "Turn on Online Access first")
    assert "meshwright.download_weights" not in drawn(extension, task), "the demo model needs no download"
    scene.meshwright.partpacker_generate_parts.weights = "published"
    words = drawn(extension, task)
    assert words.index("meshwright.download_weights") < words.index("Turn on Online Access first")
    monkeypatch.setattr(module, "download_complaint", lambda: "")
    for weights in ("published", "starter"):
        scene.meshwright.partpacker_generate_parts.weights = weights
        words = drawn(extension, task)
        assert "meshwright.download_weights" in words and "Turn on Online Access first" not in words


def test_a_paused_queue_and_a_silent_engine_have_their_buttons(extension: Extension, scene: bpy.types.Scene,
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    panel = extension.module("panels.engine_panel").MESHWRIGHT_PT_engine
    assert not panel.poll(bpy.context), "nothing is wrong"
    queue, contract = extension.module("jobs.engine")._queue, extension.module("backend.contract")
    monkeypatch.setattr(queue, "pause", contract.ErrorReport("The engine keeps crashing.", "Three times.", "Resume.",
                                                             contract.Remedy.OPEN_PREFERENCES))
    words = drawn(extension, "engine")
    assert panel.poll(bpy.context) and {"meshwright.resume_queue", "meshwright.open_preferences"} <= set(words)
    assert "Queue paused. The engine keeps crashing." in " ".join(words) and "meshwright.restart_engine" not in words
    assert bpy.ops.meshwright.resume_queue() == {"FINISHED"} and queue.pause is None
    monkeypatch.setattr(queue, "_jobs", [SimpleNamespace(silent=True, ended=True, state="", id="", result=None)])
    assert "meshwright.restart_engine" in drawn(extension, "engine")
