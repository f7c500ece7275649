# SPDX-License-Identifier: GPL-3.0-or-later
"""Which blend file is open: a result goes only into the file that it was asked from.

A file is known by its path and by its opening, a random name that is new with each file that Blender opens. So an
untitled file has an identity too, and a file that is saved under another name stays itself.
"""

import uuid
from dataclasses import dataclass

import bpy


@dataclass(frozen=True)
class OpenedFile:
    """A blend file as it was open once. `path` is "" for one that was never saved."""

    path: str
    opening: str

    @property
    def name(self) -> str:
        """What the artist calls it."""
        return bpy.path.basename(self.last_path) or "an unsaved file"

    @property
    def last_path(self) -> str:
        """Its path, also where it was saved only later in this session; "" for one that was never saved."""
        return _saved.get(self.opening, "") or self.path

    @property
    def is_open(self) -> bool:
        """Whether Blender shows this file now."""
        return self.opening == _opening or (self.last_path != "" and self.last_path == bpy.data.filepath)

    @property
    def is_of_this_session(self) -> bool:
        """Whether this Blender had it open."""
        return self.opening in _saved


_opening = uuid.uuid4().hex
_saved: dict[str, str] = {_opening: ""}


def current() -> OpenedFile:
    """The file that is open now."""
    return OpenedFile(bpy.data.filepath, _opening)


def opening() -> str:
    """The name of the present opening: `session_uid`s of datablocks hold only as long as it does."""
    return _opening


def register() -> None:
    """Have Blender report files that are opened and saved."""
    bpy.app.handlers.load_post.append(_note_opening)
    bpy.app.handlers.save_post.append(_note_path)


def unregister() -> None:
    """The reverse."""
    bpy.app.handlers.save_post.remove(_note_path)
    bpy.app.handlers.load_post.remove(_note_opening)


@bpy.app.handlers.persistent
def _note_opening(*_: object) -> None:
    global _opening
    _opening = uuid.uuid4().hex
    _saved[_opening] = bpy.data.filepath


@bpy.app.handlers.persistent
def _note_path(*_: object) -> None:
    _saved[_opening] = bpy.data.filepath
