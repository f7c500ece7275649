# SPDX-License-Identifier: GPL-3.0-or-later
"""Pieces of the model card of starter weights: sizes in words, the held-out metrics as a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


def sizes_in_words(values: Mapping[str, object]) -> str:
    """Return "width 96, heads 3" of a network's configuration."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())


def metrics_table(path: Path | None) -> str:
    """Return the Markdown table of a metrics file: JSON with ``settings``, ``threads`` and ``summary``."""
    if path is None:
        return "Not measured yet."
    result = json.loads(path.read_text(encoding="utf-8"))
    rows = [f"| {name.replace('_', ' ')} | {value:.3g} |" for name, value in result["summary"].items()]
    head = f"Settings: {sizes_in_words(result['settings'])}; {result['threads']} threads."
    return "\n".join([head, "", "| metric | value |", "|---|---|", *rows])
