# SPDX-License-Identifier: GPL-3.0-or-later
"""Run by the backend's Python, not by Blender's: import what is named, compute once on the GPU, tell it as JSON.

    python -I import_check.py torch diffusers ...

The last line on stdout is {"python", "versions": {name: version}, "device", "failures": {name: reason}}; the exit
status is 0 only when nothing failed.
"""

import importlib
import importlib.metadata
import json
import os
import sys
import time


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
            device = compute_once()
        except RuntimeError as error:
            failures["GPU"] = str(error)
    return {"python": sys.version.split()[0], "versions": versions, "device": device, "failures": failures}


def compute_once() -> str:
    """Multiply two matrices where the backend will compute; returns the device's name and the seconds it took."""
    torch = importlib.import_module("torch")
    device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    begin = time.monotonic()
    matrix = torch.ones((512, 512), device=device)
    if (matrix @ matrix).sum().item() != 512.0**3:
        raise RuntimeError(f"a product of matrices on {device} is wrong")
    name = torch.cuda.get_device_name() if device == "cuda" else device
    return f"{name} ({time.monotonic() - begin:.2f} s)"


if __name__ == "__main__":
    os.environ["NUMBA_DISABLE_JIT"] = "1"  # rembg's imports would compile for a minute what the backend never calls
    report = check(sys.argv[1:])
    sys.stdout.write(json.dumps(report) + "\n")
    sys.exit(bool(report["failures"]))
