# SPDX-License-Identifier: GPL-3.0-or-later
"""Children end with the process that started them, however that ends, and with all that they started themselves."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from blender_addon import bound_child, process_tree
from blender_addon.process_tree import ProcessTree, bound

pytestmark = pytest.mark.skipif(os.name == "nt", reason="job objects are Windows' own way")
ADDON = Path(process_tree.__file__).parent
WAYS = {"signal": "linux", "watch": "darwin"}
FAMILY = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
print(os.getpid(), child.pid, flush=True)
time.sleep(100)
"""
PARENT = f"""
import sys, time
sys.path.append(sys.argv[2])
import process_tree
process_tree.bound.__defaults__ = (sys.argv[1],)
tree = process_tree.ProcessTree([sys.executable, "-c", {FAMILY!r}])
time.sleep(100)
"""


def gone(pid: int, seconds: float = 5) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each way that a system without job objects has; both work on Linux."""
    monkeypatch.setattr(process_tree, "bound", lambda command: bound(command, WAYS[request.param]))
    return str(request.param)


def test_a_crash_of_the_parent_ends_the_child(way: str) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, WAYS[way], str(ADDON)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child, grandchild = map(int, parent.stdout.readline().split())
    try:
        parent.kill()
        parent.wait()
        assert gone(child)
        assert way == "signal" or gone(grandchild), "a watcher ends the whole group"
    finally:
        for pid in (child, grandchild):
            if psutil.pid_exists(pid):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("force", [False, True])
def test_the_children_of_a_child_end_with_it(way: str, force: bool) -> None:
    tree = ProcessTree([sys.executable, "-c", FAMILY], stdout=subprocess.PIPE)
    assert tree.process.stdout is not None
    pids = list(map(int, tree.process.stdout.readline().split()))
    tree.end(force)
    assert all(gone(pid) for pid in pids)
    assert tree.process.wait(5) == -(signal.SIGKILL if force else signal.SIGTERM)
    tree.end(force)
    tree.process.stdout.close()


@pytest.mark.parametrize(("code", "status"), [("", 0), ("raise SystemExit(7)", 7),
                                              ("import os; os.kill(os.getpid(), 9)", -9),
                                              ("import os; os.kill(os.getpid(), 15)", -15)])
def test_it_ends_as_the_command_does(way: str, code: str, status: int) -> None:
    assert ProcessTree([sys.executable, "-c", code]).process.wait(20) == status


def test_broken_pipes_are_the_default_for_the_command(way: str) -> None:
    show = "import signal; raise SystemExit(signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN)"
    read = ["sh", "-c", "grep -q 'SigIgn:.*[13579bdf]...$' /proc/$$/status; exit $?"]  # SIGPIPE, number 13, is bit 12
    assert ProcessTree([sys.executable, "-c", show]).process.wait(20) == 1, "Python itself ignores it"
    assert ProcessTree(read).process.wait(20) == 1, "inherited, a program would not end with its reader"


def test_a_program_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ProcessTree([str(tmp_path / "python")])


def test_a_blender_without_a_python_of_its_own_starts_the_command_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/usr/bin/blender")
    assert bound(["uv", "--version"]) == ["uv", "--version"]


def test_a_parent_that_ended_before_the_kernel_was_asked(tmp_path: Path) -> None:
    marker: Callable[[], bool] = (tmp_path / "ran").exists
    command = [sys.executable, bound_child.__file__, "signal", "1", "touch", str(tmp_path / "ran")]
    assert subprocess.run(command, check=False).returncode == 1
    assert not marker()
