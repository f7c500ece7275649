# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders as other systems have them: where engine, models and jobs lie, drives that are not there, paths that Windows
takes only in another form. Windows' rules are imitated on any system.
"""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import SimpleNamespace

import pytest

from backend.contract import MeshwrightError, Remedy
from blender_addon import data_folders
from blender_addon.data_folders import default_folder, existing_part, long_path, shared_root
from blender_addon.setup import removal
from blender_addon.setup.accelerator import Accelerator
from blender_addon.setup.diagnostics import report
from blender_addon.setup.installation import require_space
from blender_addon.setup.removal import Measurement, Removal

from .conftest import Extension
from .test_setup import PLAN

MOST_CHARACTERS = 260
HOMES = ["Müller", "Ada Lovelace", "王小明"]


@pytest.mark.parametrize(("system", "environment", "home", "wanted"), [
    ("win32", {"LOCALAPPDATA": r"E:\ada\AppData\Local"}, r"C:\Users\ada", r"E:\ada\AppData\Local\Meshwright"),
    ("win32", {"LOCALAPPDATA": r"D:\Profiles\Ada L\Local"}, r"C:\Users\Ada L", r"D:\Profiles\Ada L\Local\Meshwright"),
    ("win32", {}, r"C:\Users\ada", r"C:\Users\ada\AppData\Local\Meshwright"),
    ("darwin", {}, "/Users/ada", "/Users/ada/Library/Application Support/Meshwright"),
    ("linux", {}, "/home/ada", "/home/ada/.local/share/meshwright"),
    ("linux", {"XDG_DATA_HOME": "/data/ada"}, "/home/ada", "/data/ada/meshwright"),
    ("linux", {"XDG_DATA_HOME": "relative"}, "/home/ada", "/home/ada/.local/share/meshwright"),
])
def test_the_shared_folder_follows_the_system(
    system: str, environment: dict[str, str], home: str, wanted: str
) -> None:
    kind = PureWindowsPath if system == "win32" else PurePosixPath
    assert str(shared_root(system, environment, kind(home))) == wanted


@pytest.mark.parametrize("name", HOMES)
def test_on_windows_the_folder_is_ascii_and_short(name: str) -> None:
    home = PureWindowsPath(r"C:\Users") / name
    local, common = str(home / "AppData" / "Local"), r"C:\ProgramData"
    root = shared_root("win32", {"LOCALAPPDATA": local, "PROGRAMDATA": common}, home)
    assert str(root).isascii() and len(str(root)) < 50
    others = {str(shared_root("win32", {"LOCALAPPDATA": f"C:\\Users\\{other}\\AppData\\Local"})) for other in HOMES}
    assert len(others) == len(HOMES), "each user has a folder"


@pytest.mark.parametrize("name", HOMES)
def test_models_are_taken_along_once_and_stay(tmp_path: Path, name: str) -> None:
    own, root = tmp_path / name / "extension" / "models", tmp_path / name / "shared"
    own.mkdir(parents=True)
    (own / "weights").write_text("large")
    assert default_folder("models", root, own) == root / "models"
    assert (root / "models" / "weights").read_text() == "large" and not own.exists()
    own.mkdir()  # another version of Blender, whose extension had models of its own
    (own / "others").touch()
    assert default_folder("models", root, own) == root / "models" and (own / "others").exists()


def test_models_on_another_disk_stay_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    own = tmp_path / "own"
    own.mkdir()
    (own / "weights").touch()
    monkeypatch.setattr(Path, "rename", refuse)
    assert default_folder("models", tmp_path / "shared", own) == own


def test_a_shared_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert default_folder("jobs", tmp_path / "file" / "below", tmp_path / "own") == tmp_path / "own"
    assert (tmp_path / "own").is_dir()


def test_settings_in_a_place_of_their_own_keep_the_data_there(extension: Extension, scene: object) -> None:
    preferences = extension.module("preferences")
    settings = Path(os.environ["BLENDER_USER_RESOURCES"])
    for folder in (preferences.models_folder(), preferences.jobs_folder(), preferences.runtime_folder()):
        assert folder.is_relative_to(settings) and "extensions" not in folder.relative_to(settings).parts


def test_the_background_model_of_the_preferences_reaches_the_worker(
    extension: Extension, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preferences = extension.module("preferences")
    monkeypatch.setattr(preferences, "backend_complaint", lambda: "")
    assert preferences.worker_settings().background_model == ""
    extension.preferences.background_model = str(tmp_path / "matting.onnx")
    try:
        assert preferences.worker_settings().background_model == str(tmp_path / "matting.onnx")
    finally:
        extension.preferences.property_unset("background_model")


# ------------------------------------------------------------------------------------------- drives that are not there

@pytest.fixture
def missing_drive(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on a drive of which not even the root exists."""
    monkeypatch.setattr(Path, "exists", lambda path: False)
    return Path("/Z:/engine")


def test_a_drive_that_is_not_there_is_said_at_once(missing_drive: Path) -> None:
    assert existing_part(missing_drive) is None
    with pytest.raises(MeshwrightError, match="cannot be reached") as caught:
        require_space(PLAN, missing_drive)
    assert caught.value.report.remedy is Remedy.CHOOSE_FOLDER
    assert "Disk: not there" in report(missing_drive, Accelerator("cpu"), {})


def test_a_share_that_does_not_answer_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bool:
        raise OSError(5, "The network path was not found")

    monkeypatch.setattr(Path, "exists", refuse)
    assert existing_part(Path("/share/engine")) is None


# ---------------------------------------------------------------------------------------------------------- long paths

@pytest.mark.parametrize(("path", "system", "wanted"), [
    (PureWindowsPath(r"C:\Users\ada\x"), "win32", "\\\\?\\C:\\Users\\ada\\x"),
    (PureWindowsPath(r"\\server\share\x"), "win32", "\\\\?\\UNC\\server\\share\\x"),
    (PureWindowsPath("\\\\?\\C:\\x"), "win32", "\\\\?\\C:\\x"),
    (PurePosixPath("/home/ada"), "linux", "/home/ada"),
])
def test_the_long_form_of_a_path(path: PureWindowsPath | PurePosixPath, system: str, wanted: str) -> None:
    assert long_path(path, system) == wanted


@pytest.fixture
def windows_limit(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Windows' rule, imitated: paths beyond 260 characters exist in their long form only. Yields the paths refused."""
    refused: list[str] = []

    def obey(name: str) -> Callable[..., object]:
        original = getattr(os, name)

        def limited(path: object = ".", *others: object, **options: object) -> object:
            text = os.fspath(path) if isinstance(path, str | os.PathLike) else path
            if isinstance(text, str):
                if len(text) > MOST_CHARACTERS and not text.startswith("\\\\?\\"):
                    refused.append(text)
                    raise FileNotFoundError(2, "The system cannot find the path specified", text)
                text = text.removeprefix("\\\\?\\")
            found = original(text, *others, **options)
            return found if name != "scandir" else _Listing(found, os.fspath(path))
        return limited

    for name in ("unlink", "rmdir", "lstat", "stat", "scandir"):
        monkeypatch.setattr(os, name, obey(name))
    monkeypatch.setattr(os.path, "isdir", lambda path: _there(path) and stat.S_ISDIR(os.stat(path).st_mode))
    monkeypatch.setattr(os.path, "isfile", lambda path: _there(path) and stat.S_ISREG(os.stat(path).st_mode))
    monkeypatch.setattr(os.path, "islink", lambda path: False)
    monkeypatch.setattr(removal, "long_path", lambda path: long_path(path, "win32"))
    yield refused


class _Listing:
    """What `os.scandir` gives, with paths that begin as the folder's was given."""

    def __init__(self, found: Iterator[os.DirEntry[str]], folder: str) -> None:
        with found:  # type: ignore[attr-defined]
            self._entries = iter([
                SimpleNamespace(name=entry.name, path=f"{folder}/{entry.name}", is_dir=entry.is_dir,
                                is_symlink=entry.is_symlink) for entry in found])

    def __enter__(self) -> "_Listing":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __next__(self) -> SimpleNamespace:
        return next(self._entries)


def _there(path: str) -> bool:
    try:
        os.stat(path)
    except OSError:
        return False
    return True


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    """A folder of an engine with one file of 7 bytes beyond 260 characters."""
    folder = tmp_path / "cache" / ("archive-" + "a" * 80) / ("package-" + "b" * 80) / ("module-" + "c" * 80)
    folder.mkdir(parents=True)
    (folder / "file.py").write_text("content")
    assert len(str(folder)) > MOST_CHARACTERS
    return tmp_path


def test_files_beyond_260_characters_are_counted_and_removed(deep: Path, windows_limit: list[str]) -> None:
    measurement, removed = Measurement(deep), Removal(deep)
    assert measurement.poll(60) and measurement.bytes == 7
    assert removed.poll(60) and not windows_limit
    assert not _there(str(deep / "cache"))


def test_the_imitation_has_the_limit(deep: Path, windows_limit: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "long_path", str)
    measurement = Measurement(deep)
    assert measurement.poll(60) and measurement.bytes == 0 and windows_limit


# -------------------------------------------------------------------------------------------------------- files in use

def test_a_library_that_is_still_loaded_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "c10.dll").touch()
    original, attempts = os.unlink, []

    def unlink(path: str) -> None:
        attempts.append(path)
        if len(attempts) < 4:
            raise PermissionError(13, "Access is denied", path)
        original(path)

    monkeypatch.setattr(os, "unlink", unlink)
    run = Removal(tmp_path)
    assert run.poll(60) and len(attempts) >= 4 and not (tmp_path / "env").exists()


def test_a_library_that_stays_loaded_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "c10.dll").touch()

    def unlink(path: str) -> None:
        raise PermissionError(13, "Access is denied", path)

    monkeypatch.setattr(os, "unlink", unlink)
    monkeypatch.setattr(removal, "SECONDS_OF_PATIENCE", 0.2)
    with pytest.raises(PermissionError):
        Removal(tmp_path).poll(60)
    assert (tmp_path / "env" / "c10.dll").exists() and data_folders.NAME == "Meshwright"
