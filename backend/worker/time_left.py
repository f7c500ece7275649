# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the rest of a job takes, from earlier runs of the same task on this machine."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from ..contract import TaskSpec, write_text_whole
from ..contract.json_form import from_json, to_json
from ..contract.parameter import Value
from ..contract.timed_run import TimedRun, TimedRuns, expected_seconds
from ..weights.shared_files import exclusive

logger = logging.getLogger(__name__)

TRUSTED_SHARE = 0.2
"""From this share of a stage on, its own speed predicts more than earlier runs."""


class Statistics:
    """Latest run of each kind, kept in a small JSON file that all workers of this machine write.

    A damaged or unwritable file only costs the estimate.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._runs = self._read()

    def latest(self, kind: str) -> TimedRun | None:
        """The run that was recorded last under this kind."""
        return self._runs.get(kind)

    def record(self, kind: str, run: TimedRun) -> None:
        """Keep a finished run's times; those that other workers wrote meanwhile stay."""
        self._runs[kind] = run
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with exclusive(self._path):
                self._runs = {**self._runs, **self._read(), kind: run}
                write_text_whole(self._path, json.dumps(to_json(TimedRuns(self._runs)), indent=1))
        except OSError as error:
            logger.warning("The times of this run are not kept: %s", error)

    def _read(self) -> dict[str, TimedRun]:
        if self._path is None or not self._path.is_file():
            return {}
        try:
            return dict(from_json(TimedRuns, json.loads(self._path.read_text(encoding="utf-8")), "statistics").runs)
        except (OSError, ValueError, RecursionError) as error:  # BadInput is a ValueError
            logger.warning("The times of earlier runs are lost: %s", error)
            return {}


class Estimate:
    """Expected seconds of every stage of one job, scaled from an earlier run with perhaps other options.

    A stage that the earlier run skipped counts nothing until it runs. Without an earlier run the job's own pace says
    how long the rest takes, once enough of it is done.

    Attributes:
        shares: each stage's share of the whole job's time; they sum to 1.
    """

    def __init__(self, task: TaskSpec, parameters: Mapping[str, Value], earlier: TimedRun | None) -> None:
        self.seconds = expected_seconds(task, parameters, earlier)
        self._order = [stage.name for stage in task.stages]
        self.shares = _normalized(self.seconds or {stage.name: stage.share for stage in task.stages})

    def fraction(self, done: Mapping[str, float]) -> float:
        """The whole job's share done, given each stage's in [0, 1]; a stage that was skipped is done."""
        skipped = self._skipped(done)
        return min(sum(self.shares[name] * (1.0 if name in skipped else done.get(name, 0.0))
                       for name in self._order), 1.0)

    def left(self, done: Mapping[str, float], spent: Mapping[str, float]) -> float | None:
        """Seconds left, given each stage's share done in [0, 1] and the seconds spent on it; None when unknown."""
        if self.seconds is None:
            fraction = self.fraction(done)
            return sum(spent.values()) * (1 - fraction) / fraction if fraction >= TRUSTED_SHARE else None
        total, skipped = 0.0, self._skipped(done)
        for name, expected in self.seconds.items():
            share = done.get(name, 0.0)
            if share >= TRUSTED_SHARE:
                expected = spent[name] / share
            total += 0.0 if name in skipped else expected * (1 - share)
        return total

    def _skipped(self, done: Mapping[str, float]) -> set[str]:
        """Stages that did nothing although a later one has begun."""
        begun = max((self._order.index(name) for name in done), default=0)
        return {name for name in self._order[:begun] if name not in done}


def _normalized(shares: Mapping[str, float]) -> dict[str, float]:
    total = sum(shares.values()) or 1.0
    return {name: share / total for name, share in shares.items()}
