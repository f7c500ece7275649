# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a 3D viewport shows textures, and how to make it."""

from collections.abc import Iterable

import bpy

from ..backend.contract import MATERIAL_ROLES


def shows_textures(shading: bpy.types.View3DShading) -> bool:
    """Whether textures can be seen with these settings of a viewport."""
    return shading.type in ("MATERIAL", "RENDERED") or (shading.type == "SOLID" and shading.color_type == "TEXTURE")


def show_textures(shading: bpy.types.View3DShading, materials: Iterable[bpy.types.Material]) -> None:
    """Show the textures of these materials: in Solid view where that can, which compiles no shaders, else in
    Material Preview."""
    if all(map(seen_in_solid_view, materials)):
        shading.type, shading.color_type = "SOLID", "TEXTURE"
    else:
        shading.type = "MATERIAL"


def seen_in_solid_view(material: bpy.types.Material) -> bool:
    """Whether Solid view shows all of the material's base color: it takes the active image node alone, so that paint
    which is laid over another surface is not seen."""
    active = material.node_tree.nodes.active if material.node_tree else None
    return active is not None and active.type == "TEX_IMAGE" and active.label in MATERIAL_ROLES
