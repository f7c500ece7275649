# SPDX-License-Identifier: GPL-3.0-or-later
"""The license gate before a download."""

import bpy

from ..backend.pipelines import registry
from ..panels.words import wrapped
from ..preferences import backend_complaint
from ..submission import submit_download
from .attempt import attempt

DIALOG_WIDTH = 460


class MESHWRIGHT_OT_download_weights(bpy.types.Operator):
    """Show the license of these weights and, once it is accepted, download them"""

    bl_idname = "meshwright.download_weights"
    bl_label = "Download Weights"
    bl_options = {"INTERNAL"}

    pipeline: bpy.props.StringProperty(options={"SKIP_SAVE", "HIDDEN"})
    weights: bpy.props.StringProperty(options={"SKIP_SAVE", "HIDDEN"})
    accept: bpy.props.BoolProperty(
        name="I have read the license and accept it", options={"SKIP_SAVE"},
        description="Nothing is downloaded without this",
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        reason = backend_complaint()
        if not reason and not bpy.app.online_access:
            reason = ("Blender was started offline" if bpy.app.online_access_override
                      else "Allow Online Access in Preferences, System first")
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_props_dialog(self, width=DIALOG_WIDTH, confirm_text="Download")

    def draw(self, context: bpy.types.Context) -> None:
        spec = registry.spec(self.pipeline)
        weights = spec.weight_set(self.weights)
        license, column = weights.license, self.layout.column(align=True)
        column.label(text=f"{spec.label} · {weights.label}: {license.name}")
        wrapped(column, license.text, DIALOG_WIDTH)
        facts = self.layout.column(align=True)
        facts.label(text=f"Commercial use: {'yes' if license.commercial_use else 'no'}",
                    icon="CHECKMARK" if license.commercial_use else "CANCEL")
        facts.label(text=f"Territory: {license.territory}", icon="WORLD")
        facts.label(text=f"Download: {weights.gigabytes:g} GB · GPU memory: about {weights.memory_gib:g} GiB",
                    icon="IMPORT")
        facts.operator("wm.url_open", text="Read the whole license", icon="URL").url = license.url
        self.layout.prop(self, "accept")

    def execute(self, context: bpy.types.Context) -> set[str]:
        if not self.accept:
            self.report({"WARNING"}, "The license was not accepted: nothing is downloaded")
            return {"CANCELLED"}
        spec = registry.spec(self.pipeline)
        weights = spec.weight_set(self.weights)
        return attempt(self, lambda: submit_download(spec, weights, weights.license.name))


CLASSES = (MESHWRIGHT_OT_download_weights,)
