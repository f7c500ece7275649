# SPDX-License-Identifier: GPL-3.0-or-later
"""Where uv is: in the extension's wheel, or on the PATH."""

import importlib.metadata
import importlib.util
import os
import shutil
from pathlib import Path

from ..backend.contract import MeshwrightError, Remedy

_NAME = "uv.exe" if os.name == "nt" else "uv"


def find_uv(folder: Path) -> Path:
    """An executable uv. The wheel's is copied to `<folder>/bin` first.

    Blender unpacks a wheel as it is: the program stays in the wheel's data folder and is not executable, and on Windows
    a running program would keep the extension from being updated. Raises MeshwrightError, and OSError when the copy
    cannot be written.
    """
    packaged = _packaged()
    if packaged is not None:
        own = folder / "bin" / _NAME
        if not own.is_file() or own.stat().st_size != packaged.stat().st_size:
            own.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(packaged, own)
        own.chmod(0o755)
        return own
    if on_path := shutil.which("uv"):
        return Path(on_path)
    raise MeshwrightError("The installer uv is missing.", "It comes with the extension's zip, and is not on the PATH.",
                          "Install the extension from its zip again, or choose a Python that has the packages.",
                          Remedy.OPEN_PREFERENCES)


def _packaged() -> Path | None:
    specification = importlib.util.find_spec("uv")
    if specification is None or specification.origin is None:
        return None
    site = Path(specification.origin).parents[1]
    version = importlib.metadata.version("uv")
    for candidate in (site / f"uv-{version}.data" / "scripts" / _NAME, site / "bin" / _NAME):
        if candidate.is_file():
            return candidate
    from uv import find_uv_bin  # the wheel's own search, for an installation by pip
    try:
        return Path(find_uv_bin())
    except FileNotFoundError:
        return None
