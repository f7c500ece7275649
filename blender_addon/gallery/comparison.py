# SPDX-License-Identifier: GPL-3.0-or-later
"""Two results of the history against each other: one shown, the other hidden."""

from collections.abc import Iterator

import bpy

from ..backend.contract import MeshwrightError
from ..deliver.provenance import FOLDER
from ..deliver.scene import hide, push_undo, unhide, view_layer_of
from ..materials.variants import material_variants_of, show_material_variant, shown_material_variant
from .page import settings


def pick(name: str) -> None:
    """Take a job into the comparison, in the place of the second of two; one that is in it is taken out."""
    chosen = settings()
    names = [other for other in (chosen.first, chosen.second) if other]
    names = [other for other in names if other != name] if name in names else [*names[:1], name]
    chosen.first, chosen.second = [*names, "", ""][:2]


def show_instead(name: str, other: str, scene: bpy.types.Scene) -> None:
    """Show what the job of one name made, and hide what the other's did; of textures the object shows this one.

    One undo step. Raises MeshwrightError when the scene has nothing of it.
    """
    mine, others = set(_objects(name, scene)), set(_objects(other, scene))
    variants = list(_variants(name, scene))
    if not mine and not variants:
        raise MeshwrightError("This result is not in the scene.", "Nothing here was made by it.",
                              "Bring it back first.")
    if mine:
        layer = view_layer_of(scene)
        hide(others - mine, layer)
        unhide(mine, layer)
    for item, index in variants:
        if shown_material_variant(item) != index:
            show_material_variant(item, index)
    push_undo("Meshwright: compare results")


def _objects(name: str, scene: bpy.types.Scene) -> Iterator[bpy.types.Object]:
    """Objects that the job made; textured ones were made by somebody else."""
    return (item for item in scene.objects if item.get(FOLDER) == name)


def _variants(name: str, scene: bpy.types.Scene) -> Iterator[tuple[bpy.types.Object, int]]:
    """Objects with a material variant that the job made, and its index."""
    for item in scene.objects:
        for index, variant in enumerate(material_variants_of(item)):
            if any(slot.material and slot.material.get(FOLDER) == name for slot in variant.slots):
                yield item, index
                break
