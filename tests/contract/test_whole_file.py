# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that another program holds open, as Windows reports it, and files that cannot be written at all."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.contract import replace_preview, replace_whole, whole_file, write_text_whole

InUse = Callable[[int, int | None], list[float]]


@pytest.fixture
def in_use(monkeypatch: pytest.MonkeyPatch) -> InUse:
    """Have the first so many replacements fail with that error of Windows (None: POSIX); returns when each was tried.
    """
    original = Path.replace

    def hold(times: int, winerror: int | None) -> list[float]:
        attempts: list[float] = []

        def replace(draft: Path, target: Path) -> Path:
            attempts.append(time.monotonic())
            if len(attempts) <= times:
                error = PermissionError(13, "The process cannot access the file", str(target))
                if winerror is not None:
                    error.winerror = winerror  # type: ignore[attr-defined]
                raise error
            return original(draft, target)

        monkeypatch.setattr(Path, "replace", replace)
        return attempts

    return hold


@pytest.mark.parametrize("winerror", [5, 32, 33])
def test_a_file_in_use_is_waited_for(in_use: InUse, tmp_path: Path, winerror: int) -> None:
    attempts, path = in_use(3, winerror), tmp_path / "state.json"
    path.write_text("old")
    write_text_whole(path, "new")
    assert path.read_text() == "new" and len(attempts) == 4
    assert [file.name for file in tmp_path.iterdir()] == ["state.json"], "no draft is left"


def test_a_file_that_stays_in_use_is_an_error_after_two_seconds(in_use: InUse, tmp_path: Path) -> None:
    attempts, path = in_use(10**6, 32), tmp_path / "state.json"
    path.write_text("old")
    with pytest.raises(PermissionError):
        write_text_whole(path, "new")
    assert 1.9 < attempts[-1] - attempts[0] < 3
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("winerror", [None, 19])
def test_what_no_waiting_helps_against_is_an_error_at_once(in_use: InUse, tmp_path: Path, winerror: int | None) -> None:
    attempts = in_use(10**6, winerror)
    with pytest.raises(PermissionError):
        write_text_whole(tmp_path / "state.json", "new")
    assert len(attempts) == 1


def test_a_preview_that_cannot_be_written_is_left_out(
    in_use: InUse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(whole_file, "SECONDS_OF_PATIENCE", 0.1)
    in_use(10**6, 32)
    shown = tmp_path / "views.png"
    shown.write_text("old")
    with replace_preview(shown) as draft:
        draft.write_text("new")
    assert shown.read_text() == "old" and "views.png is not shown" in caplog.text
    with pytest.raises(ValueError), replace_preview(shown):
        raise ValueError("what the body gets wrong is no matter of the disk")
    with pytest.raises(OSError), replace_whole(tmp_path / "not" / "there" / "file") as draft:
        draft.write_text("new")
