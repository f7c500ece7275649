# SPDX-License-Identifier: GPL-3.0-or-later
"""A delivery is whole or it was none: what it made is removed again, and what it changed is as before.

Nothing here holds a datablock between two slices: the artist may undo or open another file then. What was made is known
by its `session_uid`.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import bpy

from ..delivery_note import DeliveryNote
from ..materials.variants import SHOWN, material_variants_of, shown_material_variant
from .provenance import CAPTION

_COLLECTIONS = tuple(
    item.identifier for item in bpy.types.BlendData.bl_rna.properties
    if item.type == "COLLECTION" and item.identifier not in ("screens", "window_managers", "workspaces", "libraries"))


@dataclass(frozen=True)
class _Slot:
    link: str
    material: int
    """`session_uid` of the material, 0 for none."""


@dataclass(frozen=True)
class _State:
    """What deliveries change of an object that was there before."""

    uid: int
    hidden: bool
    hidden_in_renders: bool
    slots: tuple[_Slot, ...]
    variants: int
    shown_variant: int
    uv_layers: tuple[str, ...]
    caption: str | None


class Transaction:
    """Use `making` around every slice that makes datablocks, and `take_back` when the delivery failed."""

    def __init__(self, note: DeliveryNote, view_layer: bpy.types.ViewLayer) -> None:
        self._made: set[int] = set()
        self._states = [_state(item, view_layer) for item in _changed_by(note)]

    @contextmanager
    def making(self) -> Iterator[None]:
        """Whatever datablocks appear within belong to this delivery."""
        before = _uids()
        try:
            yield
        finally:
            self._made |= _uids() - before

    def take_back(self, view_layer: bpy.types.ViewLayer | None) -> None:
        """Have the file as if the delivery had never begun. Without a view layer objects stay as hidden as they are."""
        for state in self._states:
            item = next((item for item in bpy.data.objects if item.session_uid == state.uid), None)
            if item is not None and item.library is None:
                _restore(item, state, view_layer)
        made = [item for name in _COLLECTIONS for item in getattr(bpy.data, name) if item.session_uid in self._made]
        bpy.data.batch_remove(made)
        self._made.clear()


def _changed_by(note: DeliveryNote) -> Iterable[bpy.types.Object]:
    """The objects that a delivery may change: those that were captured, and the earlier result that it replaces."""
    found = [target.reference.find(bpy.data.objects) for target in note.targets]
    earlier = note.superseded and note.superseded.find(bpy.data.objects)
    found += [earlier, *earlier.children_recursive] if earlier else []
    return {item.session_uid: item for item in found if item is not None}.values()


def _uids() -> set[int]:
    return {item.session_uid for name in _COLLECTIONS for item in getattr(bpy.data, name)}


def _state(item: bpy.types.Object, view_layer: bpy.types.ViewLayer) -> _State:
    slots = tuple(_Slot(slot.link, slot.material.session_uid if slot.material else 0) for slot in item.material_slots)
    layers = tuple(layer.name for layer in item.data.uv_layers) if item.type == "MESH" else ()
    return _State(item.session_uid, item.name in view_layer.objects and item.hide_get(view_layer=view_layer),
                  item.hide_render, slots, len(material_variants_of(item)), shown_material_variant(item), layers,
                  item.get(CAPTION))


def _restore(item: bpy.types.Object, state: _State, view_layer: bpy.types.ViewLayer | None) -> None:
    item.hide_render = state.hidden_in_renders
    if view_layer is not None and item.name in view_layer.objects:
        item.hide_set(state.hidden, view_layer=view_layer)
    materials = {material.session_uid: material for material in bpy.data.materials}
    for slot, kept in zip(item.material_slots, state.slots, strict=False):
        slot.link = kept.link
        slot.material = materials.get(kept.material)
    while len(item.material_slots) > len(state.slots):
        item.data.materials.pop()
    while len(material_variants_of(item)) > state.variants:
        material_variants_of(item).remove(len(material_variants_of(item)) - 1)
    setattr(item, SHOWN, state.shown_variant)
    if item.type == "MESH" and item.data.library is None:
        for name in [layer.name for layer in item.data.uv_layers if layer.name not in state.uv_layers]:
            item.data.uv_layers.remove(item.data.uv_layers[name])
    if state.caption is None:
        item.pop(CAPTION, None)
    else:
        item[CAPTION] = state.caption
