# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line with the practice pipeline and tiny weights, in this process or as a child."""

import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from backend.command_line import main
from backend.pipelines import registry
from backend.worker import job_run
from tests.worker import practice
from tests.worker.conftest import starter

__all__ = ["starter"]


@dataclass
class Ended:
    """Exit code and what was written."""

    code: int
    out: str
    err: str


def hear_signals() -> None:
    """For a child's start: a test run in the background, or by nohup, hands on that signals are ignored."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def backend(tmp_path, monkeypatch, capsys, starter):
    """Runs `python -m backend ARGUMENTS` in this process."""
    monkeypatch.setattr(job_run, "locate", job_run.locate)
    monkeypatch.setitem(registry.specs(), "practice", practice.SPEC)
    monkeypatch.setitem(sys.modules, "backend.pipelines.practice.job", None)
    practice.install(starter)

    def run(*arguments: str | Path) -> Ended:
        own = ["--models", str(tmp_path / "models"), "--statistics", str(tmp_path / "statistics.json")]
        words = [str(argument) for argument in arguments]
        code = main(words if words[0] in ("specs", "train") else [*words, *own])
        captured = capsys.readouterr()
        return Ended(code, captured.out, captured.err)

    return run
