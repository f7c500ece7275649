# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks in Blender's menus and keymaps, and results in the Asset Browser."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import addon_utils
import bpy

from .conftest import PACKAGE, Extension
from .synthetic_jobs import finished_job
from .test_panels import Layout


def rows(menu: type[bpy.types.Menu]) -> list[str]:
    """The operators that a menu draws."""
    words: list[str] = []
    menu.draw(SimpleNamespace(layout=Layout(words)), bpy.context)
    return [word for word in words if word.startswith("meshwright.")]


def entries(menu: type[bpy.types.Menu]) -> list[Callable[..., None]]:
    """What the extension appended to one of Blender's menus."""
    return [draw for draw in menu._dyn_ui_initialize() if draw.__module__.startswith(PACKAGE)]


def test_every_task_is_in_one_of_blenders_menus(extension: Extension) -> None:
    menus, offered = extension.module("menus"), extension.module("offered_tasks").offered()
    added, selected = rows(menus.MESHWRIGHT_MT_generate), rows(menus.MESHWRIGHT_MT_selected)
    tasks = {f"meshwright.{item.key}": item for item in offered}
    assert {name for name, item in tasks.items() if item.task.mesh_input is None} == set(added)
    assert {name for name, item in tasks.items() if item.task.mesh_input} == set(selected) & set(tasks)
    assert "meshwright.mark_as_asset" in selected
    labels = [item.label.casefold() for item in offered]
    for wanted in ("remesh", "generate parts", "texture"):
        assert any(wanted in label for label in labels), "the search goes by labels"


def test_the_menus_come_and_go_with_the_extension(extension: Extension) -> None:
    homes = (bpy.types.VIEW3D_MT_mesh_add, bpy.types.VIEW3D_MT_object, bpy.types.VIEW3D_MT_object_context_menu)
    words: list[str] = []
    for menu in homes:
        [draw] = entries(menu)
        draw(SimpleNamespace(layout=Layout(words)), bpy.context)
    assert words.count("MESHWRIGHT_MT_generate") == 1 and words.count("MESHWRIGHT_MT_selected") == 2
    addon_utils.disable(PACKAGE, default_set=True)
    assert not any(map(entries, homes)) and not _offered_keys()
    addon_utils.enable(PACKAGE, default_set=True)
    assert all(map(entries, homes))
    assert {f"meshwright.{item.key}" for item in extension.module("offered_tasks").offered()} == _offered_keys()


def _offered_keys() -> set[str]:
    configuration = bpy.context.window_manager.keyconfigs.addon
    keymap = configuration and configuration.keymaps.get("3D View")
    return {item.idname for item in keymap.keymap_items if item.idname.startswith("meshwright.")} if keymap else set()


def test_a_result_becomes_an_asset_with_its_provenance(extension: Extension, scene: bpy.types.Scene,
                                                       tmp_path: Path) -> None:
    extension.module("deliver").deliver(finished_job(tmp_path / "job"))
    root = bpy.data.objects["stool"]
    part = root.children[0]
    bpy.context.view_layer.objects.active = part
    assert bpy.ops.meshwright.mark_as_asset() == {"FINISHED"}
    home = part.users_collection[0]
    assert home.asset_data and not part.asset_data, "the whole result, with all of its parts"
    data = home.asset_data
    assert {tag.name for tag in data.tags} == {"Meshwright", "PartPacker", "Generate Parts"}
    assert data["meshwright_seed"] == 7 and data["meshwright_folder"] == "job" and data.license
    assert data.description == "stool"
    bpy.ops.meshwright.mark_as_asset()
    assert len(home.asset_data.tags) == 3
    if not bpy.app.background or home.preview:
        assert tuple(home.preview.image_size) != (0, 0)
    bpy.context.view_layer.objects.active = None
    assert not bpy.ops.meshwright.mark_as_asset.poll()
