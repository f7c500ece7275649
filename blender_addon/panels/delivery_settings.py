# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings that depend on where a task's result goes, and on nothing else of the task."""

from collections.abc import Callable

import bpy

from ..backend.contract import Delivery
from ..offered_tasks import OfferedTask


def draw_delivery_settings(layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup,
                           offered: OfferedTask) -> None:
    """What can be chosen for the task's delivery; the same choice for all tasks that share it."""
    if draw := _DRAWN.get(offered.task.delivery):
        draw(layout, settings, offered)


def draw_scope(layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup, offered: OfferedTask) -> None:
    """Which faces the task works on, where it can work on some."""
    if offered.task.mesh_input and "selection" in offered.task.mesh_input.needs:
        column = layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        column.prop(settings, "paint_scope")


def _draw_place(layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup, _offered: OfferedTask) -> None:
    column = layout.column()
    column.use_property_split, column.use_property_decorate = True, False
    column.prop(settings, "placement")
    row = column.row()
    row.enabled = settings.placement == "CURSOR"
    row.prop(settings, "size")
    for name in ("keep_clear", "select_result", "frame_result"):
        column.prop(settings, name)


def _draw_transfer(layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup, _offered: OfferedTask) -> None:
    header, body = layout.panel("meshwright_transfer", default_closed=True)
    header.label(text="Keep from Original")
    if body is not None:
        for name in ("keep_materials", "keep_uvs", "keep_weights"):
            body.prop(settings, name)


def _draw_paint(layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup, _offered: OfferedTask) -> None:
    column = layout.column()
    column.use_property_split, column.use_property_decorate = True, False
    column.prop(settings, "paint_uvs")


_DRAWN: dict[Delivery, Callable[[bpy.types.UILayout, bpy.types.PropertyGroup, OfferedTask], None]] = {
    "object": _draw_place, "parts": _draw_place, "replace": _draw_transfer, "material": _draw_paint,
}
