# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether there is a Render Result: Blender has the image from the start, and does not say whether it is empty."""

import bpy

from .camera import STUDIO

_rendered = False


def has_render() -> bool:
    """Whether the artist rendered anything since this file was opened."""
    return _rendered or any(image.type == "RENDER_RESULT" and image.has_data for image in bpy.data.images)


def register() -> None:
    """Follow Blender's renders."""
    bpy.app.handlers.render_post.append(_note)
    bpy.app.handlers.load_post.append(_forget)


def unregister() -> None:
    """Follow them no longer."""
    bpy.app.handlers.render_post.remove(_note)
    bpy.app.handlers.load_post.remove(_forget)


@bpy.app.handlers.persistent
def _note(scene: bpy.types.Scene, *_: object) -> None:
    global _rendered
    _rendered = _rendered or not scene.name.startswith(STUDIO)


@bpy.app.handlers.persistent
def _forget(*_: object) -> None:
    global _rendered
    _rendered = False
