# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel edits: `Scene.meshwright`, saved with the file."""

import bpy

from .backend.contract import MAXIMUM_SEED
from .capture.thumbnail import make_thumbnail
from .parameter_groups import GROUPS

NAME = "meshwright"


def _show_image(settings: bpy.types.PropertyGroup, _context: bpy.types.Context) -> None:
    if settings.image is not None:
        make_thumbnail(settings.image)


class MESHWRIGHT_PG_settings(bpy.types.PropertyGroup):
    """The settings of a scene; the options of each task stand in a group of the task's name."""

    __annotations__ = {name: bpy.props.PointerProperty(type=group) for name, group in GROUPS.items()} | {
        "image": bpy.props.PointerProperty(
            name="Image", type=bpy.types.Image, update=_show_image,
            description="An image of one object, on transparent or plain ground"),
        "subject": bpy.props.StringProperty(
            name="Name", description="What the parts are named after. Empty: the image's or the object's name"),
        "prompt": bpy.props.StringProperty(name="Prompt", description="What it shall look like, in words"),
        "use_image": bpy.props.BoolProperty(
            name="Use Image", description="Let the image chosen above lead as well, or alone without a prompt"),
        "seed": bpy.props.IntProperty(
            name="Seed", min=0, max=MAXIMUM_SEED, description="The same seed and image give the same result"),
        "random_seed": bpy.props.BoolProperty(
            name="Random", description="Take another seed with each press of the button"),
        "size": bpy.props.FloatProperty(
            name="Size", default=1.0, min=0.001, soft_max=10.0, unit="LENGTH", subtype="DISTANCE",
            description="The result's largest extent"),
        "placement": bpy.props.EnumProperty(
            name="Place", description="Where the result goes", items=[
                ("CURSOR", "At the 3D Cursor", "Standing on the 3D cursor, at the given size"),
                ("SELECTED", "In the Selected Object", "Fitted into the bounds of what is selected"),
            ]),
        "mesh_source": bpy.props.EnumProperty(
            name="Mesh", description="Which form of the selected mesh is taken", items=[
                ("EVALUATED", "With Modifiers", "The mesh as it is seen"),
                ("BASE", "Without Modifiers", "The mesh as it is edited"),
            ]),
        "keep_materials": bpy.props.BoolProperty(
            name="Materials", default=True,
            description="Give each new face the material of the original's nearest face. Off: one plain material"),
        "keep_uvs": bpy.props.BoolProperty(
            name="UV Maps",
            description="Take the original's UV maps over from its nearest faces, so that its textures fit. "
                        "Seams that no new edge follows are drawn out"),
        "keep_weights": bpy.props.BoolProperty(
            name="Vertex Groups",
            description="Take the original's vertex groups and their weights over from its nearest faces, for an "
                        "Armature modifier of your own. Take the mesh without modifiers then"),
        "paint_scope": bpy.props.EnumProperty(
            name="Paint", description="What gets the new texture; the rest keeps its look", items=[
                ("OBJECT", "Whole Objects", "Every material slot of the selected objects"),
                ("SLOT", "Active Material Slot", "The faces of each object's active material slot"),
                ("FACES", "Selected Faces", "The faces selected in Edit Mode, blended into the rest at their border"),
                ("VIEW", "What This View Shows", "The faces that this 3D viewport shows, taken for the front and "
                 "blended into the rest at their border"),
            ]),
        "paint_uvs": bpy.props.EnumProperty(
            name="UV Map", description="Where the texture lies. Maps that are there are never touched", items=[
                ("AUTO", "The Object's Own", "The active UV map; a new one only where it is missing or faces overlap"),
                ("NEW", "A New One", "A new UV map by Smart UV Project"),
            ]),
    }


def settings_of(scene: bpy.types.Scene) -> MESHWRIGHT_PG_settings:
    """The scene's settings."""
    return getattr(scene, NAME)


CLASSES = (MESHWRIGHT_PG_settings,)


def register() -> None:
    """Attach the settings to scenes."""
    setattr(bpy.types.Scene, NAME, bpy.props.PointerProperty(type=MESHWRIGHT_PG_settings))


def unregister() -> None:
    """Take the settings away from scenes; a file keeps what it saved."""
    delattr(bpy.types.Scene, NAME)
