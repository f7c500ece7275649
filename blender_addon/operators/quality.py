# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare with Decimate: for originals so large that it is not done without asking."""

import bpy

from ..deliver.provenance import FOLDER
from ..deliver.quality import compare
from ..deliver.quality.metrics import COMPONENTS
from ..history import job_folder
from ..preferences import jobs_folder
from .attempt import attempt


class MESHWRIGHT_OT_compare_with_decimate(bpy.types.Operator):
    """Decimate a copy of the original to the same face count and measure which is closer. Blender freezes meanwhile"""

    bl_idname = "meshwright.compare_with_decimate"
    bl_label = "Compare with Decimate"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        active = context.view_layer.objects.active
        if active is None or COMPONENTS not in active or FOLDER not in active:
            cls.poll_message_set("Select a remeshed object")
            return False
        return context.mode == "OBJECT"

    def execute(self, context: bpy.types.Context) -> set[str]:
        item = context.view_layer.objects.active
        return attempt(self, lambda: compare(item, job_folder(jobs_folder(), str(item[FOLDER]))))


CLASSES = (MESHWRIGHT_OT_compare_with_decimate,)
