# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a job will take here, from what earlier ones took: read after each job, never while drawing."""

import json
import logging
from collections.abc import Mapping

from .backend.contract import TaskSpec, WeightSet
from .backend.contract.json_form import from_json
from .backend.contract.parameter import Value
from .backend.contract.timed_run import TimedRun, TimedRuns, expected_seconds
from .offered_tasks import OfferedTask
from .preferences import statistics_file

log = logging.getLogger(__name__)

_runs: Mapping[str, TimedRun] = {}


def look() -> None:
    """Read the times that the workers keep. A damaged file only costs the estimates."""
    global _runs
    path = statistics_file()
    try:
        text = path.read_text(encoding="utf-8") if path.is_file() else '{"runs": {}}'
        _runs = from_json(TimedRuns, json.loads(text), "statistics").runs
    except (OSError, ValueError, RecursionError) as error:  # BadInput is a ValueError
        log.warning("The times of earlier runs cannot be read: %s", error)
        _runs = {}


def preset_seconds(offered: OfferedTask, weights: WeightSet | None) -> dict[str, float]:
    """Expected seconds of each preset of the task by its name; empty before the first run with these weights."""
    task, earlier = offered.task, latest(offered, weights)
    found = {preset.name: _total(task, task.defaults(weights, preset.name), earlier) for preset in task.presets}
    return {name: seconds for name, seconds in found.items() if seconds is not None}


def latest(offered: OfferedTask, weights: WeightSet | None) -> TimedRun | None:
    """A run of this task with these weights, on whatever device: the one of the kind that was met last."""
    kind = f"{offered.spec.name}/{offered.task.name}/" + (f"{weights.name}/" if weights else "")
    return next((run for key, run in reversed(list(_runs.items())) if key.startswith(kind)), None)


def _total(task: TaskSpec, parameters: Mapping[str, Value], earlier: TimedRun | None) -> float | None:
    seconds = expected_seconds(task, parameters, earlier)
    return sum(seconds.values()) if seconds else None
