#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets up, tests, lints and shows Meshwright: `python dev.py setup | test | soak | demo | lint`.

Runs on the standard library of any Python 3.9 or newer; what it sets up is a Python 3.11 environment in `.venv`.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from tests.suites import NOTHING_CHOSEN, PASSED, Outcome, Suite, count, end_with_children, run_side_by_side

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
STAMP = VENV / "meshwright-setup.json"
OUT = HERE / "out"
WINDOWS = os.name == "nt"
VENV_PYTHON = VENV / ("Scripts/python.exe" if WINDOWS else "bin/python")

TORCH = "torch==2.13.0"
RUNTIME_REQUIREMENTS, DEVELOPMENT_REQUIREMENTS = HERE / "backend" / "requirements.txt", HERE / "requirements-dev.txt"
SERVER_REQUIREMENTS = HERE / "backend" / "requirements-server.txt"
REQUIREMENTS = (RUNTIME_REQUIREMENTS, DEVELOPMENT_REQUIREMENTS, SERVER_REQUIREMENTS)
# What the bpy module links on Linux and servers often lack: library, and the Debian package that holds it.
SYSTEM_LIBRARIES = {
    "libX11.so.6": "libx11-6", "libXrender.so.1": "libxrender1", "libXfixes.so.3": "libxfixes3", "libXi.so.6": "libxi6",
    "libxkbcommon.so.0": "libxkbcommon0", "libSM.so.6": "libsm6", "libICE.so.6": "libice6",
}
# Several OpenMP threads spin against each other on few cores and make tiny models a hundred times slower.
TEST_THREADS = {"OMP_NUM_THREADS": "1"}
WARN_OF_ENCODINGS = ("-X", "warn_default_encoding")  # an error where our own code forgets one: see pyproject.toml
SYSTEMS = ("linux", "win32", "darwin")
INSTALL_LIMIT, SUITE_LIMIT, SOAK_LIMIT, DEMO_LIMIT = 3600, 1200, 1800, 900  # seconds
MODELS = [spec.parent.name for spec in sorted(HERE.glob("backend/pipelines/*/spec.py"))]
MODEL_TESTS = [f"tests/{name}" for name in ("parity", *MODELS)]
# bpy cannot be unloaded, and must not be near tests that prove the backend runs without it. The models' tests take as
# long as all others together: two cores are busy to the end. Suites start in this order.
SUITES = {
    "of the models": [*MODEL_TESTS, "--durations=25"],
    "inside Blender": ["tests/addon", "--durations=25"],
    "without Blender": ["tests", *(f"--ignore={path}" for path in ("tests/addon", "tests/gui", *MODEL_TESTS)),
                        "--durations=25"],
}


def stop(message: str) -> NoReturn:
    """End with exit code 1 and a message for the person at the terminal."""
    sys.stderr.write(f"\n{message}\n")
    sys.exit(1)


def say(text: str) -> None:
    """One line for the person at the terminal."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class StatusLine:
    """One line that is written over on a terminal; elsewhere a new line at most every 20 seconds."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._shown = 0.0
        self._terminal = sys.stdout.isatty()

    def show(self, text: str) -> None:
        """Replace the line."""
        now = time.monotonic()
        line = f"[{now - self._begin:4.0f}s] {text}"
        if self._terminal:
            sys.stdout.write(f"\r\x1b[K{line[:shutil.get_terminal_size().columns - 1]}")
        elif now - self._shown > 20:
            self._shown = now
            sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def close(self, text: str) -> None:
        """Leave a last line."""
        sys.stdout.write(("\r\x1b[K" if self._terminal else "") + f"[{time.monotonic() - self._begin:4.0f}s] {text}\n")
        sys.stdout.flush()


def run(command: list[str], seconds: float, environment: Mapping[str, str] | None = None) -> int:
    """Exit code of a command; it and its children are killed when the time is up, which counts as 124."""
    process = subprocess.Popen(command, cwd=HERE, env={**os.environ, **(environment or {})},
                               start_new_session=not WINDOWS)
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        sys.stderr.write(f"\nStopped after {seconds:.0f} s: {' '.join(command)}\n")
        return 124
    finally:
        if process.poll() is None:
            end_with_children(process)


def clean_environment(user: Path) -> dict[str, str]:
    """For processes with bpy: settings and extensions in a folder of their own, and the backend's Python."""
    return {"BLENDER_USER_RESOURCES": str(user), "MESHWRIGHT_PYTHON": str(VENV_PYTHON), "PYTHONUNBUFFERED": "1"}


# ------------------------------------------------------------------------------------------------------------- setup

def find_python() -> str:
    """Path of a Python 3.11, which bpy 5.0 needs exactly. Ends the program when there is none."""
    candidates = [[sys.executable], ["python3.11"], ["py", "-3.11"], ["python3"], ["python"]]
    question = "import sys, venv, ensurepip; print(sys.version_info[:2] == (3, 11), sys.executable)"
    lacks_venv = ""
    for candidate in candidates:
        try:
            answer = subprocess.run([*candidate, "-c", question], capture_output=True, text=True, timeout=30)
        except (OSError, subprocess.TimeoutExpired):
            continue
        right, _, path = answer.stdout.strip().partition(" ")
        if right == "True":
            return path
        if "3.11" in " ".join(candidate) and "ensurepip" in answer.stderr:
            lacks_venv = candidate[0]
    if lacks_venv:
        stop(f"{lacks_venv} lacks its venv module. On Debian and Ubuntu:\n\n"
             "    sudo apt-get install -y python3.11-venv\n\nThen run this again.")
    stop("Meshwright's tests and demo need Python 3.11 exactly (Blender 5.0's own version), and none was found.\n"
         "Install it from python.org, with `apt-get install python3.11 python3.11-venv`, `brew install python@3.11`\n"
         "or `uv python install 3.11`, see that `python3.11` is on the PATH, and run this again.")


def missing_packages() -> list[str]:
    """Debian packages of the system libraries that bpy links and this machine lacks."""
    if not sys.platform.startswith("linux"):
        return []
    missing = []
    for library, package in SYSTEM_LIBRARIES.items():
        try:
            ctypes.CDLL(library)
        except OSError:
            missing.append(package)
    return missing


def requirements_hash() -> str:
    """Changes whenever anything that setup installs changes."""
    text = TORCH.encode() + b"".join(path.read_bytes() for path in REQUIREMENTS)
    return hashlib.sha256(text).hexdigest()


def is_set_up() -> bool:
    """Whether `.venv` is complete and fits the requirement files."""
    try:
        return VENV_PYTHON.exists() and json.loads(STAMP.read_text())["requirements"] == requirements_hash()
    except (OSError, ValueError, KeyError):
        return False


def run_installer(title: str, command: list[str], status: StatusLine) -> str:
    """Run `pip install` or `uv pip install`, showing what it is at; "" when all is well, else its last lines."""
    process = subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines, downloads, end = [], 0, time.monotonic() + INSTALL_LIMIT
    for line in process.stdout or ():
        lines.append(line)
        words = line.split()
        if words and words[0] == "Downloading":
            downloads += 1
            name = words[1].rsplit("/", 1)[-1]
            status.show(f"{title}: file {downloads}, {name.split('-')[0]} {' '.join(words[2:])}")
        elif words and words[0] == "Installing":
            status.show(f"{title}: unpacking {len(words) - 3} packages")
        if time.monotonic() > end:
            process.kill()
    return "" if process.wait() == 0 else "".join(lines[-25:]) or "It said nothing."


def pip(*words: str) -> list[str]:
    """The command that installs `words` into `.venv`."""
    return [str(VENV_PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-input",
            "--progress-bar", "off", *words]


def install(title: str, status: StatusLine, *commands: list[str]) -> None:
    """Run the first of the commands that succeeds. Ends the program when none does."""
    for command in commands:
        complaint = run_installer(title, command, status)
        if not complaint:
            return
    stop(f"pip could not install {title}:\n\n{complaint}")


def torch_commands() -> list[list[str]]:
    """Ways to install torch, the best first. Tests and demo compute on the CPU.

    The registry's own build for Linux brings gigabytes for NVIDIA. An index of this machine may have the build without
    them; else uv finds it, which knows torch's own index by the build's name; else the registry's own has to do.
    """
    if not sys.platform.startswith("linux"):
        return [pip(TORCH)]
    uv = [str(VENV_PYTHON), "-m", "uv", "pip", "install", "--python", str(VENV_PYTHON), "--torch-backend", "cpu", TORCH]
    return [pip(f"{TORCH}+cpu"), uv, pip(TORCH)]


def setup() -> None:
    """Make `.venv`; a finished one is left alone. Ends the program with one line of advice where something lacks."""
    if missing := missing_packages():
        stop("Blender's module needs system libraries that this machine lacks. On Debian and Ubuntu:\n\n"
             f"    sudo apt-get install -y {' '.join(missing)}\n\nThen run this again.")
    if is_set_up():
        return
    python, status = find_python(), StatusLine()
    if not VENV_PYTHON.exists() or venv_version() != (3, 11):
        status.show("making .venv")
        subprocess.run([python, "-m", "venv", "--clear", str(VENV)], check=True, timeout=300)
    install("requirements-dev.txt", status, pip("-r", str(DEVELOPMENT_REQUIREMENTS)))
    install("torch", status, *torch_commands())
    runtime = ["-r", str(RUNTIME_REQUIREMENTS), "-r", str(SERVER_REQUIREMENTS)]  # together, so that they agree
    install("the backend's packages", status, pip(*runtime))
    status.show("trying Blender's module")
    with tempfile.TemporaryDirectory(prefix="meshwright-") as user:
        if run([str(VENV_PYTHON), "-c", "import bpy, torch"], 120, clean_environment(Path(user))) != 0:
            stop("The environment in .venv was installed, but does not start: see the lines above.")
    STAMP.write_text(json.dumps({"requirements": requirements_hash()}))
    status.close("set up in .venv")


def venv_version() -> tuple[int, int]:
    """(major, minor) of the Python in `.venv`, (0, 0) when it does not start."""
    answer = subprocess.run([str(VENV_PYTHON), "-c", "import sys; print(*sys.version_info[:2])"],
                            capture_output=True, text=True, timeout=30)
    major, minor = (answer.stdout.split() or ["0", "0"])[:2]
    return int(major), int(minor)


# -------------------------------------------------------------------------------------------------------------- test

def suite_commands(arguments: list[str]) -> dict[str, list[str]]:
    """pytest's arguments by suite. Paths among `arguments` replace what the suites run, options go to all."""
    paths = [word for word in arguments if not word.startswith("-") and (HERE / word.split("::")[0]).exists()]
    options = [word for word in arguments if word not in paths]
    if not paths:
        return {name: [*words, *options] for name, words in SUITES.items()}
    inside = [path for path in paths if Path(path).as_posix().startswith("tests/addon")]
    chosen = {"without Blender": [path for path in paths if path not in inside], "inside Blender": inside}
    return {name: [*words, *options] for name, words in chosen.items() if words}


def run_alone(suite: Suite) -> Outcome:
    """Run one suite whose output goes to the terminal as it comes."""
    say(f"\n== tests {suite.title}")
    suite.report.unlink(missing_ok=True)
    code = run(suite.command, SUITE_LIMIT, suite.environment)
    return Outcome(suite.title, *count(suite.report), code)


def run_together(suites: list[Suite]) -> list[Outcome]:
    """Run several suites side by side, with one line of progress; then show what is slow, and what failed."""
    status = StatusLine()
    outcomes = run_side_by_side(suites, SUITE_LIMIT, status.show)
    status.close("done; the logs are " + ", ".join(str(suite.log.relative_to(HERE)) for suite in suites))
    for outcome in outcomes:
        say(f"\n== tests {outcome.title}: {outcome.passed} passed, {outcome.failed} failed\n{outcome.durations}")
    for outcome in outcomes:
        if outcome.trouble:
            say(f"\n== FAILED tests {outcome.title}\n{outcome.trouble}")
    return outcomes


def test(arguments: list[str]) -> int:
    """Run the suites that `arguments` choose, side by side, and sum them up in the last line."""
    setup()
    begin, logs = time.monotonic(), OUT / "tests"
    logs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="meshwright-test-") as name:
        suites = []
        for title, words in suite_commands(arguments).items():
            user = Path(name, title)
            user.mkdir()
            suites.append(Suite(title, [str(VENV_PYTHON), *WARN_OF_ENCODINGS, "-m", "pytest", *words],
                                {**clean_environment(user), **TEST_THREADS}, logs))
        outcomes = [run_alone(suites[0])] if len(suites) == 1 else run_together(suites)
    for outcome in outcomes:
        if outcome.crashed:
            say(f"the tests {outcome.title} did not end by themselves: exit code {outcome.code}")
    passed, failed, skipped = (sum(getattr(outcome, result) for outcome in outcomes)
                               for result in ("passed", "failed", "skipped"))
    harmless = (PASSED, NOTHING_CHOSEN) if arguments else (PASSED,)
    if not failed and (not passed or any(outcome.code not in harmless for outcome in outcomes)):
        failed = 1  # a process that died after its last test, or nothing that ran at all
    say(f"\nall suites took {time.monotonic() - begin:.0f} s, {skipped} tests were skipped")
    say(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


# -------------------------------------------------------------------------------------------------------- lint, demo

def lint() -> int:
    """Style by ruff, types by mypy, once as each system: code for another one is checked too. Each keeps a cache."""
    setup()
    types = [["mypy", "--platform", system, "--cache-dir", f".mypy_cache/{system}"] for system in SYSTEMS]
    codes = [run([str(VENV_PYTHON), "-m", *words], 600) for words in (["ruff", "check", "."], *types)]
    return 1 if any(codes) else 0


def soak() -> int:
    """Every attack of `tests/faults` in full, with its metrics; `test` runs a selection of each."""
    setup()
    command = [str(VENV_PYTHON), "-m", "pytest", "tests/faults", "-s", "--show-capture=no"]
    with tempfile.TemporaryDirectory(prefix="meshwright-soak-") as user:
        return run(command, SOAK_LIMIT, {**clean_environment(Path(user)), **TEST_THREADS, "MESHWRIGHT_SOAK": "1"})


def demo(image: Path) -> int:
    """Build the extension, install it into headless Blender and let it turn an image into parts; see examples/."""
    setup()
    if not image.is_file():
        stop(f"There is no image {image}.")
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="meshwright-demo-") as name:
        folder = Path(name)
        say("building the extension")
        build = [str(VENV_PYTHON), "build_addon.py", "--no-wheels", "--out", str(folder)]
        if run(build, 120) != 0:
            return 1
        archive = next(folder.glob("meshwright-*.zip"))
        user = folder / "user"
        user.mkdir()
        return run([str(VENV_PYTHON), "examples/demo.py", "--extension", str(archive), "--image", str(image.resolve()),
                    "--out", str(OUT)], DEMO_LIMIT, clean_environment(user))


def main() -> int:
    """The command line."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that `run` ends what it started
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("setup", help="make .venv with everything that tests and demo need")
    commands.add_parser("lint", help="style and types")
    commands.add_parser("test", help="run the tests that need no display; further words go to pytest")
    commands.add_parser("soak", help="the attacks in full: killed processes, malformed messages, a hub that misbehaves")
    shown = commands.add_parser("demo", help="parts from an image, painted, remeshed: out/demo.png, out/demo.blend")
    shown.add_argument("--image", type=Path, default=HERE / "examples" / "chair.png")
    arguments, further = parser.parse_known_args()
    if further and arguments.command != "test":
        parser.error(f"{arguments.command} does not take {' '.join(further)}")
    if arguments.command == "setup":
        begin = time.monotonic()
        setup()
        say(f"ready: {VENV_PYTHON.relative_to(HERE)} ({time.monotonic() - begin:.1f} s)")
        return 0
    if arguments.command == "lint":
        return lint()
    if arguments.command == "soak":
        return soak()
    return test(further) if arguments.command == "test" else demo(arguments.image)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        stop("Stopped.")
