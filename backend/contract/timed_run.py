# SPDX-License-Identifier: GPL-3.0-or-later
"""What one finished run took, and what that says about the next one with other options."""

from collections.abc import Mapping
from dataclasses import dataclass

from .parameter import Value
from .task_spec import StageSpec, TaskSpec


@dataclass(frozen=True)
class TimedRun:
    """The latest finished run of one kind: its options and its seconds a stage."""

    parameters: Mapping[str, Value]
    seconds: Mapping[str, float]


@dataclass(frozen=True)
class TimedRuns:
    """The workers' file of times. A kind is pipeline/task/weights/device, and what else runs differ in."""

    runs: Mapping[str, TimedRun]


def expected_seconds(task: TaskSpec, parameters: Mapping[str, Value],
                     earlier: TimedRun | None) -> dict[str, float] | None:
    """Seconds of each stage of a task with these parameters; None where an earlier run says nothing about them.

    A stage that the earlier run skipped counts nothing.
    """
    if earlier is None or not any(stage.name in earlier.seconds for stage in task.stages):
        return None
    return {stage.name: earlier.seconds.get(stage.name, 0.0) * _growth(stage, earlier.parameters, parameters)
            for stage in task.stages}


def _growth(stage: StageSpec, old: Mapping[str, Value], new: Mapping[str, Value]) -> float:
    """Factor of a stage's time from one set of options to another, by the powers that its spec names."""
    factor = 1.0
    for name, power in stage.grows_with.items():
        before, after = float(old.get(name, 0)), float(new[name])
        if before > 0 and after > 0:
            factor *= (after / before) ** power
    return factor
