# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding the scene, hiding, selecting: data operations only, no operators and no selection juggling."""

from collections.abc import Iterable

import bpy

from ..delivery_note import DeliveryNote


def blocked() -> str:
    """Why nothing may be put into the scene at the moment, or "": the queue waits and tries again."""
    if rendering():
        return "Waiting for the render to end"
    if bpy.context.mode != "OBJECT":
        return "Waiting for Object Mode"
    return ""


def rendering() -> bool:
    """Whether a render runs, which reads the scene meanwhile."""
    return bool(bpy.app.is_job_running("RENDER"))


def scene_of(note: DeliveryNote) -> tuple[bpy.types.Scene, tuple[str, ...]]:
    """The note's scene, or the current one with a remark."""
    wanted = note.scene and note.scene.find(bpy.data.scenes)
    if note.scene and wanted is None:
        return bpy.context.scene, (f"The scene {note.scene.name} no longer exists. The result is in this scene.",)
    return wanted or bpy.context.scene, ()


def view_layer_of(scene: bpy.types.Scene) -> bpy.types.ViewLayer:
    """The view layer that the artist looks at, when it is this scene's, else the scene's first."""
    current = bpy.context.view_layer
    return current if bpy.context.scene == scene and current else scene.view_layers[0]


def hide(objects: Iterable[bpy.types.Object], view_layer: bpy.types.ViewLayer) -> None:
    """Hide in the viewport and in renders; nothing is deleted."""
    for item in objects:
        item.hide_render = True
        if item.name in view_layer.objects:
            item.hide_set(True, view_layer=view_layer)


def unhide(objects: Iterable[bpy.types.Object], view_layer: bpy.types.ViewLayer) -> None:
    """The reverse of `hide`."""
    for item in objects:
        item.hide_render = False
        if item.name in view_layer.objects:
            item.hide_set(False, view_layer=view_layer)


def hide_superseded(note: DeliveryNote, view_layer: bpy.types.ViewLayer) -> None:
    """Hide the earlier result that this one replaces."""
    earlier = note.superseded and note.superseded.find(bpy.data.objects)
    if earlier:
        hide([earlier, *earlier.children_recursive], view_layer)


def hide_targets(note: DeliveryNote, view_layer: bpy.types.ViewLayer) -> None:
    """Hide the objects that the result stands for, those that still exist."""
    hide(filter(None, (target.reference.find(bpy.data.objects) for target in note.targets)), view_layer)


def select_only(objects: Iterable[bpy.types.Object], active: bpy.types.Object,
                view_layer: bpy.types.ViewLayer) -> None:
    """Select these objects and no others, with one of them active."""
    for item in list(view_layer.objects.selected):
        item.select_set(False, view_layer=view_layer)
    for item in objects:
        item.select_set(True, view_layer=view_layer)
    view_layer.objects.active = active


def push_undo(message: str) -> None:
    """One undo step. A timer has no window in its context, and the undo system asks for one."""
    windows = bpy.context.window_manager.windows
    with bpy.context.temp_override(window=bpy.context.window or (windows[0] if windows else None)):
        bpy.ops.ed.undo_push(message=message)
