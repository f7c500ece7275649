# SPDX-License-Identifier: GPL-3.0-or-later
"""What the system must have before anything is fetched: its version, the right Blender, Microsoft's runtime library."""

import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from ..backend.contract import MeshwrightError

OLDEST_MACOS = 14
"""What the pinned torch, scipy and onnxruntime are built for."""
VISUAL_CPP_URL = "https://aka.ms/vs/17/release/vc_redist.x64.exe"
_VISUAL_CPP = ("msvcp140.dll", "vcruntime140.dll", "vcruntime140_1.dll")


def require_system(system: str = sys.platform, environment: Mapping[str, str] = os.environ) -> None:
    """Raises MeshwrightError, in words and with the way out, where the engine could be installed but would not run."""
    if system == "darwin":
        _require_macos(platform.machine(), platform.mac_ver()[0], _is_translated)
    if system == "win32":
        _require_visual_cpp(Path(environment.get("SYSTEMROOT", r"C:\Windows")) / "System32")


def _require_macos(machine: str, version: str, is_translated: Callable[[], bool]) -> None:
    if machine != "arm64":
        if is_translated():
            raise MeshwrightError(
                "This is Blender for Intel Macs, on a Mac with Apple silicon.", "It runs under Rosetta, where torch "
                "does not.", "Install Blender for Apple silicon from blender.org, and the extension in it.")
        raise MeshwrightError("The engine does not run on Intel Macs.", "torch is no longer built for them.",
                              "Use a Mac with Apple silicon, a PC, or a server (Preferences > Run Jobs In).")
    major = version.partition(".")[0]
    if major.isdigit() and int(major) < OLDEST_MACOS:
        raise MeshwrightError(f"macOS {version} is too old for the engine.",
                              f"torch, scipy and onnxruntime need macOS {OLDEST_MACOS} or newer.",
                              "Update macOS in System Settings > General > Software Update.")


def _is_translated() -> bool:
    """Whether Rosetta runs this process."""
    try:
        answer = subprocess.run(["sysctl", "-n", "sysctl.proc_translated"], capture_output=True,
                                encoding="utf-8", errors="replace",
                                timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.stdout.strip() == "1"


def _require_visual_cpp(folder: Path) -> None:
    missing = [name for name in _VISUAL_CPP if not (folder / name).is_file()]
    if missing:
        raise MeshwrightError(
            "Microsoft's Visual C++ runtime is missing.", f"torch needs {', '.join(missing)}, which Windows lacks.",
            f"Download and run {VISUAL_CPP_URL}, then install the engine.")
