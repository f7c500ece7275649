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
                self._turn_to(f"loading {what}")
            case Downloading(_, file, received, of):
                self._turn_to(file, float(of))
                self._advance(received, file)
            case StageProgress(_, stage, step, of, fraction, left):
                label = self._labels.get(stage, stage)
                self._turn_to(label)
                rest = "" if left is None else f", {left:.0f} s left"
                self._advance(100 * fraction, f"{label} {step}/{of}{rest}")
            case LogLine(_, text, "warning"):
                tqdm.write(f"{self._name}: {text}", file=sys.stderr)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()

    def _turn_to(self, title: str, size: float | None = None) -> None:
        """`size` is a file's, in bytes; without one the bar is the whole job's."""
        changed, self._title = title != self._title, title
        if not self._terminal:
            if changed:
                sys.stderr.write(f"{self._name}: {title}\n")
            return
        text = f"{self._name}: {title}"
        if self._bar is None or (changed and size is not None):
            self.close()
            form = "{desc} {percentage:3.0f}%|{bar}|" if size is None else None
            self._bar = tqdm(desc=text, total=100.0 if size is None else size, file=sys.stderr, bar_format=form,
                             unit="B", unit_scale=True)
        elif changed:
            self._bar.set_description_str(text)

    def _advance(self, reached: float, title: str) -> None:
        if self._bar is not None:
            self._bar.set_description_str(f"{self._name}: {title}", refresh=False)
            self._bar.update(reached - self._bar.n)
