# SPDX-License-Identifier: GPL-3.0-or-later
"""One Principled material a part, in the palette's color."""

import bpy

from ..names import fitted

NEUTRAL = (0.8, 0.8, 0.8)


def linear(channel: float) -> float:
    """One sRGB channel in [0, 1] as scene-linear light (IEC 61966-2-1)."""
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


def new_material(name: str, color: tuple[float, ...] | None) -> bpy.types.Material:
    """A Principled material; `color` is sRGB [3] in [0, 1], None gives a neutral gray. Also the viewport's color."""
    material = bpy.data.materials.new(fitted(name))
    if bpy.app.version < (5, 0, 0):  # from 5.0 on materials always have nodes
        material.use_nodes = True
    rgba = (*(linear(channel) for channel in (color or NEUTRAL)[:3]), 1.0)
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = rgba
    shader.inputs["Roughness"].default_value = 0.5
    material.diffuse_color = rgba
    return material
