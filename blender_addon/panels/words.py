# SPDX-License-Identifier: GPL-3.0-or-later
"""Text in the interface: Blender's labels do not wrap by themselves."""

import textwrap

import bpy

_CHARACTER = 6.0  # width in pixels of the interface font's wider words at scale 1, a letter
_MARGIN = 85  # what a box, its icon and the region's own border take


def wrapped(layout: bpy.types.UILayout, text: str, width: float, icon: str = "NONE") -> None:
    """Labels of whole words that fit into `width` pixels at the interface's scale 1; the first has the icon."""
    column = layout.column(align=True)
    column.scale_y = 0.8
    for line in textwrap.wrap(text, max(20, int((width - _MARGIN) / _CHARACTER)), break_on_hyphens=False):
        column.label(text=line, icon=icon)
        icon = "NONE" if icon == "NONE" else "BLANK1"


def region_width(context: bpy.types.Context) -> float:
    """Width of the region that is drawn, in pixels at the interface's scale 1."""
    return context.region.width / context.preferences.system.ui_scale


def duration(seconds: float) -> str:
    """"45 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
