# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the contract become operator reports, in one place."""

from collections.abc import Callable

import bpy

from ..backend.contract import MeshwrightError
from ..translations import translated


def has_window(cls: type[bpy.types.Operator], context: bpy.types.Context) -> bool:
    """For a poll: whether there is a window to open an editor in; else the button says that there is none."""
    if context.window is None:
        cls.poll_message_set("Blender runs without a window")
    return context.window is not None


def attempt(operator: bpy.types.Operator, action: Callable[[], object]) -> set[str]:
    """Run the action: {'FINISHED'}, or {'CANCELLED'} with the error reported in the artist's words."""
    try:
        action()
    except MeshwrightError as error:
        operator.report({"ERROR"}, translated(str(error)))
        return {"CANCELLED"}
    return {"FINISHED"}
