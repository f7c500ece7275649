# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab's first panel: what is missing to begin with, then image and place."""

import bpy

from ..preferences import backend_complaint, runs_in_process
from ..properties import settings_of
from ..setup.operators import online_complaint, runtime_state
from .words import region_width, wrapped

PREVIEW_SCALE = 7.0


class SidebarPanel:
    """Where all of Meshwright's panels are."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Meshwright"


class MESHWRIGHT_PT_main(SidebarPanel, bpy.types.Panel):
    bl_label = "Meshwright"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        if complaint := backend_complaint():
            _draw_first_run(layout, context, complaint)
        settings = settings_of(context.scene)
        layout.template_ID(settings, "image", open="image.open")
        if settings.image is not None:
            preview = settings.image.preview_ensure()
            layout.template_icon(preview.icon_id, scale=PREVIEW_SCALE)
        row = layout.row(align=True)
        row.operator("meshwright.capture_view", text="Camera", icon="CAMERA_DATA")
        row.operator("meshwright.use_render_result", text="Render", icon="RENDER_RESULT")
        row.operator("meshwright.paste_image", text="Paste", icon="PASTEDOWN")
        _draw_place(layout, settings)


def _draw_first_run(layout: bpy.types.UILayout, context: bpy.types.Context, complaint: str) -> None:
    box = layout.box()
    if runs_in_process():
        wrapped(box, complaint, region_width(context), "ERROR")
        box.operator("meshwright.open_preferences", icon="PREFERENCES")
        return
    wrapped(box, "Meshwright computes in a Python of its own, which is not set up yet.", region_width(context), "INFO")
    installation = runtime_state().installation
    if installation is not None:
        box.progress(factor=installation.fraction, text=installation.words)
        box.operator("meshwright.cancel_runtime", icon="X")
        return
    column = box.column()
    column.scale_y = 1.4
    column.operator("meshwright.install_runtime", icon="IMPORT")
    wrapped(box, online_complaint(bpy.app.online_access, bpy.app.online_access_override), region_width(context))
    box.operator("meshwright.open_preferences", text="Choose a Python or a Folder…", icon="PREFERENCES")


def _draw_place(layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup) -> None:
    column = layout.column()
    column.use_property_split, column.use_property_decorate = True, False
    column.prop(settings, "subject")
    column.prop(settings, "placement")
    row = column.row()
    row.enabled = settings.placement == "CURSOR"
    row.prop(settings, "size")


CLASSES = (MESHWRIGHT_PT_main,)
