# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the contract become operator reports, in one place."""

from collections.abc import Callable

import bpy

from ..backend.contract import MeshwrightError
from ..translations import translated


def attempt(operator: bpy.types.Operator, action: Callable[[], object]) -> set[str]:
    """Run the action: {'FINISHED'}, or {'CANCELLED'} with the error reported in the artist's words."""
    try:
        action()
    except MeshwrightError as error:
        operator.report({"ERROR"}, translated(str(error)))
        return {"CANCELLED"}
    return {"FINISHED"}
