# SPDX-License-Identifier: GPL-3.0-or-later
"""The gallery of earlier jobs, a page at a time. A draw looks at nothing but what was read already."""

import textwrap

import bpy

from ..gallery import state, thumbnails
from ..gallery.card import Card
from ..gallery.page import settings
from ..translations import translated
from .main_panel import HISTORY_ORDER, SidebarPanel

COLUMNS = 2
IMAGE_SCALE, LARGE_SCALE = 5.0, 7.0
_CHARACTERS = 40
_ICONS = {"finished": "MESH_DATA", "failed": "ERROR", "cancelled": "X", "unfinished": "TIME", "unreadable": "QUESTION"}


class MESHWRIGHT_PT_history(SidebarPanel, bpy.types.Panel):
    bl_label = "History"
    bl_order = HISTORY_ORDER
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, chosen = self.layout, settings()
        row = layout.row(align=True)
        row.prop(chosen, "search", text="", icon="VIEWZOOM")
        row.prop(chosen, "kind", text="")
        row.operator("meshwright.refresh_history", text="", icon="FILE_REFRESH")
        if chosen.first:
            _draw_comparison(layout.box(), chosen)
        shown = state.page()
        for start in range(0, len(shown), COLUMNS):
            row = layout.row()
            for card in shown[start:start + COLUMNS]:
                _draw_card(row.box(), card, card.name in (chosen.first, chosen.second))
        if state.pages() > 1:
            row = layout.row(align=True)
            row.operator("meshwright.turn_history_page", text="", icon="TRIA_LEFT").pages = -1
            row.label(text=translated(f"{state.number()} of {state.pages()}"))
            row.operator("meshwright.turn_history_page", text="", icon="TRIA_RIGHT").pages = 1
        row = layout.row(align=True)
        row.label(text=state.total_words())
        row.operator("meshwright.recover_results", text="", icon="RECOVER_LAST")
        row.operator("meshwright.prune_history", text="", icon="TRASH")


def _draw_card(box: bpy.types.UILayout, card: Card, picked: bool) -> None:
    _draw_image(box, card, IMAGE_SCALE)
    column = box.column(align=True)
    column.label(text=card.subject, icon="NONE" if card.seen or not card.deliverable else "UNPINNED")
    below = column.column(align=True)
    below.active = False
    below.label(text=card.task)
    below.label(text=card.when)
    if details := details_of(card):
        below.label(text=details)
    row = box.row(align=True)
    if card.deliverable:
        row.operator("meshwright.deliver_earlier", text="", icon="IMPORT").folder = card.name
    row.operator("meshwright.use_settings", text="", icon="PRESET").folder = card.name
    if card.deliverable:
        row.operator("meshwright.pick_for_comparison", text="", icon="ARROW_LEFTRIGHT",
                     depress=picked).folder = card.name
    row.operator("meshwright.delete_earlier", text="", icon="TRASH").folder = card.name


def _draw_comparison(box: bpy.types.UILayout, chosen: bpy.types.PropertyGroup) -> None:
    """Two results next to each other, and buttons to show one in the scene in the place of the other."""
    if not chosen.second:
        box.label(text="Pick a second result to compare", icon="ARROW_LEFTRIGHT")
    row = box.row()
    for letter, name, other in (("A", chosen.first, chosen.second), ("B", chosen.second, chosen.first)):
        card = state.find(name)
        if card is None:
            continue
        column = row.column(align=True)
        _draw_image(column, card, LARGE_SCALE)
        column.label(text=translated(f"{letter}: {card.subject}"))
        column.label(text=details_of(card) or card.when)
        button = column.operator("meshwright.show_compared", text=translated(f"Show {letter}"), icon="HIDE_OFF")
        button.folder, button.other = name, other
        column.operator("meshwright.pick_for_comparison", text="Remove", icon="X").folder = name


def _draw_image(layout: bpy.types.UILayout, card: Card, scale: float) -> None:
    icon = thumbnails.icon_of(card)
    if icon is not None:
        layout.template_icon(icon, scale=scale)
    else:
        layout.label(text="", icon=_ICONS[card.state])


def details_of(card: Card) -> str:
    """Seed and prompt in one short line; "" where there is neither."""
    prompt = textwrap.shorten(card.prompt, _CHARACTERS, placeholder=" …")
    return " · ".join(filter(None, ("" if card.seed is None else translated(f"seed {card.seed}"), prompt)))


CLASSES = (MESHWRIGHT_PT_history,)
