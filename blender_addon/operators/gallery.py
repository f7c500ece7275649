# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done in the history's gallery."""

import bpy

from .. import history
from ..backend.contract import MeshwrightError
from ..earlier_settings import use_settings
from ..gallery import comparison, state
from ..gallery.page import settings
from ..preferences import jobs_folder, jobs_limits
from ..translations import translated
from .attempt import attempt
from .earlier import EarlierOperator


class MESHWRIGHT_OT_use_settings(EarlierOperator, bpy.types.Operator):
    """Set the task's weights, parameters and seed as this job had them"""

    bl_idname = "meshwright.use_settings"
    bl_label = "Use These Settings"
    bl_options = {"INTERNAL", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        def use() -> None:
            folder = history.job_folder(jobs_folder(), self.folder)
            if not folder.path.is_dir():
                raise MeshwrightError("The job of this result no longer exists.", "Its folder was deleted.",
                                      "Choose the settings in the panel.")
            offered = use_settings(context.scene, folder.read_request())
            self.report({"INFO"}, translated(f"Settings copied to {offered.label}"))
        return attempt(self, use)


class MESHWRIGHT_OT_pick_for_comparison(EarlierOperator, bpy.types.Operator):
    """Compare this result with another one, or take it out of the comparison"""

    bl_idname = "meshwright.pick_for_comparison"
    bl_label = "Compare"

    def execute(self, context: bpy.types.Context) -> set[str]:
        comparison.pick(self.folder)
        state.show()
        return {"FINISHED"}


class MESHWRIGHT_OT_show_compared(EarlierOperator, bpy.types.Operator):
    """Show this result in the scene and hide the other one"""

    bl_idname = "meshwright.show_compared"
    bl_label = "Show in Scene"
    other: bpy.props.StringProperty(options={"SKIP_SAVE", "HIDDEN"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, lambda: comparison.show_instead(self.folder, self.other, context.scene))


class MESHWRIGHT_OT_turn_history_page(bpy.types.Operator):
    """Turn the page of the history"""

    bl_idname = "meshwright.turn_history_page"
    bl_label = "Turn Page"
    bl_options = {"INTERNAL"}
    pages: bpy.props.IntProperty(default=1, options={"SKIP_SAVE", "HIDDEN"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings().page = min(max(state.number() + self.pages, 1), state.pages())
        return {"FINISHED"}


class MESHWRIGHT_OT_prune_history(bpy.types.Operator):
    """Delete the oldest jobs. Results that were never in a scene are kept"""

    bl_idname = "meshwright.prune_history"
    bl_label = "Delete Old Jobs"
    bl_options = {"INTERNAL"}
    gigabytes: bpy.props.FloatProperty(name="Keep at Most (GB)", min=0.0, description="0: no limit", precision=1)
    days: bpy.props.IntProperty(name="Keep for (Days)", min=0, description="0: no limit")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        limits = jobs_limits()
        self.gigabytes, self.days = limits.bytes / 1e9, int(limits.days)
        return context.window_manager.invoke_props_dialog(self, confirm_text="Delete")

    def execute(self, context: bpy.types.Context) -> set[str]:
        gone = state.prune(self.gigabytes * 1e9, self.days)
        freed = sum(card.bytes for card in gone) / 1e6
        self.report({"INFO"}, f"{len(gone)} {'job' if len(gone) == 1 else 'jobs'} deleted, {freed:.1f} MB"
                    if gone else "No job is beyond these limits")
        return {"FINISHED"}


CLASSES = (MESHWRIGHT_OT_use_settings, MESHWRIGHT_OT_pick_for_comparison, MESHWRIGHT_OT_show_compared,
           MESHWRIGHT_OT_turn_history_page, MESHWRIGHT_OT_prune_history)
