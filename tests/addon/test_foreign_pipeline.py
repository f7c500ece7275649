# SPDX-License-Identifier: GPL-3.0-or-later
"""A pipeline that lives only in the tests passes through the built zip: nothing in the product knows of it.

It has one task for each delivery, several named images, prompt-or-image, presets, a shared component, a parameter with
a name that Blender has taken, and a task of the same name as one of ours.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import bpy
import numpy as np
import pytest

from .conftest import REPOSITORY, Extension
from .synthetic_jobs import BOX_FACES, box
from .test_bad_meshes import new_object, select
from .test_operators import desk, only_job, refusal
from .test_panels import Layout, drawn

__all__ = ["desk"]
FOLDER = REPOSITORY / "tests" / "foreign_pipelines"
WAIT = 120.0
THROW = "pottery_throw"


@pytest.fixture
def pottery(desk: Extension, scene: bpy.types.Scene) -> Iterator[Extension]:
    """The extension after the artist has allowed the folder."""
    desk.preferences.pipelines_folder = str(FOLDER)
    desk.preferences.run_pipelines = True
    yield desk
    desk.preferences.property_unset("run_pipelines")
    desk.module("task_classes").use_folder(None)
    desk.preferences.property_unset("pipelines_folder")


def settings() -> bpy.types.PropertyGroup:
    return bpy.context.scene.meshwright


def preferences_words(extension: Extension) -> list[str]:
    """What the preferences show."""
    words: list[str] = []
    extension.module("panels.preferences_box").draw_preferences(Layout(words), extension.preferences)
    return words


def image(name: str, level: float) -> bpy.types.Image:
    made = bpy.data.images.new(name, 8, 8)
    made.pixels.foreach_set(np.full(8 * 8 * 4, level, np.float32))
    return made


def solid(name: str, low: tuple[float, ...], high: tuple[float, ...]) -> bpy.types.Object:
    item = new_object(name, box(low, high).tolist(), BOX_FACES.tolist())
    return select(item)


def finished(pottery: Extension) -> object:
    """Wait for the only job; it was delivered."""
    job = pottery.module("jobs").wait(only_job(pottery).id, WAIT)
    assert job.error is None and job.delivered, job.error
    return job


def pressed(pottery: Extension, key: str) -> object:
    """Press the task's button as an artist would, with an undo step before; the job when it is done."""
    bpy.ops.ed.undo_push(message="Before")
    assert getattr(bpy.ops.meshwright, key)() == {"FINISHED"}
    return finished(pottery)


def test_it_is_off_until_the_artist_allows_it(desk: Extension, scene: bpy.types.Scene) -> None:
    keys = [item.key for item in desk.module("offered_tasks").offered()]
    desk.preferences.pipelines_folder = str(FOLDER)
    assert [item.key for item in desk.module("offered_tasks").offered()] == keys, "a folder alone runs nothing"
    assert desk.module("preferences").worker_settings().pipelines is None
    try:
        settings().seed, settings().partpacker_generate_parts.steps = 7, 9
        desk.preferences.run_pipelines = True
        assert {THROW, "pottery_remesh", "silksong_remesh"} <= {
            item.key for item in desk.module("offered_tasks").offered()}
        assert hasattr(settings(), THROW) and desk.module("preferences").worker_settings().pipelines == FOLDER
        assert (settings().seed, settings().partpacker_generate_parts.steps) == (7, 9), "what was set stays"
        desk.preferences.run_pipelines = False
        assert [item.key for item in desk.module("offered_tasks").offered()] == keys
        assert not hasattr(settings(), THROW) and not hasattr(bpy.types, "MESHWRIGHT_PT_pottery_throw")
    finally:
        desk.preferences.property_unset("run_pipelines")
        desk.preferences.property_unset("pipelines_folder")


def test_a_folder_that_cannot_be_used_is_said_in_the_preferences(desk: Extension, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "spec.py").write_text("raise ValueError('half written')")
    desk.preferences.pipelines_folder = str(tmp_path)
    try:
        desk.preferences.run_pipelines = True
        assert "half written" in " ".join(preferences_words(desk))
        assert hasattr(settings(), "partpacker_generate_parts"), "ours are offered all the same"
    finally:
        desk.preferences.property_unset("run_pipelines")
        desk.module("task_classes").use_folder(None)
        desk.preferences.property_unset("pipelines_folder")


def test_panels_stand_by_delivery_and_draw_what_the_spec_says(pottery: Extension) -> None:
    offered = [item for item in pottery.module("offered_tasks").offered() if item.spec.weights]  # without workflows
    order = ["object", "parts", "material", "replace", "groups", "text"]
    ranks = [max(order.index(item.task.delivery), 1) for item in offered]
    assert {"Remesh (Pottery)", "Remesh (Mesh Silksong)", "Make Shards"} <= {item.label for item in offered}
    assert bpy.ops.meshwright.pottery_remesh.get_rna_type().name == "Remesh (Pottery)"
    assert ranks == sorted(ranks) and {item.task.delivery for item in offered} == set(order)
    solid("crate", (0, 0, 0), (1, 1, 1))
    expected = {
        THROW: {"front", "back", "prompt", "preset", "weights", "placement", "size", "keys_", "seed", "Form"},
        "pottery_shards": {"image", "cracks", "placement", "size", "count"},
        "pottery_remesh": {"mesh_source", "keep_materials", "keep_uvs", "keep_weights"},
        "pottery_shelve": {"mesh_source"},
        "pottery_glaze": {"mesh_source", "color", "prompt", "base", "paint_scope", "paint_uvs"},
        "pottery_appraise": {"mesh_source"},
    }
    every = set().union(*expected.values())
    for key, words in expected.items():
        shown = set(drawn(pottery, key))
        assert f"meshwright.{key}" in shown
        assert words <= shown, words - shown
        assert not (every - words - {"seed"}) & shown, key


def test_slots_are_shared_by_name_where_they_are_required(pottery: Extension) -> None:
    settings().images.image = image("plate.png", 0.5)
    assert "Cracks is missing" in refusal("pottery_shards")
    settings().images.cracks = image("cracks.png", 0.1)
    assert bpy.ops.meshwright.pottery_shards.poll()
    assert bpy.ops.meshwright.partpacker_generate_parts.poll(), "chosen for one task, there for the other"
    assert "needs a prompt or front view" in refusal(THROW)
    settings().pottery_throw.front = image("front.png", 0.2)
    assert bpy.ops.meshwright.pottery_throw.poll()
    assert "needs a prompt or color" in refusal("pottery_glaze") or "Mesh is missing" in refusal("pottery_glaze")


def test_presets_and_weights_set_what_they_decide(pottery: Extension) -> None:
    group = settings().pottery_throw
    assert (group.preset, group.sides, group.height) == ("balanced", 12, pytest.approx(1.5))
    group.prompt, group.keys_ = "a blue vase", "square"
    group.preset = "draft"
    assert group.sides == 5
    group.preset = "best"
    assert group.sides == 24
    group.weights = "glazed"
    assert group.sides == 32 and group.height == pytest.approx(2.0)
    assert (group.prompt, group.keys_) == ("a blue vase", "square"), "no preset decides these"
    assert "Front View is missing" in refusal(THROW), "these weights need it"


def test_what_the_weights_cannot_use_is_disabled_and_left_out(pottery: Extension) -> None:
    group = settings().pottery_throw
    group.front, group.back = image("front.png", 0.2), image("back.png", 0.9)
    assert "Plain weights cannot use Back View" in " ".join(drawn(pottery, THROW))
    job = pressed(pottery, THROW)
    assert set(job.request.inputs) == {"front"} and job.request.subject == "front"


def test_an_object_with_vertex_colors_comes_from_a_prompt_of_several_lines(pottery: Extension) -> None:
    group = settings().pottery_throw
    group.prompt = "a vase"
    settings().seed = 3
    named = {"pipeline": "pottery", "task": "throw", "parameter": "prompt"}
    assert bpy.ops.meshwright.edit_prompt(**named) == {"FINISHED"}
    bpy.data.texts["Throw Pot Prompt"].write("\nwith two handles")
    assert {"a vase", "with two handles"} <= set(drawn(pottery, THROW))
    bpy.context.scene.cursor.location = (1, 2, 0)
    settings().size = 3.0
    job = pressed(pottery, THROW)
    assert job.request.parameters["prompt"] == "a vase\nwith two handles"
    assert job.request.parameters["keys"] == "round" and job.request.seed == 3 and job.request.weights == "plain"
    pot = bpy.context.view_layer.objects.active
    assert pot.data.color_attributes and max(pot.dimensions) == pytest.approx(3.0, rel=1e-3)
    assert tuple(pot.location)[:2] == pytest.approx((1, 2))
    assert bpy.ops.meshwright.finish_prompt(**named) == {"FINISHED"}
    assert group.prompt == "a vase with two handles" and group.prompt_datablock is None

    assert "Pottery, Throw Pot" in " ".join(drawn(pottery, "result"))
    name = pot.name
    bpy.ops.ed.undo()
    assert name not in bpy.data.objects, "one undo step"
    bpy.ops.ed.redo()
    bpy.context.view_layer.objects.active = bpy.data.objects[name]
    assert bpy.ops.meshwright.reroll() == {"FINISHED"}
    assert finished(pottery).request.seed == 4
    assert bpy.data.objects[name].hide_get() and not bpy.context.view_layer.objects.active.hide_get()
    assert bpy.ops.meshwright.run_again() == {"FINISHED"}
    assert finished(pottery).request.seed == 4


def test_several_images_go_to_their_own_slots(pottery: Extension) -> None:
    settings().images.image, settings().images.cracks = image("plate.png", 0.5), image("cracks.png", 0.1)
    settings().pottery_shards.count = 4
    job = pressed(pottery, "pottery_shards")
    assert dict(job.request.inputs) == {"image": ("image.png",), "cracks": ("cracks.png",)}
    files = [(job.folder.inputs / f"{slot}.png").read_bytes() for slot in ("image", "cracks")]
    assert files[0] != files[1]
    root = bpy.data.objects["plate"]
    assert len(root.children) == 4 and '["explode"]' in drawn(pottery, "result")
    bpy.ops.ed.undo()
    assert "plate" not in bpy.data.objects


def test_a_task_of_a_known_name_replaces_each_selected_mesh(pottery: Extension) -> None:
    first, second = solid("crate", (0, 0, 0), (1, 2, 3)), solid("chest", (4, 0, 0), (5, 1, 1))
    first.select_set(True)
    bpy.ops.ed.undo_push(message="Two")
    assert bpy.ops.meshwright.pottery_remesh() == {"FINISHED"}
    queued = [job for job in pottery.module("jobs").jobs() if not job.ended]
    assert [job.request.subject for job in queued] == ["chest", "crate"]
    for job in queued:
        assert pottery.module("jobs").wait(job.id, WAIT).delivered, job.error
        assert job.request.pipeline == "pottery"
    assert first.hide_get() and second.hide_get()
    assert {"crate box", "chest box"} <= set(bpy.data.objects.keys())


def test_objects_are_sorted_into_groups(pottery: Extension) -> None:
    solid("plate", (0, 0, 0), (2, 2, 0.1))
    solid("vase", (3, 0, 0), (4, 1, 3)).select_set(True)
    bpy.data.objects["plate"].select_set(True)
    settings().subject = "shelf"
    pressed(pottery, "pottery_shelve")
    groups = bpy.data.collections["Meshwright · shelf"].children
    assert sorted(len(group.objects) for group in groups) == [1, 1]
    assert {group.name.rpartition(" ")[2] for group in groups} == {"tall", "flat"}
    assert bpy.data.objects["plate"].hide_get()


def test_a_material_of_several_maps_is_a_variant_next_to_the_old_one(pottery: Extension) -> None:
    crate = solid("crate", (0, 0, 0), (1, 1, 1))
    crate.data.materials.append(bpy.data.materials.new("wood"))
    settings().pottery_glaze.prompt = "celadon"
    settings().seed = 5
    job = pressed(pottery, "pottery_glaze")
    assert set(job.request.inputs) == {"mesh"}
    nodes = crate.active_material.node_tree.nodes
    spaces = {node.image.colorspace_settings.name for node in nodes if node.type == "TEX_IMAGE"}
    assert spaces == {"sRGB", "Non-Color"}
    assert [variant.name for variant in crate.meshwright_material_variants] == ["Before", "celadon, seed 5"]
    assert "celadon, seed 5" in drawn(pottery, "material_variants")
    assert bpy.ops.meshwright.reroll_material() == {"FINISHED"}
    assert finished(pottery).request.seed == 6
    bpy.ops.meshwright.show_material_variant(index=0)
    assert crate.active_material.name == "wood"


def test_a_text_is_read_with_the_job_and_kept_on_the_object(pottery: Extension) -> None:
    crate = solid("crate", (0, 0, 0), (1, 1, 1))
    before = set(bpy.data.objects)
    job = pressed(pottery, "pottery_appraise")
    assert any("a pot of 12 faces" in note for note in job.notes)
    assert crate["meshwright_caption"] == "a pot of 12 faces"
    assert set(bpy.data.objects) == before and not crate.hide_get() and crate.select_get()
    assert {"a pot of 12 faces", "Use as Name", "Use as Prompt"} <= set(drawn(pottery, "caption"))
    assert bpy.ops.meshwright.use_caption(use="PROMPT") == {"FINISHED"}
    assert settings().pottery_throw.prompt == settings().flexisyncmvd_texture.prompt == "a pot of 12 faces"
    assert "oversmoothed" in settings().flexisyncmvd_texture.negative_prompt, "no prompt of what is wanted"
    bpy.ops.meshwright.use_caption(use="DESCRIPTION")
    assert crate.asset_data.description == "a pot of 12 faces"
    assert not bpy.ops.meshwright.run_again.poll(), "the object is not what the job made: it was only described"
    bpy.ops.meshwright.use_caption(use="NAME")
    assert crate.name == "a pot of 12 faces"


def test_a_running_job_is_watched_and_cancelled(pottery: Extension) -> None:
    group = settings().pottery_throw
    group.prompt, group.sides, group.pace = "a slow pot", 60, 0.5
    assert bpy.ops.meshwright.pottery_throw() == {"FINISHED"}
    job, jobs = only_job(pottery), pottery.module("jobs")
    while not job.stage.startswith("Shaping 1"):
        jobs.poll_once()
    assert job.stage in drawn(pottery, "jobs")
    bpy.ops.meshwright.cancel_job(job=job.id)
    assert jobs.wait(job.id, WAIT).state == "cancelled"


def test_history_brings_back_what_was_made(pottery: Extension) -> None:
    settings().pottery_throw.prompt = "a cup"
    job = pressed(pottery, THROW)
    name = bpy.context.view_layer.objects.active.name
    gallery = pottery.module("gallery.state")
    assert gallery.matching()[0].words.startswith("Throw Pot · ")
    bpy.ops.wm.read_homefile(use_empty=True)
    assert name not in bpy.data.objects
    pottery.module("jobs").remove(job.id)
    assert bpy.ops.meshwright.deliver_earlier(folder=job.folder.path.name) == {"FINISHED"}
    assert pottery.module("jobs").wait(job.id, WAIT).delivered and name in bpy.data.objects


def test_a_job_of_a_pipeline_that_was_removed_can_still_be_read(pottery: Extension) -> None:
    settings().pottery_throw.prompt = "a cup"
    job = pressed(pottery, THROW)
    pottery.preferences.run_pipelines = False
    gallery = pottery.module("gallery.state")
    os.utime(job.folder.path)  # an unchanged folder is not read again
    gallery.refresh()
    assert gallery.matching()[0].words.startswith("throw · ")
    drawn(pottery, "jobs"), drawn(pottery, "result")
    with pytest.raises(RuntimeError, match="no pipeline 'pottery'"):
        bpy.ops.meshwright.run_again()
    pottery.preferences.run_pipelines = True
    assert job.delivered


def test_what_is_missing_is_offered_for_download(pottery: Extension, tmp_path: Path) -> None:
    group = settings().pottery_throw
    group.weights, group.front = "glazed", image("front.png", 0.2)
    assert bpy.ops.meshwright.pottery_throw() == {"FINISHED"}
    job = pottery.module("jobs").wait(only_job(pottery).id, WAIT)
    assert job.state == "failed" and job.error.remedy in ("download", "accept_license")
    contract, remedies = pottery.module("backend.contract"), pottery.module("remedies")
    job.error = contract.ErrorReport("Clay is missing.", "", "", contract.Remedy.DOWNLOAD,
                                     needs={"pipeline": "pottery", "weights": "glazed"})
    assert remedies.wanted_weights(job) == ("pottery", "glazed")
    assert "Download Glazed (0.3 GB)…" in drawn(pottery, "jobs")
    weights = pottery.module("operators.weights")
    spec = pottery.module("backend.pipelines.registry").spec("pottery")
    assert list(weights._licenses(spec.weight_set("glazed"))) == ["Potter's License", "Clay License"]


def test_a_shared_model_is_listed_once_and_used_where_it_is_installed(pottery: Extension, tmp_path: Path) -> None:
    words = preferences_words(pottery)
    assert words.count("Clay") == 1
    assert words.count("Clay License: outputs may be used for non-commercial purposes only, worldwide") == 1
    group = settings().pottery_throw
    group.prompt = "a cup"
    pressed(pottery, THROW)
    plain = vertex_color(bpy.context.view_layer.objects.active)
    clay = tmp_path / "models" / "shared" / "clay"
    clay.mkdir(parents=True)
    np.save(clay / "clay.npy", np.array([1.0, 0.0, 0.0]))
    settings().select_result = True
    pressed(pottery, THROW)
    assert vertex_color(bpy.context.view_layer.objects.active) == pytest.approx((1, 0, 0), abs=0.01) != plain


def vertex_color(item: bpy.types.Object) -> tuple[float, ...]:
    """The first color of the first color attribute, RGB in sRGB."""
    return tuple(item.data.color_attributes[0].data[0].color_srgb)[:3]


def test_the_request_is_plain_data(pottery: Extension) -> None:
    settings().pottery_throw.prompt = "a cup"
    job = pressed(pottery, THROW)
    request = json.loads((job.folder.path / "request.json").read_text())
    assert request["parameters"] == {"prompt": "a cup", "sides": 12, "height": 1.5, "closed": True, "keys": "round",
                                     "pace": 0.0}
    note = json.loads((job.folder.path / "delivery.json").read_text())
    assert note["delivery"] == "object" and note["targets"] == []
