# SPDX-License-Identifier: GPL-3.0-or-later
"""Using the caption of an object: as its name, as its asset description, as a prompt."""

import bpy

from ..deliver.caption import caption_of
from ..names import fitted
from ..offered_tasks import offered
from ..parameter_groups import property_names, text_property
from ..properties import group_of


class MESHWRIGHT_OT_use_caption(bpy.types.Operator):
    """Use the caption of the active object"""

    bl_idname = "meshwright.use_caption"
    bl_label = "Use Caption"
    bl_options = {"REGISTER", "UNDO"}

    use: bpy.props.EnumProperty(name="Use As", items=[
        ("NAME", "Name", "Rename the object"),
        ("DESCRIPTION", "Asset Description", "Describe the object in the Asset Browser; it becomes an asset"),
        ("PROMPT", "Prompt", "Write the caption into the prompts of all tasks"),
    ])

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        """The tooltip of the chosen use."""
        return str(properties.bl_rna.properties["use"].enum_items[properties.use].description)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        active = context.view_layer.objects.active
        if active is None or not caption_of(active):
            cls.poll_message_set("Select an object with a caption")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        active = context.view_layer.objects.active
        caption = caption_of(active)
        if self.use == "NAME":
            active.name = fitted(caption)
        elif self.use == "DESCRIPTION":
            active.asset_mark()
            active.asset_data.description = caption
        else:
            write_prompts(context.scene, caption)
        return {"FINISHED"}


def write_prompts(scene: bpy.types.Scene, words: str) -> None:
    """Put the words into every prompt: the multi-line texts that are blank until the artist writes something."""
    for item in offered():
        group, names = group_of(scene, item), property_names(item.task)
        for parameter in item.task.parameters:
            if parameter.multiline and parameter.default == "":
                setattr(group, names[parameter.name], words)
                setattr(group, text_property(item.task, parameter), None)


CLASSES = (MESHWRIGHT_OT_use_caption,)
