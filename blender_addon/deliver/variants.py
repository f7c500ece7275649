# SPDX-License-Identifier: GPL-3.0-or-later
"""Variants of one result, of which one is shown."""

import uuid
from collections.abc import Sequence

import bpy

from .provenance import DELIVERY, VARIANT
from .scene import hide, select_only, unhide
from .transforms import stand_like


def mark_variants(objects: Sequence[bpy.types.Object], view_layer: bpy.types.ViewLayer) -> list[bpy.types.Object]:
    """Number objects as variants of one delivery and hide all but the first; the hidden ones. One alone is none."""
    if len(objects) < 2:
        return []
    delivery = uuid.uuid4().hex
    for number, item in enumerate(objects, 1):
        item[VARIANT], item[DELIVERY] = number, delivery
    view_layer.update()  # objects that were linked just now are in it only then
    hide(objects[1:], view_layer)
    return list(objects[1:])


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
