# SPDX-License-Identifier: GPL-3.0-or-later
"""Scratch folders end with their process, or with the next one's start."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from backend.contract.scratch import is_running, remove_dead_scratch, scratch_folder

REPOSITORY = Path(__file__).parents[2]
_HOLDER = """
import sys
from backend.contract.scratch import scratch_folder

with scratch_folder() as folder:
    (folder / "image.png").write_bytes(b"x")
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_process_left_goes_at_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    holder = subprocess.Popen([sys.executable, "-c", _HOLDER], cwd=REPOSITORY, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(tmp_path)})
    folder = Path(holder.stdout.readline().strip())
    assert folder.parent == tmp_path and folder.stat().st_mode & 0o777 == 0o700
    others = [tmp_path / name for name in ("meshwright-blender-x", "meshwright-notes", "else-1-x")]
    for other in others:
        other.mkdir()
    (tmp_path / "meshwright-999999999-link").symlink_to(others[0])
    with scratch_folder() as own:
        assert remove_dead_scratch() == [], "its process runs"
        holder.kill()
        holder.wait(10)
        holder.stdin.close()
        assert remove_dead_scratch() == [folder] and not folder.exists()
        assert own.is_dir() and all(other.is_dir() for other in others)
    assert not own.exists()


def test_who_runs() -> None:
    assert is_running(os.getpid()) and not is_running(2**30) and not is_running(9_999_999_999)
