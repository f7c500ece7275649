# SPDX-License-Identifier: GPL-3.0-or-later
"""The active result as an asset."""

import bpy

from ..assets import mark_as_asset
from ..results import active_result
from ..translations import translated


class MESHWRIGHT_OT_mark_as_asset(bpy.types.Operator):
    """Offer this result in the Asset Browser, with a preview, tags and how it was made"""

    bl_idname = "meshwright.mark_as_asset"
    bl_label = "Mark as Asset"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if active_result(context) is None:
            cls.poll_message_set("Select a result of Meshwright")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        result = active_result(context)
        assert result is not None, "poll has asked for it"
        self.report({"INFO"}, translated(f"{mark_as_asset(result).name} is an asset now"))
        return {"FINISHED"}


CLASSES = (MESHWRIGHT_OT_mark_as_asset,)
