# SPDX-License-Identifier: GPL-3.0-or-later
"""Suites side by side, with real pytest processes: one well, one failing, one that dies, one that hangs."""

import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.suites import TOO_LATE, Outcome, Suite, run_side_by_side

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither signals nor groups")
SOURCES = {
    "well": "def test_good(): pass",
    "failing": "def test_good(): print('noise')\ndef test_bad(): assert 'left' == 'right'",
    "dying": "import os\ndef test_good(): pass\ndef test_dies(): os.abort()",
    "hanging": ("import subprocess, sys\ndef test_stuck():\n"
                "    child = 'import os, sys, time; open(sys.argv[1], \"w\").write(str(os.getpid())); time.sleep(60)'\n"
                "    subprocess.run([sys.executable, '-c', child, __file__ + '.child'])"),
}

Ended = tuple[dict[str, Outcome], list[str]]
"""Outcomes by title, and the lines of progress."""


def suite(name: str, folder: Path) -> Suite:
    """A suite of one of those files."""
    file = folder / f"test_{name}.py"
    file.write_text(SOURCES[name])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--durations=25", "--durations-min=0",
               f"--rootdir={folder}", str(file)]
    return Suite(name, command, {"PYTHONUNBUFFERED": "1"}, folder)


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Three suites that ended by themselves."""
    folder, lines = tmp_path_factory.mktemp("suites"), []
    outcomes = run_side_by_side([suite(name, folder) for name in ("well", "failing", "dying")], 60, lines.append, 3)
    return {outcome.title: outcome for outcome in outcomes}, lines


def test_results_are_counted_by_suite(ended: Ended) -> None:
    outcomes = ended[0]
    assert [(outcome.passed, outcome.failed, outcome.code) for outcome in outcomes.values()] == [
        (1, 0, 0), (1, 1, 1), (0, 1, -signal.SIGABRT)]
    assert [outcome.crashed for outcome in outcomes.values()] == [False, False, True]


def test_only_what_went_wrong_is_shown(ended: Ended) -> None:
    outcomes = ended[0]
    assert outcomes["well"].trouble == ""
    assert "assert 'left' == 'right'" in outcomes["failing"].trouble and "test_bad" in outcomes["failing"].trouble
    assert "slowest" not in outcomes["failing"].trouble and "noise" not in outcomes["failing"].trouble
    assert "test_dies" in outcomes["dying"].trouble
    assert "test_good" in outcomes["well"].durations and "test_bad" in outcomes["failing"].durations
    assert "right" not in outcomes["failing"].durations


def test_progress_names_every_suite(ended: Ended) -> None:
    assert ended[1] and all(line.count(" | ") == 2 for line in ended[1])
    assert all(line.startswith("well ") and "| dying " in line for line in ended[1])


def test_a_suite_waits_for_its_turn(tmp_path: Path) -> None:
    lines: list[str] = []
    first, second = run_side_by_side([suite("failing", tmp_path), suite("well", tmp_path)], 60, lines.append, 1)
    assert (first.failed, second.passed) == (1, 1)
    assert lines[0].endswith("| well waits")
    assert (tmp_path / "well.log").stat().st_ctime >= (tmp_path / "failing.xml").stat().st_mtime
    assert not lines[-1].endswith("waits")


def test_a_suite_whose_time_is_up_says_where_it_was(tmp_path: Path) -> None:
    begin = time.monotonic()
    well, hanging = run_side_by_side([suite("well", tmp_path), suite("hanging", tmp_path)], 8.0, lambda line: None, 2)
    assert time.monotonic() - begin < 20
    assert (well.passed, well.code) == (1, 0)
    assert hanging.code == TOO_LATE and hanging.crashed and hanging.failed == 1
    assert "test_stuck" in hanging.trouble
    child = int(next(tmp_path.glob("*.child")).read_text())
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() - begin < 30, "what it started goes on"
        time.sleep(0.05)
