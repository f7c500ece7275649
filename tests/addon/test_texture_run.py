# SPDX-License-Identifier: GPL-3.0-or-later
"""Texturing the whole way from the panel through the real worker, with random weights: watched, cancelled, looks."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import bmesh
import bpy
import numpy as np
import pytest

from .conftest import WORKER_PYTHON, Extension
from .jobs_at_work import HERE, until
from .test_artists_day import select
from .test_operators import desk, only_job, refusal
from .test_panels import drawn
from .test_texture_view import view_from
from .texture_weights import FOLDER, TOO_LARGE
from .textured import assert_kept, object_state
from .watched_previews import Onlooker

__all__ = ["desk"]
WAIT = 120.0
SIZE = 512
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the worker writes its weights."""
    return tmp_path_factory.mktemp("weights") / "sd15"


@pytest.fixture
def easel(desk: Extension, weights: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Extension]:
    """The extension over that worker, with few and small views and no image."""
    monkeypatch.setenv(FOLDER, str(weights))
    queue = desk.module("jobs.engine")._queue
    real = queue._worker_settings
    monkeypatch.setattr(queue, "_worker_settings", lambda: replace(  # the same for all tests: one worker for all
        real(), python=WORKER_PYTHON, root=HERE / "texture_worker", models=weights.parent, statistics=None))
    settings = bpy.context.scene.meshwright
    settings.seed = 3
    group = settings.flexisyncmvd_texture
    group.weights, group.prompt = "sd15", "a red crate"
    group.steps, group.views, group.top_cameras, group.log_interval = 5, 4, False, 1
    group.texture_size, group.latent_view_size, group.guidance_scale = str(SIZE), "32", 2.0
    yield desk


def crate(name: str, x: float = 0.0) -> bpy.types.Object:
    """A cube with a red material."""
    bpy.ops.mesh.primitive_cube_add(location=(x, 0, 0))
    item = bpy.context.object
    item.name = name
    item.data.materials.append(bpy.data.materials.get("red") or bpy.data.materials.new("red"))
    item.modifiers.new("Bevel", "BEVEL")
    bpy.context.view_layer.update()
    return item


def finished(desk: Extension) -> object:
    """Wait for the only job."""
    job = desk.module("jobs").wait(only_job(desk).id, WAIT)
    assert job.error is None and job.delivered, job.error
    return job


def pixels(item: bpy.types.Object) -> np.ndarray:
    """The texture that the object shows, [H, W, 4]."""
    texture = next(node for node in item.active_material.node_tree.nodes if node.type == "TEX_IMAGE")
    values = np.empty(len(texture.image.pixels), np.float32)
    texture.image.pixels.foreach_get(values)
    return values.reshape(*texture.image.size, 4)


def test_what_is_missing_is_said(easel: Extension) -> None:
    settings = bpy.context.scene.meshwright.flexisyncmvd_texture
    assert "Mesh is missing" in refusal("flexisyncmvd_texture")
    crate("crate")
    assert bpy.ops.meshwright.flexisyncmvd_texture.poll()
    settings.prompt = "  "
    assert "Texture needs a prompt or image" in refusal("flexisyncmvd_texture")
    bpy.context.scene.meshwright.images.image = bpy.data.images.new("mug", 8, 8)
    assert not bpy.ops.meshwright.flexisyncmvd_texture.poll(), "another task's image"
    settings.image = bpy.data.images["mug"]
    assert not bpy.ops.meshwright.flexisyncmvd_texture.poll(), "SD 1.5 takes no image"
    assert "SD 1.5 weights cannot use Image" in " ".join(drawn(easel, "flexisyncmvd_texture"))
    settings.weights = next(item.name for item in easel.module("offered_tasks").find(
        "flexisyncmvd", "texture").weights if item.can_take("image"))
    assert bpy.ops.meshwright.flexisyncmvd_texture.poll()
    words = drawn(easel, "flexisyncmvd_texture")
    assert {"prompt", "image", "paint_scope", "paint_uvs", "mesh_source", "checkpoint", "lora"} <= set(words)


def test_two_objects_are_painted_watched_and_painted_anew(easel: Extension) -> None:
    items = [crate("left"), crate("right", 3.0)]
    select(*items)
    states = [object_state(item) for item in items]
    bpy.ops.ed.undo_push(message="Two crates")
    assert bpy.ops.meshwright.flexisyncmvd_texture() == {"FINISHED"}
    job, icons, fractions = only_job(easel), [], []
    onlooker, take = Onlooker(job.folder), job.take
    assert job.request.subject == "left" and set(job.request.inputs) == {"mesh"}

    def heard(event: object) -> None:
        take(event)
        fractions.append(job.fraction)

    def step() -> None:
        easel.module("jobs").poll_once()
        icons.append("icon" in drawn(easel, "jobs"))
        if icons[-1]:
            onlooker.has_seen(job.preview_count)

    job.take = heard
    until(lambda: job.ended, step, WAIT)
    assert job.delivered and job.error is None, job.error
    assert any(icons) and not icons[-1], "watched, and released"
    assert job.preview_count == 6, "one after each of five steps, and the views as they were painted in the end"
    assert fractions == sorted(fractions) and len(set(fractions)) >= 8 and fractions[-1] == 1.0
    for item, state in zip(items, states, strict=True):
        assert_kept(state, object_state(item))
        made = pixels(item)
        assert made.shape == (SIZE, SIZE, 4) and made[..., :3].std() > 0.005 and (made[..., 3] == 1).all()
    assert not np.array_equal(pixels(items[0]), pixels(items[1]))
    assert {"a red crate, seed 3"} & {look.name for look in items[1].meshwright_material_variants}
    first = pixels(items[0])

    bpy.context.view_layer.objects.active = items[0]
    assert bpy.ops.meshwright.reroll_material() == {"FINISHED"}
    finished(easel)
    assert [variant.name for variant in items[0].meshwright_material_variants] == [
        "Before", "a red crate, seed 3", "a red crate, seed 4"]
    assert not np.array_equal(pixels(items[0]), first)
    bpy.ops.meshwright.show_material_variant(index=1)
    assert np.array_equal(pixels(items[0]), first)
    for name in ("red", "left texture.001"):
        bpy.ops.meshwright.compare_material_variants()
        assert items[0].active_material.name == name
    assert {"meshwright.compare_material_variants", "meshwright.reroll_material", "meshwright.show_textures",
            "meshwright.remove_material_variant"} <= set(
        drawn(easel, "material_variants"))
    bpy.ops.meshwright.remove_material_variant()
    assert len(items[0].meshwright_material_variants) == 2 and np.array_equal(pixels(items[0]), first)
    bpy.ops.meshwright.show_material_variant(index=0)
    assert not bpy.ops.meshwright.reroll_material.poll() and not bpy.ops.meshwright.remove_material_variant.poll()


def test_selected_faces_in_edit_mode_wait_for_object_mode(easel: Extension) -> None:
    item = crate("crate")
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_mode(type="FACE")
    bpy.ops.mesh.select_all(action="DESELECT")
    mesh = bmesh.from_edit_mesh(item.data)
    mesh.faces.ensure_lookup_table()
    mesh.faces[2].select_set(True)
    bmesh.update_edit_mesh(item.data)
    settings = bpy.context.scene.meshwright
    settings.paint_scope, settings.mesh_source = "FACES", "BASE"
    assert bpy.ops.meshwright.flexisyncmvd_texture() == {"FINISHED"}
    job = only_job(easel)
    until(lambda: job.ended or job.stage == "Waiting for Object Mode", easel.module("jobs").poll_once, WAIT)
    assert not job.ended and item.active_material.name == "red" and bpy.context.mode == "EDIT_MESH", job.error
    bpy.ops.object.mode_set(mode="OBJECT")
    finished(easel)
    alpha = pixels(item)[..., 3]
    assert 0.05 < (alpha > 0.5).mean() < 0.3, "about one side of six"
    layer = np.array([corner.vector for corner in item.data.uv_layers[0].uv]).reshape(6, 4, 2)
    column, row = (layer.mean(axis=1).T * SIZE).astype(int)
    assert alpha[row, column].tolist() == [0, 0, 1, 0, 0, 0], "where the selected face lies"
    assert item.active_material.name == "crate texture"


def test_cancelled_within_a_second_nothing_changes(easel: Extension) -> None:
    item = crate("crate")
    bpy.context.scene.meshwright.flexisyncmvd_texture.steps = 100
    before = object_state(item)
    bpy.ops.meshwright.flexisyncmvd_texture()
    job, jobs = only_job(easel), easel.module("jobs")
    until(lambda: job.ended or job.preview_count > 1, jobs.poll_once, WAIT)
    assert not job.ended, job.error
    bpy.ops.meshwright.cancel_job(job=job.id)
    jobs.poll_once()
    assert "icon" not in drawn(easel, "jobs"), "at once"
    assert until(lambda: job.ended, jobs.poll_once, 5) < 1
    assert job.state == "cancelled" and object_state(item) == before and not item.meshwright_material_variants


def test_what_the_worker_refuses_is_told_with_a_way_out(easel: Extension) -> None:
    crate("crate")
    settings = bpy.context.scene.meshwright
    settings.flexisyncmvd_texture.cond_type = "canny"
    bpy.ops.meshwright.flexisyncmvd_texture()
    job = easel.module("jobs").wait(only_job(easel).id, WAIT)
    assert job.state == "failed" and job.error.why and job.error.advice
    assert job.error.what.replace(" ", "") in "".join(drawn(easel, "jobs")).replace(" ", "")
    settings.flexisyncmvd_texture.cond_type = "depth"
    settings.flexisyncmvd_texture.prompt = "a red wooden crate with iron bands " * 12
    bpy.ops.meshwright.flexisyncmvd_texture()
    assert "too long" in " ".join(finished(easel).notes)
    settings.flexisyncmvd_texture.checkpoint = str(Path(__file__))
    bpy.ops.meshwright.flexisyncmvd_texture()
    job = easel.module("jobs").wait(only_job(easel).id, WAIT)
    assert job.state == "failed" and job.error.advice


def test_when_the_memory_runs_out_nothing_is_lost(easel: Extension) -> None:
    item = crate("crate")
    before = object_state(item)
    bpy.context.scene.meshwright.flexisyncmvd_texture.prompt = TOO_LARGE
    bpy.ops.meshwright.flexisyncmvd_texture()
    job = easel.module("jobs").wait(only_job(easel).id, WAIT)
    assert job.state == "failed" and "memory is not enough" in job.error.what
    assert "lower memory mode" in job.error.advice
    assert job.error.what.replace(" ", "") in "".join(drawn(easel, "jobs")).replace(" ", "")
    assert object_state(item) == before and not item.meshwright_material_variants
    bpy.context.scene.meshwright.flexisyncmvd_texture.prompt = "a red crate"
    bpy.ops.meshwright.flexisyncmvd_texture()
    finished(easel)
    assert item.active_material.name == "crate texture", "the next one is painted"


def test_what_the_view_shows_is_refined(easel: Extension) -> None:
    """No viewport has a size without a window: the test puts the view in its place."""
    item = crate("crate")
    assert not bpy.ops.meshwright.refine_from_view.poll(), "nothing to refine yet"
    bpy.ops.meshwright.flexisyncmvd_texture()
    finished(easel)
    first, whole = item.active_material, pixels(item)
    with pytest.raises(RuntimeError, match="no view to paint from"):
        bpy.ops.meshwright.refine_from_view()
    easel_view = easel.module("capture.view").View
    bpy.context.scene.meshwright.flexisyncmvd_texture.prompt = "a blue star"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(easel_view, "of", lambda _context: easel_view(**vars(view_from(0))))
        assert bpy.ops.meshwright.refine_from_view() == {"FINISHED"}
    assert bpy.context.scene.meshwright.paint_scope == "OBJECT", "the choice in the panel stays"
    finished(easel)
    assert [variant.name for variant in item.meshwright_material_variants][1:] == [
        "a red crate, seed 3", "a blue star, seed 3 (part)"]
    assert item.active_material["meshwright_under"] == first
    kept = (pixels(item) == whole).all(axis=2)
    assert 0.6 < kept.mean() < 0.97, "about one side of six is new"
    assert (pixels(item)[..., 3] == 1).all(), "one image again: seen in Solid view, exported like any other"
    bpy.ops.meshwright.reroll_material()
    cancelled = only_job(easel)
    bpy.ops.meshwright.cancel_job(job=cancelled.id)
    until(lambda: cancelled.ended, easel.module("jobs").poll_once, WAIT)
    bpy.ops.meshwright.retry_job(job=cancelled.id)
    finished(easel)
    assert item.active_material["meshwright_under"] == first, "painted anew on the same ground"
