# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding the scene, hiding, selecting: data operations only, no operators and no selection juggling."""

from collections.abc import Iterable, Sequence

import bpy

from ..delivery_note import DeliveryNote

HOLDING = {"UNDO", "UNDO_GROUPED", "BLOCKING", "GRAB_CURSOR", "GRAB_CURSOR_X", "GRAB_CURSOR_Y"}
"""Options of a modal operator that has the artist's hand: an undo step in the middle of it would make it final. Others,
of add-ons that only watch the keyboard, run all day."""

_last_step = ("", 0)


def blocked() -> str:
    """Why nothing may be put into the scene at the moment, or "": the queue waits and tries again."""
    if rendering():
        return "Waiting for the render to end"
    if running := modal_operator():
        return f"Waiting for {running} to end"
    if edited():
        return "Waiting for Object Mode"
    return ""


def modal_operator() -> str:
    """The name of a modal operator that has the artist's hand now, or ""; Blender 4.2 and newer report them."""
    for window in bpy.context.window_manager.windows:
        for running in getattr(window, "modal_operators", ()):
            if running.bl_options & HOLDING:
                return str(running.bl_label)
    return ""


def edited() -> bool:
    """Whether any window is in another mode than Object Mode."""
    actives = [window.view_layer.objects.active for window in bpy.context.window_manager.windows]
    return bpy.context.mode != "OBJECT" or any(item is not None and item.mode != "OBJECT" for item in actives)


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


def selected(view_layer: bpy.types.ViewLayer) -> tuple[list[bpy.types.Object], bpy.types.Object | None]:
    """The selected objects of the view layer, and its active one."""
    listed = [item for item in view_layer.objects.selected if item]  # None for one that was just removed
    return listed, view_layer.objects.active


def hand_on_selection(before: tuple[list[bpy.types.Object], bpy.types.Object | None],
                      shown: Sequence[bpy.types.Object], view_layer: bpy.types.ViewLayer) -> None:
    """Keep the artist's selection: only what took the place of selected objects, which are hidden now, is selected.

    `before` is what `selected` returned before the delivery. Where nothing was selected or active, `shown` is.
    """
    items, active = before
    if any(item.hide_get(view_layer=view_layer) for item in items) or not (items or active):
        for item in shown:
            item.select_set(True, view_layer=view_layer)
    if active is None or active.hide_get(view_layer=view_layer):
        view_layer.objects.active = shown[0]


def select_only(objects: Iterable[bpy.types.Object], active: bpy.types.Object,
                view_layer: bpy.types.ViewLayer) -> None:
    """Select these objects and no others, with one of them active."""
    for item in list(view_layer.objects.selected):
        item.select_set(False, view_layer=view_layer)
    for item in objects:
        item.select_set(True, view_layer=view_layer)
    view_layer.objects.active = active


def push_undo(message: str, job: str = "") -> None:
    """One undo step, perhaps a job's result. A timer has no window in its context, and the undo system asks for one."""
    global _last_step
    windows = bpy.context.window_manager.windows
    with bpy.context.temp_override(window=bpy.context.window or (windows[0] if windows else None)):
        bpy.ops.ed.undo_push(message=message)
    _last_step = job, _last_operator()


def nothing_since(job: str) -> bool:
    """Whether the artist has done nothing that Blender keeps a record of since this job's result came."""
    return _last_step == (job, _last_operator())


def _last_operator() -> int:
    operators = bpy.context.window_manager.operators
    return int(operators[-1].as_pointer()) if operators else 0
