# SPDX-License-Identifier: GPL-3.0-or-later
"""A reader that does not read for a while, at a pipe as small as Windows': nothing waits, and nothing is lost."""

import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.contract import Done, Event, LogLine, Message, Preview, Result, StageProgress, item_of, line_of
from backend.worker.sender import Sender

SMALLEST_PIPE = 4096
BUSY_SECONDS = 5.0


class Pipe:
    """A pipe of 4 KiB, and a sender at its writing end."""

    def __init__(self) -> None:
        self.reading, self._writing = os.pipe()
        assert fcntl.fcntl(self._writing, fcntl.F_SETPIPE_SZ, SMALLEST_PIPE) == SMALLEST_PIPE
        self.sender = Sender(self._write)

    def _write(self, item: Event | Message) -> None:
        line = memoryview(line_of(item))
        while line:
            line = line[os.write(self._writing, line):]

    def read_to_done(self) -> list[Event | Message]:
        items: list[Event | Message] = []
        with os.fdopen(os.dup(self.reading), "rb") as lines:
            for line in lines:
                items.append(item_of(line))
                if isinstance(items[-1], Done):
                    return items
        raise AssertionError("the end never came")

    def close(self) -> None:
        for end in (self.reading, self._writing):
            os.close(end)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


def test_a_busy_reader_does_not_hold_up_the_work(pipe: Pipe) -> None:
    begin, slowest, steps, remarks = time.perf_counter(), 0.0, 0, 0
    while time.perf_counter() - begin < BUSY_SECONDS:  # nobody reads; a full pipe would block the first loop for good
        steps += 1
        before = time.perf_counter()
        pipe.sender.send(StageProgress("job", "sample", steps, 10**6, 0.5))
        pipe.sender.send(Preview("job", "views.png"))
        if steps % 20 == 0:
            remarks += 1
            pipe.sender.send(LogLine("job", f"remark {remarks}"))
        slowest = max(slowest, time.perf_counter() - before)
        time.sleep(0.001)
    pipe.sender.send(StageProgress("job", "bake", 1, 1, 1.0))
    pipe.sender.send(Done("job", Result(())))
    assert slowest < 0.5
    items = pipe.read_to_done()
    progress = [item.step for item in items if isinstance(item, StageProgress) and item.stage == "sample"]
    assert progress == sorted(progress) and progress[-1] == steps, "the latest state arrives, in order"
    assert steps > 1000 and len(progress) < 200, "what nobody saw is not sent late"
    assert [item.text for item in items if isinstance(item, LogLine)] == [f"remark {n + 1}" for n in range(remarks)]
    assert isinstance(items[-1], Done) and isinstance(items[-2], StageProgress) and items[-2].stage == "bake"


def test_last_words_are_waited_for_but_not_for_ever(pipe: Pipe) -> None:
    for number in range(300):
        pipe.sender.send(LogLine("job", f"{number} " + "x" * 100))
    begin = time.perf_counter()
    pipe.sender.finish(0.3)
    assert 0.25 < time.perf_counter() - begin < 2, "nobody reads"
    pipe.sender.send(Done("job", Result(())))
    assert len(pipe.read_to_done()) == 301
    pipe.sender.finish(5)


def test_a_reader_that_has_ended_ends_the_sending(tmp_path: Path) -> None:
    calls: list[Event | Message] = []

    def write(item: Event | Message) -> None:
        calls.append(item)
        raise BrokenPipeError

    sender = Sender(write)
    for number in range(20):
        sender.send(LogLine("job", str(number)))
    sender.finish(5)
    sender.send(Done("job", Result(())))
    time.sleep(0.05)
    assert len(calls) == 1
