# SPDX-License-Identifier: GPL-3.0-or-later
"""An option that is a file of the artist's."""

from pathlib import Path

import pytest

from backend.contract import BadInput, Parameter

CHECKPOINT = Parameter("checkpoint", "file", "", "Checkpoint", "")


def test_a_file_or_folder_that_is_there_becomes_an_absolute_path(tmp_path: Path, monkeypatch) -> None:
    file = tmp_path / "mine.safetensors"
    file.touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for given in (str(file), "mine.safetensors", f"  {file} ", "~/mine.safetensors"):
        assert CHECKPOINT.validated(given) == str(file)
    assert CHECKPOINT.validated(str(tmp_path)) == str(tmp_path)


@pytest.mark.parametrize("nothing", ["", "  "])
def test_none_is_allowed(nothing: str) -> None:
    assert CHECKPOINT.validated(nothing) == ""


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"Checkpoint cannot be found\. There is nothing at .*gone\.safetensors"):
        CHECKPOINT.validated(str(tmp_path / "gone.safetensors"))
    with pytest.raises(BadInput, match="It takes a file or folder, or nothing"):
        CHECKPOINT.validated(3)
