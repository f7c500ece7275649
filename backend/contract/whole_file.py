# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing a file so that nobody ever sees half of it."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replace_whole(path: Path) -> Iterator[Path]:
    """Yield a draft in the folder of `path` to write; on leaving, the draft takes the place of `path`.

    The draft has a name of its own, with the suffix of `path`, so two processes never write the same one. When the
    body raises, the draft is removed and `path` is as it was. Raises OSError.
    """
    draft = path.with_name(f".{path.stem[:100]}.{uuid.uuid4().hex[:8]}.draft{path.suffix}")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_text_whole(path: Path, text: str) -> None:
    """Write UTF-8 text through `replace_whole` and have the system put it on the disk first. Raises OSError."""
    with replace_whole(path) as draft, draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
