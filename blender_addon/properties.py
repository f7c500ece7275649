# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panels edit: `Scene.meshwright`, saved with the file."""

import zlib
from collections.abc import Iterable, Mapping, Sequence

import bpy

from .backend.contract import MAXIMUM_SEED, InputSpec
from .offered_tasks import OfferedTask, blender_icon, identifier, offered
from .parameter_groups import image_property, property_names

NAME = "meshwright"
IMAGES, TASK = "images", "task"
_SHARED: Mapping[str, object] = {
    "subject": bpy.props.StringProperty(
        name="Name", description="Name of the result. Empty: the name of the image or of the object"),
    "seed": bpy.props.IntProperty(
        name="Seed", min=0, max=MAXIMUM_SEED, description="The same seed and inputs give the same result"),
    "random_seed": bpy.props.BoolProperty(name="Random Seed", description="Use another seed for each job"),
    "size": bpy.props.FloatProperty(
        name="Size", default=1.0, min=0.001, soft_max=10.0, unit="LENGTH", subtype="DISTANCE",
        description="Largest dimension of the result"),
    "placement": bpy.props.EnumProperty(
        name="Place", description="Where the result is placed", items=[
            ("CURSOR", "At the 3D Cursor", "Standing on the 3D cursor, at the given size"),
            ("SELECTED", "In the Selection", "Fitted into the bounds of the selected objects"),
        ]),
    "keep_clear": bpy.props.BoolProperty(
        name="Keep Clear", default=True,
        description="Place the result next to objects that stand at the 3D cursor, instead of inside them"),
    "select_result": bpy.props.BoolProperty(
        name="Select Result", description="Select the result when it arrives. Off: your selection stays as it is"),
    "frame_result": bpy.props.BoolProperty(
        name="Frame Result", description="Turn the 3D viewports to the result when it arrives"),
    "mesh_source": bpy.props.EnumProperty(
        name="Mesh", description="Which version of the mesh to use", items=[
            ("EVALUATED", "With Modifiers", "The mesh as the viewport shows it"),
            ("BASE", "Without Modifiers", "The mesh as it is edited"),
        ]),
    "keep_materials": bpy.props.BoolProperty(
        name="Materials", default=True,
        description="Give each new face the material of the nearest face of the original. Off: one plain material"),
    "keep_uvs": bpy.props.BoolProperty(
        name="UV Maps",
        description="Copy the UV maps from the nearest faces of the original, so that its textures fit. "
                    "UVs may stretch across old seams"),
    "keep_weights": bpy.props.BoolProperty(
        name="Vertex Groups",
        description="Copy the vertex groups and their weights from the nearest faces of the original, for an "
                    "Armature modifier of your own. Use the mesh without modifiers then"),
    "paint_scope": bpy.props.EnumProperty(
        name="Paint", description="What gets the new texture; the rest keeps its material", items=[
            ("OBJECT", "Whole Objects", "Every material slot of the selected objects"),
            ("SLOT", "Active Material Slot", "The faces of each object's active material slot"),
            ("FACES", "Selected Faces", "The faces selected in Edit Mode, fading out just beyond their border"),
            ("VIEW", "Visible Faces", "The faces that this 3D viewport shows, painted from this view, fading out "
             "just beyond their border"),
        ]),
    "paint_uvs": bpy.props.EnumProperty(
        name="UV Map", description="UV map of the texture. Existing maps are never changed", items=[
            ("AUTO", "Active", "The active UV map; a new one only where it is missing or faces overlap"),
            ("NEW", "New", "A new UV map by Smart UV Project"),
        ]),
}
"""Settings that several tasks share."""
RESERVED = frozenset({*_SHARED, IMAGES, TASK, *dir(bpy.types.PropertyGroup)})


def settings_of(scene: bpy.types.Scene) -> bpy.types.PropertyGroup:
    """The scene's settings."""
    return getattr(scene, NAME)


def chosen_task(scene: bpy.types.Scene) -> OfferedTask:
    """The task that the tab shows; the first one where the file names one that there is no more."""
    key = getattr(settings_of(scene), TASK)
    return next((item for item in offered() if item.key == key), offered()[0])


def choose_task(scene: bpy.types.Scene, task: OfferedTask) -> None:
    """Have the tab show this task."""
    setattr(settings_of(scene), TASK, task.key)


def group_of(scene: bpy.types.Scene, offered: OfferedTask) -> bpy.types.PropertyGroup:
    """The scene's settings of one task."""
    return getattr(settings_of(scene), offered.key)


def image_path(offered: OfferedTask, wanted: InputSpec) -> str:
    """Where the image of a slot is kept, as a path from the scene's settings.

    Required images of one name are the same image for all tasks; an optional one belongs to its task.
    """
    if wanted.required:
        return f"{IMAGES}.{_image_property_name(wanted)}"
    return f"{offered.key}.{property_names(offered.task)[wanted.name]}"


def image_at(scene: bpy.types.Scene, path: str) -> bpy.types.Image | None:
    """The image at the path that `image_path` gave."""
    owner, _, name = path.partition(".")
    return getattr(getattr(settings_of(scene), owner), name)


def set_image(scene: bpy.types.Scene, path: str, image: bpy.types.Image | None) -> None:
    """Choose the image at the path that `image_path` gave."""
    owner, _, name = path.partition(".")
    setattr(getattr(settings_of(scene), owner), name, image)


def mask_path(offered: OfferedTask, wanted: InputSpec) -> str:
    """Where the mask of an image slot is kept, "" where the task takes none: that of "image" is "mask", of any other
    the one with its name and "_mask"."""
    name = "mask" if wanted.name == "image" else f"{wanted.name}_mask"
    mask = next((slot for slot in offered.task.inputs if slot.name == name and slot.kind == "image"), None)
    return image_path(offered, mask) if mask else ""


def settings_classes(groups: Mapping[OfferedTask, type[bpy.types.PropertyGroup]]) -> tuple[type, type]:
    """The class of the images that tasks share, and that of all settings, which holds the groups of the tasks."""
    wanted = {_image_property_name(slot): slot for offered in groups for slot in reversed(offered.task.inputs)
              if slot.kind == "image" and slot.required}
    images = type("MESHWRIGHT_PG_images", (bpy.types.PropertyGroup,), {"__annotations__": {
        name: image_property(name, slot.label, slot.description) for name, slot in wanted.items()}})
    settings = type("MESHWRIGHT_PG_settings", (bpy.types.PropertyGroup,), {"__annotations__": {
        **_SHARED, TASK: _task_property(groups), IMAGES: bpy.props.PointerProperty(type=images),
        **{offered.key: bpy.props.PointerProperty(type=group) for offered, group in groups.items()}}})
    return images, settings


def attach(settings: type[bpy.types.PropertyGroup]) -> None:
    """Give every scene settings of this class."""
    setattr(bpy.types.Scene, NAME, bpy.props.PointerProperty(type=settings))


def detach() -> None:
    """Take the settings away from scenes; a file keeps what it saved."""
    delattr(bpy.types.Scene, NAME)


def image_slots(tasks: Sequence[OfferedTask]) -> dict[str, InputSpec]:
    """Every image slot of these tasks by its path, in their order."""
    return {image_path(offered, wanted): wanted for offered in tasks for wanted in offered.task.inputs
            if wanted.kind == "image"}


def _task_property(tasks: Iterable[OfferedTask]) -> object:
    """Files keep the number of the choice: it depends on the task's key alone."""
    items = [(item.key, item.label, item.task.description, blender_icon(item.task), zlib.crc32(item.key.encode()) >> 1)
             for item in tasks]
    return bpy.props.EnumProperty(name="Task", description="What to do", items=items)


def _image_property_name(wanted: InputSpec) -> str:
    name = identifier(wanted.name)
    return f"{name}_" if name in dir(bpy.types.PropertyGroup) else name
