# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading lines from a pipe without waiting and without threads, as Blender's manual demands of add-ons.

POSIX has non-blocking descriptors; on Windows the pipe is asked first how much lies in it.
"""

import os
import re
import sys
from collections import deque
from typing import IO

from ..backend.contract import MAXIMUM_LINE_BYTES

CHUNK_BYTES = 65536
CHUNKS_AT_ONCE = 64
"""More than a pipe holds, so that all that an ended child said is read; less than would hold Blender up."""
_SHOWN_BYTES = 200
_LINE_END = re.compile(rb"[\r\n]+")  # a progress bar that redraws itself ends its lines with \r

if sys.platform == "win32":
    import ctypes
    import msvcrt
    from ctypes import wintypes

    _peek = ctypes.WinDLL("kernel32").PeekNamedPipe
    _peek.argtypes = [wintypes.HANDLE, wintypes.LPVOID, wintypes.DWORD,
                      wintypes.LPDWORD, wintypes.LPDWORD, wintypes.LPDWORD]
    _peek.restype = wintypes.BOOL

    def read_available(descriptor: int) -> bytes | None:
        """What lies in the pipe, at most CHUNK_BYTES; None when nothing does yet, b"" at its end."""
        waiting = wintypes.DWORD()
        if not _peek(msvcrt.get_osfhandle(descriptor), None, 0, None, ctypes.byref(waiting), None):
            return b""  # the other end is closed
        return os.read(descriptor, min(CHUNK_BYTES, waiting.value)) if waiting.value else None

else:

    def read_available(descriptor: int) -> bytes | None:
        """What lies in the pipe, at most CHUNK_BYTES; None when nothing does yet, b"" at its end."""
        os.set_blocking(descriptor, False)
        try:
            return os.read(descriptor, CHUNK_BYTES)
        except BlockingIOError:
            return None


class LineReader:
    """Whole lines of text from the reading end of a pipe; half a line waits for its rest.

    Of a line that is longer than any message only the beginning comes, with "…": noise must not fill the memory.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._partial = bytearray()
        self._lines: deque[str] = deque()
        self._too_long = False
        self.ended = False
        """Whether the other end was closed."""

    def next_line(self) -> str | None:
        """The next line that is not empty, without its end; None when no whole one has come yet."""
        return self._lines.popleft() if self.has_line() else None

    def has_line(self) -> bool:
        """Whether a whole line has come."""
        for _ in range(CHUNKS_AT_ONCE):
            if self._lines or self.ended:
                break
            chunk = read_available(self._stream.fileno())
            if chunk is None:
                break
            self._take(chunk)
        return bool(self._lines)

    def _take(self, chunk: bytes) -> None:
        head, *others = _LINE_END.split(chunk)
        self._extend(head)
        if not chunk:
            self.ended, others = True, [b""]
        for piece in others:
            if self._partial.strip():
                self._lines.append(self._partial.decode("utf-8", "replace") + ("…" if self._too_long else ""))
            self._partial, self._too_long = bytearray(piece), False

    def _extend(self, piece: bytes) -> None:
        if self._too_long:
            return
        self._partial += piece
        if len(self._partial) > MAXIMUM_LINE_BYTES:
            self._too_long = True
            del self._partial[_SHOWN_BYTES:]
