# SPDX-License-Identifier: GPL-3.0-or-later
"""Which GPU this machine has, and which build of torch runs on it. The table of builds is `torch_builds.json`."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..backend.contract import MeshwrightError

Kind = Literal["nvidia", "apple", "amd", "cpu"]
TABLE = Path(__file__).with_name("torch_builds.json")
_QUERY = ("nvidia-smi", "--query-gpu=name,driver_version,compute_cap,memory.total", "--format=csv,noheader,nounits")
_NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)
_WORDS = {"apple": "Apple silicon", "amd": "AMD GPU", "cpu": "no supported GPU"}


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA GPU. `compute` is its compute capability, `memory_mib` its memory in MiB."""

    name: str
    driver: str
    compute: float
    memory_mib: int


@dataclass(frozen=True)
class Accelerator:
    """What computes on this machine; `gpus` only for NVIDIA."""

    kind: Kind
    gpus: tuple[Gpu, ...] = ()

    def __str__(self) -> str:
        named = ", ".join(f"{gpu.name} ({gpu.memory_mib / 1024:.0f} GiB, driver {gpu.driver})" for gpu in self.gpus)
        return named or _WORDS[self.kind]


@dataclass(frozen=True)
class TorchBuild:
    """A build of torch for this machine. `note` tells the artist when a better one is out of reach, and why."""

    name: str
    disk_gigabytes: float
    download_gigabytes: float
    note: str = ""


def current_platform() -> str:
    """This machine by the name that Blender's extensions use: "linux-x64", "windows-x64", "macos-arm64" ..."""
    system = {"linux": "linux", "win32": "windows", "darwin": "macos"}.get(sys.platform, sys.platform)
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}.get(platform.machine().lower())
    return f"{system}-{machine or platform.machine().lower()}"


def detect() -> Accelerator:
    """Look at the machine. Starts `nvidia-smi` and waits for it: at most five seconds, usually a tenth."""
    if current_platform() == "macos-arm64":
        return Accelerator("apple")
    if gpus := parse_nvidia_smi(_nvidia_smi()):
        return Accelerator("nvidia", gpus)
    if Path("/dev/kfd").exists() and os.access("/dev/kfd", os.R_OK | os.W_OK):  # the AMD compute driver's device
        return Accelerator("amd")
    return Accelerator("cpu")


def _nvidia_smi() -> str:
    try:
        return subprocess.run(_QUERY, capture_output=True, text=True, timeout=5, check=False, stdin=subprocess.DEVNULL,
                              creationflags=_NO_WINDOW).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def parse_nvidia_smi(text: str) -> tuple[Gpu, ...]:
    """The GPUs in nvidia-smi's CSV; a line that is none (a driver's complaint, say) is left out."""
    gpus = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.rsplit(",", 3)]
        try:
            gpus.append(Gpu(cells[0], cells[1], float(cells[2]), int(float(cells[3]))))
        except (IndexError, ValueError):
            continue
    return tuple(gpus)


def read_table(path: Path = TABLE) -> list[dict[str, Any]]:
    """The builds, best first. Raises MeshwrightError when the table cannot be read."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MeshwrightError("The table of torch builds cannot be read.", str(error),
                              "Install the extension again.") from error
    if table.get("format") != 1:
        raise MeshwrightError("The table of torch builds is of another version.", f"Format {table.get('format')}.",
                              "Install the extension again.")
    return list(table["builds"])


def pick_build(accelerator: Accelerator, on: str, table: Sequence[dict[str, Any]]) -> TorchBuild:
    """The build for an accelerator on a platform. Raises MeshwrightError where torch has none at all.

    With several NVIDIA GPUs a build for all of them is preferred to one for some. Where only the driver stands in the
    way, the CPU build comes with a note that says so.
    """
    here = [row for row in table if on in row["platforms"]]
    own = [row for row in here if row["accelerator"] == accelerator.kind]
    for wanted in (all, any) if accelerator.gpus else ():
        for row in own:
            if wanted(_fits(row, gpu) for gpu in accelerator.gpus):
                left_out = [gpu.name for gpu in accelerator.gpus if not _fits(row, gpu)]
                return _build(row, f"Not used: {', '.join(left_out)}." if left_out else "")
    if own and not accelerator.gpus:
        return _build(own[0])
    for row in here:
        if row["accelerator"] == "cpu":
            return _build(row, _why_cpu(accelerator, own))
    raise MeshwrightError("This kind of computer cannot run the engine.", f"torch has no build for {on}.",
                          "Use a computer with Linux, Windows (x64) or Apple silicon.")


def builds_of(on: str, table: Sequence[dict[str, Any]]) -> tuple[TorchBuild, ...]:
    """All builds for a platform; none where torch has none."""
    return tuple(_build(row) for row in table if on in row["platforms"])


def _fits(row: dict[str, Any], gpu: Gpu) -> bool:
    return _has_code(row, gpu) and _numbers(gpu.driver) >= _numbers(row["driver"])


def _has_code(row: dict[str, Any], gpu: Gpu) -> bool:
    oldest, newest = row["compute"]
    return oldest <= gpu.compute <= newest


def _numbers(version: str) -> list[int]:
    return [int(part) if part.isdigit() else 0 for part in version.split(".")]


def _build(row: dict[str, Any], note: str = "") -> TorchBuild:
    return TorchBuild(row["build"], row["disk_gigabytes"], row["download_gigabytes"], note)


def _why_cpu(accelerator: Accelerator, rows: Sequence[dict[str, Any]]) -> str:
    if accelerator.kind == "cpu":
        return ""
    if not accelerator.gpus:
        return f"torch has no build for this {_WORDS[accelerator.kind]} here: everything runs on the CPU."
    gpu = max(accelerator.gpus, key=lambda gpu: gpu.compute)
    drivers = [row["driver"] for row in rows if _has_code(row, gpu)]
    if drivers:
        return (f"The driver {gpu.driver} is too old for {gpu.name}: update it to {min(drivers, key=_numbers)} or "
                "newer and repair. Until then everything runs on the CPU.")
    return f"torch has no build for {gpu.name} (compute capability {gpu.compute:g}): everything runs on the CPU."
