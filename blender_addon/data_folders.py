# SPDX-License-Identifier: GPL-3.0-or-later
"""Where engine, models and jobs lie by default: outside of the extension's folder, shared by all versions of Blender.

Uninstalling the extension deletes its own folder, and every version of Blender has another one. No bpy.
"""

import hashlib
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

log = logging.getLogger(__name__)

NAME = "Meshwright"


def shared_root(system: str = sys.platform, environment: Mapping[str, str] = os.environ,
                home: PurePath | None = None) -> PurePath:
    """The folder for everything, by the system's custom.

    On Windows it is short, since the engine's files have names of up to 200 characters, and outside the profile that
    companies copy from machine to machine; a profile whose path is not ASCII, which compilers cannot read, is avoided.
    """
    at_home = home or Path.home()
    if system == "win32":
        local = environment.get("LOCALAPPDATA") or str(PureWindowsPath(at_home) / "AppData" / "Local")
        if local.isascii():
            return _path(local, system) / NAME
        public = environment.get("PROGRAMDATA") or r"C:\ProgramData"
        return _path(public, system) / NAME / hashlib.sha256(local.encode()).hexdigest()[:8]
    if system == "darwin":
        return _path(str(at_home), system) / "Library" / "Application Support" / NAME
    data = environment.get("XDG_DATA_HOME", "")
    base = _path(data, system) if data.startswith("/") else _path(str(at_home), system) / ".local" / "share"
    return base / NAME.lower()


def default_folder(name: str, root: Path, own: Path) -> Path:
    """`name` below `root`, made if need be; the extension's `own` of before, as long as there is no other.

    What lies in `own` is moved at once where that is only a change of names. Where it is not (another disk), or where
    the new folder cannot be made, `own` stays in use.
    """
    new = root / name
    if new.is_dir():
        return new
    try:
        new.parent.mkdir(parents=True, exist_ok=True)
        if own.is_dir() and any(own.iterdir()):
            own.rename(new)
            log.info("Moved %s to %s", own, new)
        else:
            new.mkdir(exist_ok=True)
    except OSError as error:
        log.warning("%s stays in use: %s", own, error)
        own.mkdir(parents=True, exist_ok=True)
        return own
    return new


def existing_part(folder: Path) -> Path | None:
    """The folder, or the nearest one above it that exists; None on a drive or share that is not there."""
    for part in (folder, *folder.parents):
        try:
            if part.exists():
                return part
        except OSError:  # a share that does not answer, a drive without a disk
            continue
    return None


def long_path(path: PurePath, system: str = sys.platform) -> str:
    """The path as Windows' functions take it however long it is; elsewhere as it is. It must be absolute."""
    text = str(path)
    if system != "win32" or text.startswith("\\\\?\\"):
        return text
    return f"\\\\?\\UNC\\{text[2:]}" if text.startswith("\\\\") else f"\\\\?\\{text}"


def _path(text: str, system: str) -> PurePath:
    """Of this system when it is asked about, else a pure one of that system."""
    if system == sys.platform:
        return Path(text)
    return PureWindowsPath(text) if system == "win32" else PurePosixPath(text)
