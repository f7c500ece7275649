# SPDX-License-Identifier: GPL-3.0-or-later
"""The models in the preferences: a card for each set of weights, the shared ones once each, and the disk in all."""

import bpy

from .. import model_cards
from ..model_cards import ModelCard
from ..translations import translated
from .words import duration, wrapped

_WIDTH = 600
_ICONS = {"included": "CHECKMARK", "complete": "CHECKMARK", "partial": "ERROR", "absent": "IMPORT"}


def draw_models(layout: bpy.types.UILayout) -> None:
    """All cards, folded by pipeline."""
    box = layout.box()
    row = box.row()
    row.label(text="Models", icon="ASSET_MANAGER")
    row.label(text=model_cards.disk_words())
    cards = model_cards.cards()
    for name, label in {card.spec.name: card.spec.label for card in cards}.items():
        own = [card for card in cards if card.spec.name == name]
        header, body = box.panel(f"meshwright_models_{name}", default_closed=True)
        ready = sum(card.presence in ("included", "complete") for card in own)
        header.label(text=translated(f"{label}: {ready} of {len(own)} ready"))
        for card in own if body is not None else ():
            _draw_card(body.box(), card)


def _draw_card(box: bpy.types.UILayout, card: ModelCard) -> None:
    row = box.row()
    row.label(text=card.title, icon=_ICONS[card.presence])
    row.label(text=card.state)
    for text in filter(None, (card.weights.description, card.needs)):
        wrapped(box, text, _WIDTH)
    wrapped(box, card.terms, _WIDTH, "CHECKMARK" if card.weights.license.commercial_use else "INFO")
    job = model_cards.job_of(card)
    if job is not None:
        row = box.row()
        left = "" if job.seconds_left is None else f" · {duration(job.seconds_left)} left"
        row.progress(factor=job.fraction, text=translated(f"{job.stage}{left}"))
        row.operator("meshwright.cancel_job", text="", icon="X").job = job.id
    elif card.presence != "included":
        _draw_buttons(box.row(align=True), card)


def _draw_buttons(row: bpy.types.UILayout, card: ModelCard) -> None:
    if card.presence != "complete":
        text = "Resume Download…" if card.presence == "partial" else f"Download ({card.weights.gigabytes:g} GB)…"
        _button(row, card, "download_weights", text, "IMPORT")
        _button(row, card, "import_weights", "Import Files…", "FILE_FOLDER")
    if card.files:
        _button(row, card, "verify_weights", "Verify", "VIEWZOOM")
    if card.bytes:
        _button(row, card, "remove_weights", "Delete…", "TRASH")


def _button(row: bpy.types.UILayout, card: ModelCard, name: str, text: str, icon: str) -> None:
    button = row.operator(f"meshwright.{name}", text=text, icon=icon)
    button.pipeline, button.weights = card.spec.name, card.weights.name
