# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing a file so that nobody ever sees half of it."""

import logging
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)

SECONDS_OF_PATIENCE = 2.0
"""How long a file that another program holds open is waited for."""
SECONDS_BETWEEN_ATTEMPTS = 0.05
_HELD_OPEN = (5, 32, 33)
"""Windows' errors for a file that another program has open: access denied, sharing violation, lock violation."""


@contextmanager
def replace_whole(path: Path) -> Iterator[Path]:
    """Yield a draft in the folder of `path` to write; on leaving, the draft takes the place of `path`.

    The draft has a name of its own, with the suffix of `path`, so two processes never write the same one. When the
    body raises, the draft is removed and `path` is as it was. On Windows a file cannot be replaced while Blender, a
    virus scanner or a sync client has it open: that is waited for, two seconds at most. Raises OSError.
    """
    draft = path.with_name(f".{path.stem[:100]}.{uuid.uuid4().hex[:8]}.draft{path.suffix}")
    try:
        yield draft
        _take_place(draft, path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def replace_preview(path: Path) -> Iterator[Path]:
    """Like `replace_whole`, for a file that the work does not depend on: what cannot be written is left out.

    Only OSError is taken for that, and logged.
    """
    try:
        with replace_whole(path) as draft:
            yield draft
    except OSError as error:
        log.warning("%s is not shown: %s", path.name, error)


def write_text_whole(path: Path, text: str) -> None:
    """Write UTF-8 text through `replace_whole` and have the system put it on the disk first. Raises OSError."""
    with replace_whole(path) as draft, draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _take_place(draft: Path, path: Path) -> None:
    until = time.monotonic() + SECONDS_OF_PATIENCE
    while True:
        try:
            draft.replace(path)
            return
        except PermissionError as error:
            if getattr(error, "winerror", None) not in _HELD_OPEN or time.monotonic() >= until:
                raise
        time.sleep(SECONDS_BETWEEN_ATTEMPTS)
