# SPDX-License-Identifier: GPL-3.0-or-later
"""A normal map from the original, for a result in its place."""

import bpy

from ..backend.contract import MeshwrightError
from ..deliver.baking import bake_normals
from ..deliver.provenance import ORIGINAL
from ..deliver.replacement import original_of
from ..translations import translated
from .attempt import attempt


class MESHWRIGHT_OT_bake_normals(bpy.types.Operator):
    """Bake the detail of the original into a normal map. Blender freezes until it is done"""

    bl_idname = "meshwright.bake_normals"
    bl_label = "Bake Normals from Original"
    bl_options = {"REGISTER", "UNDO"}

    size: bpy.props.EnumProperty(
        name="Size", description="Width and height of the map in pixels", default="1024",
        items=[(str(size), str(size), f"{size} x {size} pixels") for size in (512, 1024, 2048, 4096)])
    distance: bpy.props.FloatProperty(
        name="Distance", min=0.0, soft_max=1.0, precision=4,
        description="Distance outside the mesh at which rays start, before the scale of the object. 0 chooses it")

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        active = context.view_layer.objects.active
        if context.mode != "OBJECT" or active is None or active.type != "MESH" or ORIGINAL not in active:
            cls.poll_message_set("In Object Mode, select a result that replaced another mesh")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        def bake() -> None:
            low = context.view_layer.objects.active
            dense = original_of(low)
            if dense is None:
                raise MeshwrightError("The original no longer exists.",
                                      "It was deleted, or renamed in another session.",
                                      "Restore it under its old name.")
            image = bake_normals(low, dense, int(self.size), self.distance, context.scene, context.view_layer)
            self.report({"INFO"}, translated(f"Baked into {image.name}"))

        context.window_manager.progress_begin(0, 1)
        try:
            return attempt(self, bake)
        finally:
            context.window_manager.progress_end()


CLASSES = (MESHWRIGHT_OT_bake_normals,)
