# SPDX-License-Identifier: GPL-3.0-or-later
"""What happened to a captured object since, as far as its result depends on it."""

import bpy

from ..capture.state import shape_checksum
from ..delivery_note import Target


def changes_since(target: Target, item: bpy.types.Object) -> list[str]:
    """What the artist should read with a result of the shape that was captured; nothing for an unchanged mesh."""
    if not target.shape or item.type != "MESH" or shape_checksum(item.data) == target.shape:
        return []
    return [f"{item.name} was edited since. The result is of its earlier shape, where it stood then."]
