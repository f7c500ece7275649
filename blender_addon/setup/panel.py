# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's box in the preferences. It draws the state and changes nothing."""

import textwrap
from typing import Any

from ..backend.contract import ErrorReport
from ..translations import translated
from .installation import Installation
from .runtime import Condition
from .tasks import RuntimeState

_LINES_SHOWN = 4
_LABELS = {
    Condition.MISSING: ("Not installed", "IMPORT"),
    Condition.OUTDATED: ("Needs an update", "FILE_REFRESH"),
    Condition.BROKEN: ("Needs a repair", "ERROR"),
    Condition.READY: ("Ready", "CHECKMARK"),
}


def draw_runtime(layout: Any, state: RuntimeState) -> None:
    """Condition, progress or error, and the buttons that fit; `layout` is a bpy.types.UILayout."""
    column = layout.column()
    if state.removal is not None:
        column.label(text="Removing the engine", icon="TRASH")
        return
    if state.installation is not None:
        _draw_progress(column, state.installation)
        return
    label, icon = _LABELS[state.condition]
    column.label(text=translated(f"AI engine: {label}"), icon=icon)
    _draw_text(column, state.words)
    _draw_text(column, state.note)
    if state.error is not None:
        _draw_error(column, state.error, state.last_lines)
    _draw_buttons(column, state)


def _draw_progress(column: Any, installation: Installation) -> None:
    words = translated(installation.words)
    column.progress(factor=installation.fraction, text=translated(f"{words} · {installation.seconds:.0f} s"))
    for line in list(installation.last_lines)[-_LINES_SHOWN:]:
        row = column.row()
        row.active = False
        row.label(text=line.strip())
    column.operator("meshwright.cancel_runtime", icon="X")


def _draw_error(column: Any, error: ErrorReport, last_lines: tuple[str, ...]) -> None:
    box = column.box()
    box.alert = True
    for text in (error.what, error.why, error.advice):
        _draw_text(box, text)
    for line in last_lines[-_LINES_SHOWN:]:
        box.label(text=line.strip())


def _draw_buttons(column: Any, state: RuntimeState) -> None:
    row = column.row(align=True)
    if state.condition is Condition.MISSING:
        row.operator("meshwright.install_runtime", icon="IMPORT")
    else:
        row.operator("meshwright.check_runtime", icon="CHECKMARK")
        row.operator("meshwright.repair_runtime",
                     text="Update" if state.condition is Condition.OUTDATED else "Repair", icon="FILE_REFRESH")
        row.operator("meshwright.remove_runtime", icon="TRASH")
    column.operator("meshwright.copy_diagnostics", icon="COPYDOWN")


def _draw_text(column: Any, text: str) -> None:
    for line in textwrap.wrap(text, 90):
        column.label(text=line)
