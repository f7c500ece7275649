# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs test suites side by side, each in a process and with a log of its own, and reads how they ended.

Runs on the standard library of any Python 3.9 or newer, as dev.py does.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SECONDS_BETWEEN_LOOKS = 0.5
LAST_WORDS_SECONDS = 10.0
LAST_LINES = 60
PASSED, FAILED, NOTHING_CHOSEN, TOO_LATE = 0, 1, 5, 124  # pytest's exit codes, and that of the program `timeout`
_PROGRESS = re.compile(r"^([.FEsxX]+)(?: +\[ *\d+%\])?$", re.MULTILINE)
_HEADLINE = re.compile(r"^=+ (.+?) =+$", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """How a suite ended: tests by result, the exit code of its process, and what it wrote."""

    title: str
    passed: int
    failed: int
    skipped: int
    code: int
    text: str = ""

    @property
    def crashed(self) -> bool:
        """Whether the process did not come to pytest's own end: a crash, or stopped for its time."""
        return self.code not in (PASSED, FAILED, NOTHING_CHOSEN)

    @property
    def durations(self) -> str:
        """The slowest tests."""
        return self._sections("slowest")

    @property
    def trouble(self) -> str:
        """What a person must read to understand a failure, "" when all is well."""
        if self.crashed:
            return "\n".join(self.text.splitlines()[-LAST_LINES:])
        return self._sections("ERRORS", "FAILURES", "short test summary") if self.code else ""

    def _sections(self, *titles: str) -> str:
        """Those parts of pytest's summary whose headline begins with a title."""
        parts = _HEADLINE.split(self.text)
        return "\n".join(f"-- {title}{body.rstrip()}" for title, body in zip(parts[1::2], parts[2::2])
                         if title.startswith(titles))


@dataclass(frozen=True)
class Suite:
    """One run of pytest: `words` are its command, and `folder` takes its report, and its log where it is not alone."""

    title: str
    words: Sequence[str]
    environment: Mapping[str, str]
    folder: Path

    @property
    def command(self) -> list[str]:
        """All words, with the report."""
        return [*self.words, f"--junit-xml={self.report}"]

    @property
    def report(self) -> Path:
        """The file with the results."""
        return self.folder / f"{self.title.replace(' ', '-')}.xml"

    @property
    def log(self) -> Path:
        """The file with the output."""
        return self.report.with_suffix(".log")


class SuiteProcess:
    """A suite from its start, in the current folder, to its end."""

    def __init__(self, suite: Suite, seconds: float) -> None:
        self._suite, self._late, self._deadline = suite, False, time.monotonic() + seconds
        suite.report.unlink(missing_ok=True)
        with suite.log.open("wb") as log:
            self._process = subprocess.Popen(
                suite.command, env={**os.environ, **suite.environment}, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=os.name != "nt")

    def running(self) -> bool:
        """Whether pytest still runs."""
        return self._process.poll() is None

    def overdue(self) -> bool:
        """Whether its time is up."""
        return time.monotonic() > self._deadline

    def stop(self) -> None:
        """End pytest because its time is up. Python's fault handler writes into the log where it was."""
        self._late = True
        if os.name != "nt":
            self._process.send_signal(signal.SIGABRT)
            with suppress(subprocess.TimeoutExpired):  # stuck in a library: the next signal is not to be withstood
                self._process.wait(LAST_WORDS_SECONDS)
        self.end()

    def end(self) -> None:
        """End pytest, if it still runs, and whatever it started."""
        end_with_children(self._process)

    def progress(self) -> str:
        """How many tests have run so far, and how many of them failed."""
        marks = "".join(_PROGRESS.findall(self._text()))
        failed = sum(marks.count(letter) for letter in "FE")
        return f"{self._suite.title} {len(marks)}{f', {failed} FAILED' if failed else ''}"

    def outcome(self) -> Outcome:
        """How it ended."""
        code = TOO_LATE if self._late else self._process.wait()
        return Outcome(self._suite.title, *count(self._suite.report), code, self._text())

    def _text(self) -> str:
        return self._suite.log.read_text(encoding="utf-8", errors="replace")


def run_side_by_side(
    suites: Sequence[Suite], seconds: float, show: Callable[[str], None], at_once: int | None = None
) -> list[Outcome]:
    """Run the suites, `at_once` (a core each, two at least) at a time, and return how they ended, in their order.

    The next one starts as soon as one has ended. A suite is stopped `seconds` after its start. `show` is given the
    progress as one line, again and again.
    """
    most = at_once or max(2, os.cpu_count() or 1)
    waiting = list(suites)
    started: list[SuiteProcess] = []
    try:
        while (running := [process for process in started if process.running()]) or waiting:
            if waiting and len(running) < most:
                started.append(SuiteProcess(waiting.pop(0), seconds))
                continue
            lines = [process.progress() for process in started] + [f"{suite.title} waits" for suite in waiting]
            show(" | ".join(lines))
            time.sleep(SECONDS_BETWEEN_LOOKS)
            for process in running:
                if process.overdue():
                    process.stop()
        return [process.outcome() for process in started]
    finally:
        for process in started:
            process.end()


def count(report: Path) -> tuple[int, int, int]:
    """(passed, failed, skipped) of one pytest run; a run that left no report counts as one failure."""
    try:
        suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    except (OSError, ElementTree.ParseError):
        return 0, 1, 0
    total, failures, errors, skipped = (
        sum(int(suite.get(key, 0)) for suite in suites) for key in ("tests", "failures", "errors", "skipped"))
    return total - failures - errors - skipped, failures + errors, skipped


def end_with_children(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that leads a group of its own, and the whole group; on Windows the process alone."""
    if os.name == "nt":
        process.kill()
    else:
        with suppress(ProcessLookupError):  # all have ended
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
