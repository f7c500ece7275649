# SPDX-License-Identifier: GPL-3.0-or-later
"""The material variants of an object, `Object.meshwright_material_variants`: what it showed before, and each texture
since.

New materials hang on the object's slots (`link` OBJECT), never on the mesh's: other users of the mesh keep theirs, and
going back to the old ones changes nothing but the slots' links. Variants are saved with the file.
"""

from collections.abc import Iterable, Mapping

import bpy

VARIANTS, SHOWN = "meshwright_material_variants", "meshwright_material_variant"
BEFORE = "Before"
_KEPT = {"LIBRARY_OVERRIDABLE"}
_KEPT_ITEMS = {"LIBRARY_OVERRIDABLE", "USE_INSERTION"}
"""Library overrides of objects keep their variants, too."""


class MESHWRIGHT_PG_slot(bpy.types.PropertyGroup):
    """One material slot of a variant."""

    link: bpy.props.StringProperty(override=_KEPT)
    material: bpy.props.PointerProperty(type=bpy.types.Material, override=_KEPT)


class MESHWRIGHT_PG_material_variant(bpy.types.PropertyGroup):
    """All material slots of an object, in their order; `name` is what the artist reads."""

    slots: bpy.props.CollectionProperty(type=MESHWRIGHT_PG_slot, override=_KEPT_ITEMS)


def material_variants_of(item: bpy.types.Object) -> bpy.types.bpy_prop_collection:
    """The object's variants, the one from before first; empty when it was never textured."""
    return getattr(item, VARIANTS)


def shown_material_variant(item: bpy.types.Object) -> int:
    """Index of the variant that the slots show."""
    return int(getattr(item, SHOWN))


def variant_keys(item: bpy.types.Object) -> list[tuple[str, int]]:
    """What each material variant is called, and which of that name it is: the same for objects that were painted
    together."""
    names = [variant.name for variant in material_variants_of(item)]
    return [(name, names[:index].count(name)) for index, name in enumerate(names)]


def common_keys(items: Iterable[bpy.types.Object]) -> list[tuple[str, int]]:
    """The keys of all objects' material variants, each once, in the order in which they were made."""
    return list(dict.fromkeys(key for item in items for key in variant_keys(item)))


def shown_key(item: bpy.types.Object) -> tuple[str, int]:
    """The key of the material variant that the object shows."""
    return variant_keys(item)[shown_material_variant(item)]


def show_variant(items: Iterable[bpy.types.Object], key: tuple[str, int]) -> None:
    """Show the material variant of that key on all objects that have it."""
    for item in items:
        if key in (keys := variant_keys(item)):
            show_material_variant(item, keys.index(key))


def add_material_variant(item: bpy.types.Object, name: str, materials: Mapping[int, bpy.types.Material]) -> None:
    """Show `materials` on the slots of these indices, as a new variant.

    What the object shows now is kept as a variant, too. An object without slots gets one.
    """
    variants = material_variants_of(item)
    if not item.material_slots:
        item.data.materials.append(None)
    if not len(variants):
        _remember(item, BEFORE)
    else:
        _write(item, variants[shown_material_variant(item)])  # what the artist changed since
    for index, material in materials.items():
        slot = item.material_slots[index]
        slot.link = "OBJECT"
        slot.material = material
    _remember(item, name)
    setattr(item, SHOWN, len(variants) - 1)


def show_material_variant(item: bpy.types.Object, index: int) -> None:
    """Give the slots what they had in the variant `index`; slots that came later stay as they are."""
    variants = material_variants_of(item)
    _write(item, variants[shown_material_variant(item)])
    for slot, kept in zip(item.material_slots, variants[index].slots, strict=False):
        slot.link = kept.link
        if kept.link == "OBJECT":
            slot.material = kept.material
    setattr(item, SHOWN, index)


def remove_material_variant(item: bpy.types.Object, index: int) -> list[bpy.types.Material]:
    """Forget the variant `index`, which is not the one from before; if it is shown, that before it is shown now.

    Returns its materials that nothing uses any more.
    """
    if shown_material_variant(item) == index:
        show_material_variant(item, index - 1)
        for slot in item.material_slots:
            if slot.link == "DATA":  # it keeps what it showed as the object's own
                slot.link = "OBJECT"
                slot.material, slot.link = None, "DATA"
    materials = {slot.material for slot in material_variants_of(item)[index].slots if slot.material}
    material_variants_of(item).remove(index)
    setattr(item, SHOWN, shown_material_variant(item) - (shown_material_variant(item) > index))
    return [material for material in materials if not material.users]


def _remember(item: bpy.types.Object, name: str) -> None:
    variant = material_variants_of(item).add()
    variant.name = name
    _write(item, variant)


def _write(item: bpy.types.Object, variant: MESHWRIGHT_PG_material_variant) -> None:
    variant.slots.clear()
    for slot in item.material_slots:
        kept = variant.slots.add()
        kept.link, kept.material = slot.link, slot.material


CLASSES = (MESHWRIGHT_PG_slot, MESHWRIGHT_PG_material_variant)


def register() -> None:
    """Attach variants to objects."""
    setattr(bpy.types.Object, VARIANTS,
            bpy.props.CollectionProperty(type=MESHWRIGHT_PG_material_variant, override=_KEPT_ITEMS))
    setattr(bpy.types.Object, SHOWN, bpy.props.IntProperty(min=0, override=_KEPT))


def unregister() -> None:
    """Take them away; a file keeps what it saved."""
    delattr(bpy.types.Object, SHOWN)
    delattr(bpy.types.Object, VARIANTS)
