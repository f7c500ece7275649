# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON lines over the standard streams, out of reach of a library that prints or reads."""

import io
import os
import sys
from collections.abc import Iterator

from ..contract import MAXIMUM_LINE_BYTES, Event, Message, line_of
from .sender import Sender

CHUNK_BYTES = 65536


class Channel:
    """The process's original stdin and stdout, taken away from everybody else.

    From then on file descriptor 1 is stderr, so that a print, also one from C, lands in the log; and file descriptor 0
    is the null device, so that a grandchild cannot eat messages. Make it before torch is imported.
    """

    def __init__(self) -> None:
        sys.stdout.flush()
        self._output = io.FileIO(os.dup(1), "w")
        self._input = os.dup(0)
        os.dup2(2, 1)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        sys.stdout = sys.stderr
        self._sender = Sender(self._write)

    def send(self, item: Event | Message) -> None:
        """Have one line sent, from any thread, without waiting. The end of the parent is noticed by `lines`."""
        self._sender.send(item)

    def finish(self) -> None:
        """Wait for the last lines to be sent, but not for long: for the end of the process."""
        self._sender.finish()

    def _write(self, item: Event | Message) -> None:
        line = memoryview(line_of(item))
        while line:
            line = line[self._output.write(line):]

    def lines(self) -> Iterator[bytes]:
        """Lines as they arrive; ends when the other side has closed its end or has ended.

        Of a line that is longer than any message only a beginning comes, still too long: it takes no memory.
        """
        partial = bytearray()
        # Plain reads: a buffered reader's lock, held by a waiting thread, would abort the interpreter's exit.
        while chunk := self._read():
            *whole, rest = chunk.split(b"\n")
            for piece in whole:
                _extend(partial, piece)
                yield bytes(partial)
                partial.clear()
            _extend(partial, rest)
        if partial:
            yield bytes(partial)

    def _read(self) -> bytes:
        try:
            return os.read(self._input, CHUNK_BYTES)
        except OSError:  # a pipe that broke has ended
            return b""


def _extend(partial: bytearray, piece: bytes) -> None:
    if len(partial) <= MAXIMUM_LINE_BYTES:
        partial += piece
