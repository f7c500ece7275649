# SPDX-License-Identifier: GPL-3.0-or-later
"""Variants of one result, of which one is to be seen."""

import bpy

from .provenance import DELIVERY, VARIANT
from .replacement import stand_like
from .scene import hide, select_only, unhide


def variants_of(item: bpy.types.Object) -> list[bpy.types.Object]:
    """The object and its siblings, by number; empty for one that is no variant."""
    if VARIANT not in item:
        return []
    siblings = [other for other in bpy.data.objects if other.get(DELIVERY) == item[DELIVERY] and other.users_scene]
    return sorted(siblings, key=lambda other: (other[VARIANT], other.name))


def show_next(item: bpy.types.Object, view_layer: bpy.types.ViewLayer) -> bpy.types.Object:
    """Show and select the variant after this one, after the last the first, where this one is now; hide this one."""
    variants = variants_of(item)
    following = variants[(variants.index(item) + 1) % len(variants)]
    stand_like([following], item, view_layer)
    hide([item], view_layer)
    unhide([following], view_layer)
    select_only([following], following, view_layer)
    return following
