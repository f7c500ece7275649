# SPDX-License-Identifier: GPL-3.0-or-later
"""What the artist chose to see of the history. It belongs to the window, not to the file."""

from collections.abc import Callable

import bpy

NAME = "meshwright_history"
PAGE = 6
"""Cards on a page."""


_show: Callable[[], None]


def _changed(chosen: bpy.types.PropertyGroup, _context: bpy.types.Context) -> None:
    if chosen.page != 1:
        chosen["page"] = 1
    _show()


def _turned(_chosen: bpy.types.PropertyGroup, _context: bpy.types.Context) -> None:
    _show()


class MESHWRIGHT_PG_history(bpy.types.PropertyGroup):
    """Filter, page, and the two jobs that are compared, by their folders' names."""

    search: bpy.props.StringProperty(
        name="Search", description="Show jobs with these words in their name, task or prompt", update=_changed,
        options={"TEXTEDIT_UPDATE"})
    kind: bpy.props.EnumProperty(name="Show", update=_changed, description="Which jobs to show", items=[
        ("RESULTS", "Results", "Jobs with a result for the scene"),
        ("UNSEEN", "Not Seen Yet", "Results that were never in a scene"),
        ("FAILED", "Failed", "Jobs that failed or were cancelled"),
        ("ALL", "All", "Every job"),
    ])
    page: bpy.props.IntProperty(name="Page", min=1, default=1, description="Page of the history", update=_turned)
    first: bpy.props.StringProperty(options={"HIDDEN"})
    second: bpy.props.StringProperty(options={"HIDDEN"})


CLASSES = (MESHWRIGHT_PG_history,)


def settings() -> bpy.types.PropertyGroup:
    """What is chosen now."""
    return getattr(bpy.context.window_manager, NAME)


def register(show: Callable[[], None]) -> None:
    """Attach the settings to the window manager. `show` is called when they change."""
    global _show
    _show = show
    setattr(bpy.types.WindowManager, NAME, bpy.props.PointerProperty(type=MESHWRIGHT_PG_history))


def unregister() -> None:
    """Take them away."""
    delattr(bpy.types.WindowManager, NAME)
