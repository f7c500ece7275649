# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said before an installation that could not run, and about failures whose cause is known."""

from collections.abc import Callable
from pathlib import Path

import pytest

from backend.contract import MeshwrightError
from blender_addon.setup import system_check
from blender_addon.setup.known_failures import KNOWN, explain
from blender_addon.setup.system_check import require_system


@pytest.mark.parametrize(("machine", "version", "translated", "words"), [
    ("arm64", "14.0", False, ""), ("arm64", "26.1", False, ""), ("arm64", "", False, ""),
    ("arm64", "13.7.2", False, "macOS 13.7.2 is too old"), ("arm64", "11.0", False, "Software Update"),
    ("x86_64", "15.0", True, "Install Blender for Apple silicon"), ("x86_64", "15.0", False, "Intel Macs"),
])
def test_macs_that_cannot_run_the_engine(machine: str, version: str, translated: bool, words: str) -> None:
    def check() -> None:
        system_check._require_macos(machine, version, lambda: translated)
    assert words in refusal(check) and bool(words) == bool(refusal(check))


def test_the_visual_cpp_runtime_is_looked_for_on_windows(tmp_path: Path) -> None:
    (tmp_path / "System32").mkdir()
    for name in ("msvcp140.dll", "vcruntime140.dll"):
        (tmp_path / "System32" / name).touch()
    windows = {"SYSTEMROOT": str(tmp_path)}
    words = refusal(lambda: require_system("win32", windows))
    assert "vcruntime140_1.dll" in words and "msvcp140.dll" not in words and "https://aka.ms/" in words
    (tmp_path / "System32" / "vcruntime140_1.dll").touch()
    require_system("win32", windows)
    require_system("linux", {})


def refusal(check: Callable[[], None]) -> str:
    try:
        check()
    except MeshwrightError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("line", "words"), [
    ("error: Failed to spawn: OSError: [WinError 4551] An Application Control policy has blocked this file",
     "Smart App Control"),
    ("OSError: [WinError 126] The specified module could not be found. Error loading \"c10.dll\"", "Visual C++"),
    ("OSError: [WinError 1114] A dynamic link library (DLL) initialization routine failed.", "Visual C++"),
    ("ImportError: DLL load failed while importing _C: The specified module could not be found.", "Visual C++"),
    ("error: failed to remove file: Access is denied. (os error 5)", "has a file of the engine open"),
    ("PermissionError: [WinError 32] The process cannot access the file because it is being used by another process",
     "has a file of the engine open"),
    ("error: failed to copy file: The filename or extension is too long. (os error 206)", "longer than Windows allows"),
    ("error: No space left on device (os error 28)", "disk is full"),
    ("  Caused by: invalid peer certificate: UnknownIssuer", "replaces the certificates"),
    ("  Caused by: error sending request for url (https://example.org/)", "could not be reached"),
])
def test_known_failures_are_told_apart(line: str, words: str) -> None:
    report = explain("Installing torch failed.", ["Downloading torch (800.0MiB)", line])
    assert report is not None and words in report.why and line in report.details


def test_an_unknown_failure_is_not_explained() -> None:
    assert explain("Checking failed.", ["torch: ImportError: cannot import name 'x' (line 126)", "exit 32"]) is None


def test_no_known_failure_advises_a_repair() -> None:
    """It would lead in a circle: none of their causes is in the engine's folder."""
    for failure in KNOWN:
        assert "repair" not in f"{failure.why} {failure.advice}".lower()
