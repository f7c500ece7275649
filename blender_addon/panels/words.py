# SPDX-License-Identifier: GPL-3.0-or-later
"""Text and room in the interface: Blender's labels do not wrap by themselves, and no button should need scrolling."""

import textwrap

import bpy

from ..translations import translated

UNIT = 20.0
"""Height of a button in pixels at the interface's scale 1."""
FEWEST = 10
"""Letters of a line in the narrowest sidebar."""
_CHARACTER = 6.0  # width in pixels of the interface font's wider words at scale 1, a letter
FIRST_WIDE, WIDE = "\u2e80", 2
"""From this letter on, those of China and Japan, letters are twice as wide."""
_MARGIN = 85  # what a box, its icon and the region's own border take


def wrapped(layout: bpy.types.UILayout, text: str, width: float, icon: str = "NONE", most: int | None = None) -> None:
    """Labels of whole words, in the artist's language, that fit into `width` pixels at the interface's scale 1.

    The first has the icon. Line breaks in the text stay. Of more than `most` lines the rest is left out.
    """
    wrapped_as_is(layout, translated(text), width, icon, most)


def wrapped_as_is(layout: bpy.types.UILayout, text: str, width: float, icon: str = "NONE",
                  most: int | None = None) -> None:
    """The same for what the artist wrote, which is not translated."""
    column = layout.column(align=True)
    column.scale_y = 0.8
    room = _characters(width) // (WIDE if any(letter >= FIRST_WIDE for letter in text) else 1)
    lines = [line for paragraph in text.splitlines() for line in textwrap.wrap(paragraph, room, break_on_hyphens=False)]
    if most is not None and len(lines) > most:
        lines = [*lines[:most - 1], f"{lines[most - 1][:room - 2]} …"]
    for line in lines:
        column.label(text=line, icon=icon, translate=False)
        icon = "NONE" if icon == "NONE" else "BLANK1"


def fits(text: str, width: float) -> bool:
    """Whether the text is one line that fits into a field in a region of that width."""
    return "\n" not in text and len(text) <= _characters(width)


def region_width(context: bpy.types.Context) -> float:
    """Width of the region that is drawn, in pixels at the interface's scale 1."""
    return float(context.region.width / context.preferences.system.ui_scale)


def rows(context: bpy.types.Context) -> float:
    """Height of the region that is drawn, in rows of buttons."""
    return float(context.region.height / context.preferences.system.ui_scale / UNIT)


def duration(seconds: float) -> str:
    """"45 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _characters(width: float) -> int:
    return max(FEWEST, int((width - _MARGIN) / _CHARACTER))
