# SPDX-License-Identifier: GPL-3.0-or-later
"""Events as a bar on stderr; without a terminal one line a stage."""

import sys

from tqdm import tqdm

from ..contract import Downloading, Event, Loading, LogLine, StageProgress, TaskSpec


class ProgressBar:
    """Shows one job. The bar counts the whole job in percent; a download counts the bytes of its current file."""

    def __init__(self, name: str, task: TaskSpec) -> None:
        self._name = name
        self._labels = {stage.name: stage.label for stage in task.stages}
        self._bar: tqdm | None = None
        self._title = ""
        self._terminal = sys.stderr.isatty()

    def show(self, event: Event) -> None:
        """Take any event of the job."""
        match event:
            case Loading(_, what):
                self._turn_to(f"loading {what}", 100.0)
            case Downloading(_, file, received, of):
                self._turn_to(file, float(of), "B")
                self._advance(received)
            case StageProgress(_, stage, step, of, fraction, left):
                self._turn_to(self._labels.get(stage, stage), 100.0)
                self._advance(100 * fraction, f"{step}/{of}" + ("" if left is None else f", {left:.0f} s left"))
            case LogLine(_, text, "warning"):
                tqdm.write(f"{self._name}: {text}", file=sys.stderr)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()

    def _turn_to(self, title: str, total: float, unit: str = "%") -> None:
        if not self._terminal:
            if title != self._title:
                sys.stderr.write(f"{self._name}: {title}\n")
                self._title = title
            return
        if self._bar is None or (unit == "B" and title != self._title):
            self.close()
            plain = "{desc} {percentage:3.0f}%|{bar}| {postfix}"
            self._bar = tqdm(total=total, file=sys.stderr, unit=unit, unit_scale=unit == "B",
                             bar_format=plain if unit == "%" else None)
        self._title = title
        self._bar.set_description(f"{self._name}: {title}")

    def _advance(self, reached: float, remark: str = "") -> None:
        if self._bar is not None:
            self._bar.set_postfix_str(remark, refresh=False)
            self._bar.update(reached - self._bar.n)
