# SPDX-License-Identifier: GPL-3.0-or-later
"""The tasks in Blender's own menus, drawn from the specs, which is where the search (F3) finds them too."""

from collections.abc import Callable, Iterable
from pathlib import Path

import bpy
import bpy.utils.previews

from . import offered_tasks
from .offered_tasks import OfferedTask

_ICON = "meshwright"
_icons: bpy.utils.previews.ImagePreviewCollection | None = None


class MESHWRIGHT_MT_generate(bpy.types.Menu):
    bl_label = "Meshwright"

    def draw(self, _context: bpy.types.Context) -> None:
        _draw_tasks(self.layout, (item for item in offered_tasks.offered() if item.task.mesh_input is None))


class MESHWRIGHT_MT_selected(bpy.types.Menu):
    bl_label = "Meshwright"

    def draw(self, _context: bpy.types.Context) -> None:
        layout = self.layout
        _draw_tasks(layout, (item for item in offered_tasks.offered() if item.task.mesh_input is not None))
        layout.separator()
        for name in ("refine_from_view", "compare_material_variants", "run_again", "reroll", "mark_as_asset"):
            layout.operator(f"meshwright.{name}")


def register() -> None:
    """Add the entries to Blender's menus."""
    global _icons
    _icons = bpy.utils.previews.new()
    _icons.load(_ICON, str(Path(__file__).with_name("icon.png")), "IMAGE")
    for menu, draw in _entries():
        menu.append(draw)


def unregister() -> None:
    """Take them out again."""
    global _icons
    for menu, draw in _entries():
        menu.remove(draw)
    bpy.utils.previews.remove(_icons)
    _icons = None


def _entries() -> tuple[tuple[type[bpy.types.Menu], Callable[..., None]], ...]:
    return ((bpy.types.VIEW3D_MT_mesh_add, _draw_generate), (bpy.types.VIEW3D_MT_object, _draw_selected),
            (bpy.types.VIEW3D_MT_object_context_menu, _draw_selected))


def _draw_generate(menu: bpy.types.Menu, _context: bpy.types.Context) -> None:
    _draw_entry(menu.layout, MESHWRIGHT_MT_generate)


def _draw_selected(menu: bpy.types.Menu, _context: bpy.types.Context) -> None:
    _draw_entry(menu.layout, MESHWRIGHT_MT_selected)


def _draw_entry(layout: bpy.types.UILayout, menu: type[bpy.types.Menu]) -> None:
    layout.separator()
    assert _icons is not None, "entries are drawn while they are registered"
    layout.menu(menu.__name__, icon_value=_icons[_ICON].icon_id)


def _draw_tasks(layout: bpy.types.UILayout, tasks: Iterable[OfferedTask]) -> None:
    for offered in tasks:
        layout.operator(f"meshwright.{offered.key}")


CLASSES = (MESHWRIGHT_MT_generate, MESHWRIGHT_MT_selected)
