# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtime as it should be (a plan) and as it is (a stamp in its folder).

    <folder>/env/          the Python environment
    <folder>/python/       the Python that uv fetched for it
    <folder>/cache/        uv's cache: what makes an interrupted installation go on, and a repair fast
    <folder>/bin/          uv itself
    <folder>/warp/         kernels that warp has compiled for this computer
    <folder>/runtime.json  the stamp
    <folder>/installation.log, check.log
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from ..backend.contract import MeshwrightError
from .accelerator import TorchBuild

PYTHON_VERSION = "3.11"
"""What uv is asked for: the version that the tests run with."""

OWN_NAMES = ("env", "python", "cache", "bin", "warp", "runtime.json", "installation.log", "check.log")
"""All that an installation makes, and all that a removal removes."""

CHECK_SCRIPT = Path(__file__).with_name("import_check.py")
ADDON = Path(__file__).parents[1]
REQUIREMENTS = ADDON / "backend" / "requirements.txt"
_STAMP = "runtime.json"
_MODULES = {"pillow": "PIL", "scikit-image": "skimage", "opencv-python-headless": "cv2", "python-fcl": "fcl",
            "warp-lang": "warp", "fast-simplification": "fast_simplification", "PyYAML": "yaml"}


class Condition(StrEnum):
    """How a runtime's folder is."""

    MISSING = "missing"
    OUTDATED = "outdated"
    BROKEN = "broken"
    READY = "ready"


@dataclass(frozen=True)
class Plan:
    """What is to be installed. `digest` changes with everything that matters for the result."""

    requirements: tuple[str, ...]
    build: str
    disk_bytes: int
    python: str = PYTHON_VERSION
    note: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of Python version, torch build and pinned packages, in hexadecimal."""
        return hashlib.sha256("\n".join((self.python, self.build, *self.requirements)).encode()).hexdigest()

    @property
    def torch(self) -> str:
        """The pinned torch, as a requirement."""
        return next(line for line in self.requirements if line.startswith("torch=="))

    @property
    def checked(self) -> tuple[str, ...]:
        """`distribution:module` of every package, for the import check."""
        names = [line.partition("==")[0] for line in self.requirements]
        return tuple(f"{name}:{_MODULES.get(name, name)}" for name in names)


@dataclass(frozen=True)
class Stamp:
    """What an installation left. `complete` is False from its start until its check has passed."""

    digest: str
    build: str
    complete: bool = False
    date: str = ""
    device: str = ""
    problem: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


def make_plan(build: TorchBuild, requirements: Path = REQUIREMENTS) -> Plan:
    """The plan for this build of torch. Raises MeshwrightError when the list of packages cannot be read."""
    return Plan(read_requirements(requirements), build.name, int(build.disk_gigabytes * 1e9), note=build.note)


def read_requirements(path: Path) -> tuple[str, ...]:
    """The pinned packages without comments. Raises MeshwrightError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise MeshwrightError("The list of packages is missing.", str(error), "Install the extension again.") from error
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return tuple(line for line in lines if line)


def python_of(folder: Path) -> Path:
    """The environment's interpreter, whether or not it is there."""
    return folder / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def read_stamp(folder: Path) -> Stamp | None:
    """The stamp, or None where nothing was installed or the stamp cannot be read."""
    try:
        return Stamp(**json.loads((folder / _STAMP).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # none, cut off, or of another version: all mean "install again"
        return None


def write_stamp(folder: Path, stamp: Stamp) -> None:
    """Write the stamp whole or not at all. Raises OSError."""
    draft = folder / f"{_STAMP}.draft"
    draft.write_text(json.dumps(asdict(stamp), indent=1), encoding="utf-8")
    draft.replace(folder / _STAMP)


def condition(folder: Path, requirements: Path = REQUIREMENTS) -> tuple[Condition, str]:
    """How the runtime is, and why, from its stamp alone: cheap, starts nothing.

    The torch build that was installed is taken for the right one; *Check* looks at the GPU too.
    """
    stamp = read_stamp(folder)
    if stamp is None:
        if (folder / "env").exists():
            return Condition.BROKEN, "An installation was not finished."
        return Condition.MISSING, "Nothing is installed yet."
    if stamp.problem or not stamp.complete:
        return Condition.BROKEN, stamp.problem or "An installation was not finished."
    if not python_of(folder).exists():
        return Condition.BROKEN, "The engine's Python no longer exists."
    if stamp.digest != Plan(read_requirements(requirements), stamp.build, 0).digest:
        return Condition.OUTDATED, "This version of Meshwright needs other packages."
    return Condition.READY, f"torch for {stamp.build}, on {stamp.device}."


@dataclass(frozen=True)
class CheckReport:
    """What the import check found; `problem` is empty when everything works."""

    problem: str
    versions: Mapping[str, str]
    device: str


def read_check(lines: list[str]) -> CheckReport:
    """The report in the check's output: its last line that is JSON."""
    for line in reversed(lines):
        if line.startswith("{"):
            try:
                report: dict[str, Any] = json.loads(line)
            except ValueError:
                continue
            failures = "; ".join(f"{name}: {reason}" for name, reason in report["failures"].items())
            return CheckReport(failures, report["versions"], report["device"])
    return CheckReport((lines[-1] if lines else "") or "The check reported nothing.", {}, "")
