# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's central tests inside the bpy modules of older Blenders, each in a virtual environment of its own:

    python -m tests.older_blenders FOLDER

Runs as Python 3.11 of the environment that `dev.py setup` made: its libraries are the worker's, the older modules have
none. The environments, 1 GB each, are kept in FOLDER. One that cannot be installed is reported and left out; exit code
1 says that a test failed, or that a suite died or hung.
"""

import argparse
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .suites import Outcome, Suite, run_side_by_side

log = logging.getLogger(__name__)

INSTALL_SECONDS, SUITE_SECONDS = 900, 900
SELECTION = (
    "test_package.py",  # the zip, its installation, registration, what is left behind
    "test_capture.py", "test_deliver.py", "test_replacement.py",
    "test_api_names.py", "test_older_files.py",  # where versions differ
    "test_operators.py", "test_remesh.py", "test_texture_run.py",  # jobs through the real worker
    "test_image_sources.py", "test_textures_seen.py", "test_menus.py", "test_translations.py",
)
LIBRARIES = ("pytest", "pytest-timeout", "pillow", "psutil", "filelock")


@dataclass(frozen=True)
class OlderBlender:
    """A published bpy module, and the numpy of that Blender's own Python, which pip would not pick."""

    version: str
    numpy: str

    def requirements(self, known: Sequence[str]) -> list[str]:
        """What to install, with the versions that the other tests use (`known`: lines like `pytest==9.2.0`)."""
        pins = [line.split("#")[0].strip() for line in known]
        return [f"bpy=={self.version}", f"numpy=={self.numpy}",
                *(pin for pin in pins if pin.partition("==")[0] in LIBRARIES)]


BLENDERS = (OlderBlender("4.2.23", "1.24.3"), OlderBlender("4.5.15", "1.26.4"))


def environment(blender: OlderBlender, folder: Path) -> Path:
    """The Python with that bpy module, installed into `folder` unless it is there. Raises OSError with pip's words."""
    known = [*Path("requirements-dev.txt").read_text(encoding="utf-8").splitlines(),
             *Path("backend/requirements.txt").read_text(encoding="utf-8").splitlines()]
    wanted = blender.requirements(known)
    home = folder / blender.version
    python, stamp = home / "bin" / "python", home / "installed.txt"
    if stamp.is_file() and stamp.read_text(encoding="utf-8").split() == wanted:
        return python
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    commands = [[*pip, *wanted]]
    if not python.is_file():
        commands.insert(0, [sys.executable, "-m", "venv", "--clear", str(home)])
    for command in commands:
        try:
            ran = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise OSError(f"{' '.join(command)} took more than {INSTALL_SECONDS} s") from error
        if ran.returncode:
            raise OSError("\n".join((ran.stdout + ran.stderr).splitlines()[-5:]))
    stamp.write_text("\n".join(wanted), encoding="utf-8")
    return python


def suite(blender: OlderBlender, python: Path, scratch: Path, logs: Path) -> Suite:
    """The selection on that Blender, with settings of its own and the worker's Python that runs this."""
    user = scratch / blender.version
    user.mkdir()
    command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", *(f"tests/addon/{name}" for name in SELECTION)]
    return Suite(f"Blender {blender.version}", command, {
        "BLENDER_USER_RESOURCES": str(user), "MESHWRIGHT_PYTHON": sys.executable, "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1"}, logs)


def report(outcome: Outcome) -> bool:
    """Write how a suite ended; returns whether all is well."""
    if outcome.trouble:
        log.error("FAILED %s (exit code %d)\n%s", outcome.title, outcome.code, outcome.trouble)
    log.info("%s: %d passed, %d failed, %d skipped", outcome.title, outcome.passed, outcome.failed, outcome.skipped)
    return outcome.code == 0 and outcome.passed > 0 and not outcome.failed


def main() -> int:
    """The command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="where the environments are kept")
    folder = parser.parse_args().folder.absolute()
    os.chdir(Path(__file__).parents[1])
    folder.mkdir(parents=True, exist_ok=True)
    logs = Path("out", "tests").absolute()
    logs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="meshwright-test-") as scratch:
        suites = []
        for blender in BLENDERS:
            try:
                suites.append(suite(blender, environment(blender, folder), Path(scratch), logs))
            except OSError as error:
                log.warning("NOT RUN: the tests on Blender %s, whose bpy module could not be installed:\n%s",
                            blender.version, error)
        outcomes = run_side_by_side(suites, SUITE_SECONDS, log.debug)
    well = [report(outcome) for outcome in outcomes]
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main())
