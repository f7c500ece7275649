# SPDX-License-Identifier: GPL-3.0-or-later
"""Which GPU this machine has, and which build of torch runs on it. The table of builds is `torch_builds.json`."""

import contextlib
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
_DISPLAY_CLASS = r"SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}"
_NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)
_WORDS = {"apple": "Apple silicon", "amd": "AMD GPU", "cpu": "no supported GPU"}


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA GPU. `compute` is its compute capability, `memory_mib` its memory in MiB; 0 is unknown."""

    name: str
    driver: str
    compute: float
    memory_mib: int

    def __str__(self) -> str:
        memory = f"{self.memory_mib / 1024:.0f} GiB, " if self.memory_mib else ""
        return f"{self.name} ({memory}driver {self.driver})"


@dataclass(frozen=True)
class Accelerator:
    """What the engine may run on; `gpus` only for NVIDIA, `name` of another GPU where the system says it."""

    kind: Kind
    gpus: tuple[Gpu, ...] = ()
    name: str = ""

    def __str__(self) -> str:
        return ", ".join(map(str, self.gpus)) or self.name or _WORDS[self.kind]


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
    return _without_nvidia(_display_adapters())


def _without_nvidia(adapters: Sequence[str]) -> Accelerator:
    """Named, so that an artist with a large GPU reads why it is not used."""
    for adapter in adapters:
        if "nvidia" in adapter.lower():
            return Accelerator("nvidia", (Gpu(adapter, "0", 0.0, 0),))
        if "amd" in adapter.lower() or "radeon" in adapter.lower():
            return Accelerator("amd", name=adapter)
    return Accelerator("cpu", name=adapters[0] if adapters else "")


def _display_adapters() -> list[str]:
    """The names of this computer's GPUs as Windows has them in its registry; elsewhere none."""
    if sys.platform != "win32":
        return []
    import winreg

    found = []
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _DISPLAY_CLASS) as adapters:
            for number in range(winreg.QueryInfoKey(adapters)[0]):
                with contextlib.suppress(OSError), winreg.OpenKey(adapters, f"{number:04d}") as adapter:
                    found.append(str(winreg.QueryValueEx(adapter, "DriverDesc")[0]))
    except OSError:
        return []
    return [name for name in found if not name.startswith("Microsoft ")]  # its own stands for a missing driver


def _nvidia_smi() -> str:
    try:
        return subprocess.run(_QUERY, capture_output=True, encoding="utf-8", errors="replace", timeout=5, check=False,
                              stdin=subprocess.DEVNULL, creationflags=_NO_WINDOW).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def parse_nvidia_smi(text: str) -> tuple[Gpu, ...]:
    """The GPUs in nvidia-smi's CSV. What it does not know ("[N/A]", as memory that is shared) is 0; a line that names
    no driver's version (a complaint, say) is left out.
    """
    gpus = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.rsplit(",", 3)]
        if len(cells) == 4 and cells[1][:1].isdigit():
            gpus.append(Gpu(cells[0], cells[1], _number(cells[2]), int(_number(cells[3]))))
    return tuple(gpus)


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return 0.0


@dataclass(frozen=True)
class Table:
    """The builds of torch, best first, and the oldest `driver` and `compute` capability that warp uses."""

    builds: list[dict[str, Any]]
    warp: dict[str, Any]


def read_table(path: Path = TABLE) -> Table:
    """The table. Raises MeshwrightError when it cannot be read."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MeshwrightError("The table of torch builds cannot be read.", str(error),
                              "Install the extension again.") from error
    if table.get("format") != 1:
        raise MeshwrightError("The table of torch builds is of another version.", f"Format {table.get('format')}.",
                              "Install the extension again.")
    return Table(list(table["builds"]), table["warp"])


def pick_build(accelerator: Accelerator, on: str, table: Table) -> TorchBuild:
    """The build for an accelerator on a platform. Raises MeshwrightError where torch has none at all.

    With several NVIDIA GPUs a build for all of them is preferred to one for some. Where only the driver stands in the
    way, the CPU build comes with a note that says so, and a build that warp cannot follow with a note about that.
    """
    here = [row for row in table.builds if on in row["platforms"]]
    own = [row for row in here if row["accelerator"] == accelerator.kind]
    for wanted in (all, any) if accelerator.gpus else ():
        for row in own:
            if wanted(_fits(row, gpu) for gpu in accelerator.gpus):
                left_out = [gpu.name for gpu in accelerator.gpus if not _fits(row, gpu)]
                notes = [f"Not used: {', '.join(left_out)}."] if left_out else []
                return _build(row, " ".join([*notes, *_why_not_warp(accelerator.gpus, row, table.warp)]))
    if own and not accelerator.gpus:
        return _build(own[0], _why_cpu(accelerator, own) if accelerator.kind == "cpu" else "")
    for row in here:
        if row["accelerator"] == "cpu":
            return _build(row, _why_cpu(accelerator, own))
    raise MeshwrightError("This kind of computer cannot run the engine.", f"torch has no build for {on}.",
                          "Use a computer with Linux, Windows (x64) or Apple silicon.")


def builds_of(on: str, table: Table) -> tuple[TorchBuild, ...]:
    """All builds for a platform; none where torch has none."""
    return tuple(_build(row) for row in table.builds if on in row["platforms"])


def _fits(row: dict[str, Any], gpu: Gpu) -> bool:
    return _has_code(row, gpu) and _numbers(gpu.driver) >= _numbers(row["driver"])


def _has_code(row: dict[str, Any], gpu: Gpu) -> bool:
    oldest, newest = row["compute"]
    return oldest <= gpu.compute <= newest


def _numbers(version: str) -> list[int]:
    return [int(part) if part.isdigit() else 0 for part in version.split(".")]


def _why_not_warp(gpus: Sequence[Gpu], row: dict[str, Any], warp: dict[str, Any]) -> list[str]:
    used = [gpu for gpu in gpus if _fits(row, gpu)]
    old = [gpu.name for gpu in used if gpu.compute < warp["compute"]]
    if old:
        return [f"Rendering and baking run on the CPU for {', '.join(old)}: they need compute capability "
                f"{warp['compute']:g}."]
    if any(_numbers(gpu.driver) < _numbers(warp["driver"]) for gpu in used):
        return [f"Rendering and baking run on the CPU: update the driver to {warp['driver']} and repair, to use the "
                "GPU for them too."]
    return []


def _build(row: dict[str, Any], note: str = "") -> TorchBuild:
    return TorchBuild(row["build"], row["disk_gigabytes"], row["download_gigabytes"], note)


def _why_cpu(accelerator: Accelerator, rows: Sequence[dict[str, Any]]) -> str:
    if accelerator.kind == "cpu":
        return f"torch has no build for {accelerator.name}: everything runs on the CPU." if accelerator.name else ""
    if not accelerator.gpus:
        named = accelerator.name or f"this {_WORDS[accelerator.kind]}"
        return f"torch has no build for {named} here: everything runs on the CPU."
    gpu = max(accelerator.gpus, key=lambda gpu: gpu.compute)
    if not gpu.compute:
        return (f"{gpu.name} was found, but its driver does not say what it can do: update it to "
                f"{max((row['driver'] for row in rows), key=_numbers)} or newer and repair. Until then everything runs "
                "on the CPU.")
    drivers = [row["driver"] for row in rows if _has_code(row, gpu)]
    if drivers:
        return (f"The driver {gpu.driver} is too old for {gpu.name}: update it to {min(drivers, key=_numbers)} or "
                "newer and repair. Until then everything runs on the CPU.")
    return f"torch has no build for {gpu.name} (compute capability {gpu.compute:g}): everything runs on the CPU."
