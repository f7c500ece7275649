# SPDX-License-Identifier: GPL-3.0-or-later
"""The clipboard's image as a new image datablock: pixels, or the path of an image file that was copied.

Blender reads images itself on Windows, macOS and most Linux desktops. Where it does not, a program of the
desktop does: wl-paste on Wayland, xclip on X11.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlparse

import bpy

from ..backend.contract import BadInput

SECONDS = 3.0
"""How long a program may take: it waits for the one that holds the clipboard."""
_PROGRAMS = {"wl-paste": ("wl-paste", "--no-newline", "--type", "image/png"),
             "xclip": ("xclip", "-selection", "clipboard", "-target", "image/png", "-out")}
_PACKAGES = {"wl-paste": "wl-clipboard", "xclip": "xclip"}


def paste_image(context: bpy.types.Context) -> bpy.types.Image:
    """A new, packed image datablock with the clipboard's image. Raises BadInput where it has none, in words for this
    desktop, and where there is no window."""
    area = context.area
    if area is None:
        raise BadInput("There is no window to paste in.", "Blender runs without one.", "Load the image from a file.")
    image = (_pasted_by_blender(context, area) or _pasted_by_program(program_of(sys.platform, os.environ))
             or _copied_file(context.window_manager.clipboard))
    if image is None:
        raise empty_clipboard(sys.platform, os.environ)
    return image


def program_of(platform: str, environment: Mapping[str, str]) -> str:
    """The program that reads this desktop's clipboard, "" where Blender does it alone."""
    if not platform.startswith("linux"):
        return ""
    return "wl-paste" if environment.get("WAYLAND_DISPLAY") else "xclip"


def empty_clipboard(platform: str, environment: Mapping[str, str]) -> BadInput:
    """What to say of a clipboard without an image."""
    copied = {"win32": "Copy an image (Windows+Shift+S takes one of the screen)",
              "darwin": "Copy an image (Control+Shift+Command+4 takes one of the screen)"}.get(
                  platform, "Copy an image")
    program = program_of(platform, environment)
    if program and shutil.which(program) is None:
        return BadInput("There is no image in the clipboard.",
                        f"Blender finds none, and the program {program} that could look is not installed.",
                        f"{copied}, install the package {_PACKAGES[program]}, or drag the file into the viewport.")
    return BadInput("There is no image in the clipboard.", "It holds neither an image nor the path of an image file.",
                    f"{copied}, or drag the file into the viewport.")


def _pasted_by_blender(context: bpy.types.Context, area: bpy.types.Area) -> bpy.types.Image | None:
    """Blender pastes only inside an Image Editor, so the area becomes one for a moment."""
    before, kind = set(bpy.data.images), area.ui_type
    try:
        area.ui_type = "IMAGE_EDITOR"
        with context.temp_override(area=area):
            bpy.ops.image.clipboard_paste()
    except RuntimeError:  # Blender's way of saying that there is no image
        return None
    finally:
        area.ui_type = kind
    image = next(iter(set(bpy.data.images) - before), None)
    if image is not None:
        image.pack()
    return image


def _pasted_by_program(program: str) -> bpy.types.Image | None:
    if not program or shutil.which(program) is None:
        return None
    try:
        ended = subprocess.run(_PROGRAMS[program], capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return None
    if ended.returncode != 0 or not ended.stdout:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clipboard.png"
        path.write_bytes(ended.stdout)
        return _packed(path)


def _copied_file(text: str) -> bpy.types.Image | None:
    """The image file whose path or file address is the clipboard's text."""
    words = text.strip().splitlines()
    if len(words) != 1:
        return None
    address = urlparse(words[0])
    path = Path(unquote(address.path) if address.scheme == "file" else words[0].strip('"'))
    return _packed(path) if path.is_absolute() and path.is_file() else None


def _packed(path: Path) -> bpy.types.Image | None:
    try:
        image = bpy.data.images.load(str(path))
    except RuntimeError:  # no image: the clipboard holds none then
        return None
    if not image.size[0]:
        bpy.data.images.remove(image)
        return None
    image.pack()
    image.filepath = ""  # the file may go; the packed copy is the image
    return image
