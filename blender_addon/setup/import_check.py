# SPDX-License-Identifier: GPL-3.0-or-later
"""Run by the engine's Python, not by Blender's: import what is named, run one kernel of torch and one of warp.

    python -I import_check.py ADDON torch diffusers ...

ADDON is the folder that contains `backend`. The last line on stdout is {"python", "versions": {name: version},
"device", "failures": {name: reason}}; the exit status is 0 only when nothing failed. A GPU that warp cannot use is no
failure: next to the device it is said where rendering and baking run then.
"""

import importlib
import importlib.metadata
import json
import logging
import sys
import time
from typing import Any

SIDE = 512


def check(names: list[str]) -> dict[str, object]:
    """Import each distribution's module and read its version."""
    versions: dict[str, str] = {}
    failures: dict[str, str] = {}
    for name, _, module in (name.partition(":") for name in names):
        try:
            importlib.import_module(module or name)
            versions[name] = importlib.metadata.version(name)
        except Exception as error:  # noqa: BLE001 - a broken package may raise anything while it is imported
            failures[name] = f"{type(error).__name__}: {error}"
    device = "unknown"
    if "torch" in versions:
        try:
            device = run_kernels("warp-lang" in versions)
        except Exception as error:  # noqa: BLE001 - a driver that does not fit ends in errors of many kinds
            failures["GPU"] = f"{type(error).__name__}: {error}"
    return {"python": sys.version.split()[0], "versions": versions, "device": device, "failures": failures}


def run_kernels(with_warp: bool) -> str:
    """The device's name, the seconds that both kernels took, and where warp's ran if that is another device.

    Raises RuntimeError for a wrong result.
    """
    torch = importlib.import_module("torch")
    device = "cuda:0" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    begin = time.monotonic()
    matrix = torch.ones((SIDE, SIDE), device=device)
    if (matrix @ matrix).sum().item() != SIDE**3:
        raise RuntimeError(f"a product of matrices on {device} is wrong")
    apart = run_warp(torch, device) if with_warp else ""
    name = torch.cuda.get_device_name() if device == "cuda:0" else device
    return f"{name} ({time.monotonic() - begin:.2f} s){apart}"


def run_warp(torch: Any, device: str) -> str:
    """Sort numbers with warp where the engine would for networks on `device`; "" if that is the same device."""
    library_devices = importlib.import_module("backend.geometry.library_devices")
    sorting = importlib.import_module("backend.geometry.projection.sorting")
    where = library_devices.warp_device(device)
    ordered, _ = sorting.sort_keys(torch.arange(SIDE - 1, -1, -1, device=where), SIDE)
    if not torch.equal(ordered, torch.arange(SIDE, device=where)):
        raise RuntimeError(f"warp's sorting on {where} is wrong")
    return "" if where == torch.device(device) else f"; rendering and baking on {where}"


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(message)s")  # on stderr: why warp does not use a GPU
    sys.path.append(sys.argv[1])
    report = check(sys.argv[2:])
    sys.stdout.write(json.dumps(report) + "\n")
    sys.exit(bool(report["failures"]))
