# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an image can come from: example, render, clipboard; and its cut-out."""

import os
import stat
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from PIL import Image

from blender_addon.capture import clipboard
from blender_addon.capture.cut_out import object_mask

from .conftest import Extension
from .test_panels import Layout, drawn

PHOTO = (96, 64)


def photo(tmp_path: Path, hole: bool = False) -> Path:
    """A red disc on a background that runs from light to dark gray, with something gray inside."""
    width, height = PHOTO
    rows, columns = np.mgrid[:height, :width]
    pixels = np.repeat((120 + columns)[..., None], 3, axis=2).astype(np.uint8)
    disc = (rows - 32) ** 2 + (columns - 48) ** 2 < 20**2
    pixels[disc] = (200, 30, 30)
    if hole:
        pixels[(rows - 32) ** 2 + (columns - 48) ** 2 < 6**2] = (150, 150, 150)
    Image.fromarray(pixels).save(tmp_path / "disc.png")
    return tmp_path / "disc.png"


def test_the_example_is_one_click(extension: Extension, scene: bpy.types.Scene) -> None:
    assert bpy.ops.meshwright.try_example() == {"FINISHED"}
    image = scene.meshwright.images.image
    assert image.size[0] > 200 and image.name == "chair.png"


def test_a_render_is_offered_only_when_there_is_one(extension: Extension, scene: bpy.types.Scene) -> None:
    bpy.ops.wm.read_homefile(use_empty=False)
    assert not bpy.ops.meshwright.use_render_result.poll()
    scene = bpy.context.scene
    scene.render.engine, scene.render.resolution_x, scene.render.resolution_y = "CYCLES", 32, 32
    scene.cycles.samples = 1
    bpy.ops.object.select_all(action="SELECT")
    bpy.ops.meshwright.capture_view()
    assert not bpy.ops.meshwright.use_render_result.poll(), "our own render is none of the artist's"
    bpy.ops.render.render()
    assert bpy.ops.meshwright.use_render_result() == {"FINISHED"}
    bpy.ops.wm.read_homefile(use_empty=True)
    assert not extension.module("capture.rendered")._rendered


def test_a_drop_asks_only_where_several_tasks_fit(extension: Extension, scene: bpy.types.Scene, tmp_path: Path) -> None:
    operator, asked = extension.module("operators.image").MESHWRIGHT_OT_drop_image, []
    tasks = {item.key: item for item in extension.module("offered_tasks").offered()}
    central = {key for key, item in tasks.items() if extension.module("operators.image").central_slot(item)}
    assert "partpacker_generate_parts" in central and "silksong_remesh" not in central

    def dropped_on(task: str) -> SimpleNamespace:
        scene.meshwright.task, asked[:] = task, []
        drop = SimpleNamespace(filepath=str(photo(tmp_path)), task="", slot="", execute=lambda _: {"FINISHED"})
        context = SimpleNamespace(scene=scene, window_manager=SimpleNamespace(
            popup_menu=lambda draw, title: asked.append(draw)))
        operator.invoke(drop, context, None)
        return drop

    assert dropped_on("partpacker_generate_parts").task == "partpacker_generate_parts" and not asked
    assert dropped_on("silksong_remesh").task == "" and len(asked) == 1
    words: list[str] = []
    asked[0](SimpleNamespace(layout=Layout(words)), bpy.context)
    assert {tasks[key].label for key in central} <= set(words)
    drop = {"filepath": str(photo(tmp_path)), "task": "hunyuan3d_shape_generate_shape"}
    assert bpy.ops.meshwright.drop_image(**drop) == {"FINISHED"}
    assert scene.meshwright.task == "hunyuan3d_shape_generate_shape"
    assert scene.meshwright.images.image.name == "disc.png"


@pytest.mark.parametrize(("platform", "environment", "words"), [
    ("win32", {}, "Windows+Shift+S"), ("darwin", {}, "Control+Shift+Command+4"),
    ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, "wl-clipboard"), ("linux", {"DISPLAY": ":0"}, "package xclip"),
])
def test_an_empty_clipboard_says_what_to_do_on_every_desktop(platform: str, environment: dict[str, str], words: str,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    report = clipboard.empty_clipboard(platform, environment).report
    assert report.what == "There is no image in the clipboard." and words in report.advice
    assert "drag the file" in report.advice


@pytest.mark.parametrize("program", ["wl-paste", "xclip"])
def test_the_desktops_program_is_asked(program: str, scene: bpy.types.Scene, tmp_path: Path,
                                       monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / program
    script.write_text(f"#!/bin/sh\ncase \"$*\" in *image/png*) exec /bin/cat '{photo(tmp_path)}';; esac\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    image = clipboard._pasted_by_program(program)
    assert image is not None and tuple(image.size) == PHOTO and image.packed_file
    for content in ("exit 1", "echo nothing of an image"):
        script.write_text(f"#!/bin/sh\n{content}\n")
        assert clipboard._pasted_by_program(program) is None
    monkeypatch.setenv("PATH", os.devnull)
    assert clipboard._pasted_by_program(program) is None


def test_the_path_of_a_copied_file_is_an_image_too(scene: bpy.types.Scene, tmp_path: Path) -> None:
    path = photo(tmp_path)
    for text in (str(path), path.as_uri(), f'"{path}"', f"{path}\n"):
        image = clipboard._copied_file(text)
        assert image is not None and tuple(image.size) == PHOTO and image.packed_file and not image.filepath
    (tmp_path / "letter.png").write_text("no image")
    for text in ("", "a red chair", str(tmp_path / "none.png"), str(tmp_path / "letter.png"), f"{path}\n{path}"):
        assert clipboard._copied_file(text) is None


def test_a_photo_is_cut_out_before_the_job(extension: Extension, scene: bpy.types.Scene, tmp_path: Path) -> None:
    scene.meshwright.images.image = bpy.data.images.load(str(photo(tmp_path, hole=True)))
    assert "meshwright.cut_out" in drawn(extension, "partpacker_generate_parts")
    slots = {"image": "images.image", "mask": "partpacker_generate_parts.mask"}
    assert bpy.ops.meshwright.cut_out(**slots) == {"FINISHED"}
    mask = scene.meshwright.partpacker_generate_parts.mask
    values = np.empty(len(mask.pixels), np.float32)
    mask.pixels.foreach_get(values)
    values = values.reshape(64, 96, 4)[..., 0]
    assert tuple(mask.size) == PHOTO and values[32, 48] == 1, "what is inside belongs to the object"
    assert values[32, 34] == 1 and values[5, 5] == values[60, 90] == 0
    assert abs((values > 0.5).mean() - np.pi * 20**2 / (96 * 64)) < 0.01
    assert "meshwright.paint_mask" in drawn(extension, "partpacker_generate_parts")
    with pytest.raises(RuntimeError, match="Nothing differs from the background"):
        bpy.ops.meshwright.cut_out(threshold=1.0, **slots)
    assert scene.meshwright.partpacker_generate_parts.mask == mask
    clear = bpy.data.images.new("clear", 8, 8, alpha=True)
    clear.pixels.foreach_set(np.zeros(256, np.float32))
    scene.meshwright.images.image = clear
    with pytest.raises(RuntimeError, match="cut out already"):
        bpy.ops.meshwright.cut_out(**slots)


def test_what_touches_the_border_is_found_by_its_threshold() -> None:
    pixels = np.ones((40, 40, 4), np.float32)
    pixels[10:30, 10:30, :3] = (0.8, 0.8, 0.8)
    assert object_mask(pixels, 0.3).max() == 0 and object_mask(pixels, 0.1)[20, 20] == 1
