# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of installing, repairing or checking the runtime: steps of child processes, driven by `poll()`."""

import datetime
import re
import shutil
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..backend.contract import ErrorReport, MeshwrightError, Remedy
from ..data_folders import existing_part
from .child_process import ChildProcess
from .known_failures import explain
from .removal import Measurement
from .runtime import ADDON, CHECK_SCRIPT, CheckReport, Plan, Stamp, python_of, read_check, read_stamp, write_stamp

State = Literal["running", "done", "failed", "cancelled"]
RESERVE = 1_000_000_000
"""Bytes that an installation leaves free on the disk."""
SECONDS_TO_MEASURE = 5.0
_KEPT_LINES = 12
_SIZE = re.compile(r"^\s*(Downloading|Downloaded) (\S+)(?: \(([\d.]+)(KiB|MiB|GiB)\))?")
_UNITS = {"KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30}


@dataclass(frozen=True)
class InstallationStep:
    """One child process. `share` is its part of the whole time, as a first guess."""

    name: str
    label: str
    command: tuple[str, ...]
    share: float


def installation_steps(plan: Plan, folder: Path, uv: Path, requirements: Path) -> tuple[InstallationStep, ...]:
    """Environment, torch, packages, check. Every step can be run again over its own half-done work."""
    python = str(python_of(folder))
    install = (str(uv), "pip", "install", "--python", python, "--torch-backend", plan.build)
    return (
        InstallationStep("environment", "Fetching Python", (str(uv), "venv", "--clear", "--managed-python", "--python",
                                                plan.python, str(folder / "env")), 0.05),
        InstallationStep("torch", "Installing torch", (*install, plan.torch), 0.6),
        InstallationStep("packages", "Installing packages", (*install, "--requirement", str(requirements)), 0.3),
        *check_steps(plan, Path(python)),
    )


def check_steps(plan: Plan, python: Path) -> tuple[InstallationStep, ...]:
    """Only the import check."""
    command = (str(python), "-I", str(CHECK_SCRIPT), str(ADDON), *plan.checked)
    return (InstallationStep("check", "Checking", command, 0.05),)


class Installation:
    """Begins with the first `poll()`, which never waits; call it until `state` is no longer "running"."""

    def __init__(self, folder: Path, plan: Plan, steps: Sequence[InstallationStep], stamped: bool = True) -> None:
        """`stamped` is False for the check of a Python that is not the folder's own."""
        self.state: State = "running"
        self.error: ErrorReport | None = None
        self.report: CheckReport | None = None
        self.last_lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._folder = folder
        self._plan = plan
        self._steps = tuple(steps)
        self._stamped = stamped
        self._index = -1
        self._log = folder / ("installation.log" if self.installs else "check.log")
        self._child: ChildProcess | None = None
        self._lines: list[str] = []
        self._wanted: dict[str, float] = {}
        self._arrived: dict[str, float] = {}
        self._began = time.monotonic()
        self._cancelled = False

    @property
    def installs(self) -> bool:
        """False for a check alone."""
        return self._steps[0].name != "check"

    @property
    def words(self) -> str:
        """What happens now, in one line."""
        if not 0 <= self._index < len(self._steps):
            return "Starting"
        missing = [name for name in self._wanted if name not in self._arrived]
        label = self._steps[self._index].label
        return f"{label}: downloading {missing[0]} ({self._wanted[missing[0]] / 1e6:.0f} MB)" if missing else label

    @property
    def fraction(self) -> float:
        """The share done, in [0, 1]: whole steps, and within one the bytes of the packages that arrived."""
        total = sum(step.share for step in self._steps)
        done = sum(step.share for step in self._steps[:max(self._index, 0)])
        if 0 <= self._index < len(self._steps) and self._wanted:
            done += self._steps[self._index].share * sum(self._arrived.values()) / sum(self._wanted.values())
        return 1.0 if self.state == "done" else done / total

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began

    def poll(self) -> State:
        """Read what is new, go to the next step when one has ended. Costs about a millisecond."""
        if self.state != "running":
            return self.state
        try:
            self._advance()
        except OSError as error:
            self._fail(f"{error.strerror or error}: {error.filename or self._folder}.")
        return self.state

    def cancel(self) -> None:
        """Stop as soon as the child has ended; uv's cache keeps what arrived, and the next run goes on from there."""
        self._cancelled = True
        if self._child is not None:
            self._child.end()

    def kill(self) -> None:
        """End at once, for Blender's own end."""
        if self._child is not None:
            self._child.kill()
        self.state = "cancelled"

    def _advance(self) -> None:
        if self._child is None:
            self._prepare()
            self._start_next()
            return
        lines, status = self._child.poll()
        for line in lines:
            self._take(line)
        if status is None:
            return
        if self._cancelled:
            self.state = "cancelled"
        elif status != 0 and self._steps[self._index].name != "check":
            self._fail(_reason(self._lines) or f"It ended with status {status}.")
        elif self._index + 1 < len(self._steps):
            self._start_next()
        else:
            self._conclude()

    def _prepare(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._log.write_bytes(b"")
        if self.installs:
            write_stamp(self._folder, Stamp(self._plan.digest, self._plan.build))

    def _start_next(self) -> None:
        self._index += 1
        self._lines, self._wanted, self._arrived = [], {}, {}
        # The cache and the Python stay in the artist's folder. Without colors and moving bars uv prints plain lines.
        extra = {"UV_CACHE_DIR": str(self._folder / "cache"), "UV_PYTHON_INSTALL_DIR": str(self._folder / "python"),
                 "WARP_CACHE_PATH": str(self._folder / "warp"),
                 "UV_NO_PROGRESS": "1", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
        self._child = ChildProcess(self._steps[self._index].command, self._log, self._folder, extra)

    def _take(self, line: str) -> None:
        if not line.strip():
            return
        self._lines.append(line)
        if not line.startswith("{"):  # the check's report is for `read_check`
            self.last_lines.append(line)
        if match := _SIZE.match(line):
            verb, name, number, unit = match.groups()
            if verb == "Downloading":
                self._wanted[name] = float(number) * _UNITS[unit] if number else 1.0
            elif name in self._wanted:
                self._arrived[name] = self._wanted[name]

    def _conclude(self) -> None:
        self.report = read_check(self._lines)
        if self._stamped:
            self._stamp(self.report)
        if self.report.problem:
            self._fail(f"{self.report.problem}.")
        else:
            self.state = "done"

    def _stamp(self, report: CheckReport) -> None:
        stamp = replace(read_stamp(self._folder) or Stamp(self._plan.digest, self._plan.build),
                        problem=report.problem, device=report.device, versions=report.versions)
        if self.installs:
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            stamp = replace(stamp, complete=not report.problem, date=now)
        write_stamp(self._folder, stamp)

    def _fail(self, why: str) -> None:
        label = self._steps[max(self._index, 0)].label
        self.state = "failed"
        self.error = explain(f"{label} failed.", [*self._lines, why]) or ErrorReport(
            f"{label} failed.", why,
            "Check the network and the disk, then repair: downloaded files are kept. The log is in the engine's folder."
            if self.installs else "Repair the engine, or choose another Python.",
            Remedy.RETRY, "\n".join(self.last_lines))


def _reason(lines: Sequence[str]) -> str:
    """uv's own words: from the line that begins with "error" on, else the last line."""
    for index, line in enumerate(lines):
        if line.lstrip().startswith(("error", "×")):
            return " ".join(part.strip() for part in lines[index:index + 4])
    return lines[-1].strip() if lines else ""


def require_space(plan: Plan, folder: Path) -> None:
    """Raises MeshwrightError, with the numbers, when the runtime does not fit on the folder's disk, or has none.

    What is installed already is counted for five seconds at most.
    """
    there = existing_part(folder)
    if there is None:
        raise MeshwrightError(f"The folder {folder} cannot be reached.", "Its drive or network share is not there.",
                              "Connect it, or choose another folder for the engine.", Remedy.CHOOSE_FOLDER)
    free = shutil.disk_usage(there).free
    installed = Measurement(folder)
    installed.poll(SECONDS_TO_MEASURE)
    needed = max(plan.disk_bytes - installed.bytes, 0)
    if needed + RESERVE > free:
        raise MeshwrightError(
            "There is not enough disk space for the engine.",
            f"It needs {needed / 1e9:.1f} GB more and {RESERVE / 1e9:.0f} GB stay free; {there} has "
            f"{free / 1e9:.1f} GB.",
            f"Free {(needed + RESERVE - free) / 1e9:.1f} GB, or choose another folder.", Remedy.CHOOSE_FOLDER)
