# SPDX-License-Identifier: GPL-3.0-or-later
"""The curves of a run: one row per entry in CSV, one image per stage."""

from __future__ import annotations

import csv
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # training machines have no display
from matplotlib import pyplot


class Curves:
    """Named values over steps, kept in ``curves.csv`` and ``curves.png`` of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: list[tuple[int, str, float]] = []

    def add(self, step: int, values: dict[str, float]) -> None:
        """Append the values of one step."""
        self.rows.extend((step, name, value) for name, value in values.items())

    def load(self, until: int) -> None:
        """Read what an earlier run wrote, up to the step that it resumes from."""
        with (self.folder / "curves.csv").open(encoding="utf-8", newline="") as file:
            rows = [(int(step), name, float(value)) for step, name, value in list(csv.reader(file))[1:]]
        self.rows = [row for row in rows if row[0] <= until]

    def save(self) -> None:
        """Write the table and draw one panel per name."""
        with (self.folder / "curves.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["step", "name", "value"])
            writer.writerows(self.rows)
        if self.rows:
            self._draw(sorted({name for _, name, _ in self.rows}))

    def _draw(self, names: list[str]) -> None:
        columns = min(3, len(names))
        figure, panels = pyplot.subplots(-(-len(names) // columns), columns, figsize=(4.5 * columns, 9), squeeze=False)
        for panel in panels.flat[len(names) :]:
            panel.set_visible(False)
        for panel, name in zip(panels.flat, names, strict=False):
            points = [(step, value) for step, row, value in self.rows if row == name]
            panel.plot(*zip(*points, strict=True))
            panel.set_title(name)
            panel.set_xlabel("step")
            if name.startswith("loss") and all(value > 0 for _, value in points):
                panel.set_yscale("log")
        figure.tight_layout()
        figure.savefig(self.folder / "curves.png", dpi=80)
        pyplot.close(figure)
