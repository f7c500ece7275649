# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's token in a file that only its owner can read: neither in the .blend nor in Blender's preferences."""

import os
from pathlib import Path

from ..backend.contract import unwritable_folder

NAME = "token"


def write_token(folder: Path, token: str) -> None:
    """Keep the token; an empty one removes the file. Raises MeshwrightError."""
    path = folder / NAME
    try:
        path.unlink(missing_ok=True)
        if token.strip():
            # Made with these rights: there is no moment in which others can read it.
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(token.strip())
    except OSError as error:
        raise unwritable_folder(folder, error) from error


def token_file(folder: Path) -> Path | None:
    """The file, or None while no token is set."""
    path = folder / NAME
    return path if path.is_file() else None


def complaint(folder: Path) -> str:
    """Why the token is not safe, or ""; the rights of a copied folder may be others."""
    path = token_file(folder)
    if path is None or os.name == "nt" or not path.stat().st_mode & 0o077:
        return ""
    return f"Others can read {path}: set the token again"
