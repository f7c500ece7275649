# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker as a child process: the main thread runs jobs, a reader thread takes messages while the GPU works."""

import ctypes
import logging
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from typing import NoReturn

from ..contract import Message, Ping, Pong, item_of
from .protocol import Channel
from .settings import Settings
from .worker import Worker

logger = logging.getLogger(__name__)

GRACE_SECONDS = 1.5
"""How long a running job may take to stop once the parent has ended."""


def serve(settings: Settings) -> NoReturn:
    """Speak the protocol on stdin and stdout until `Shutdown` or the end of stdin. Ends the process."""
    channel = Channel()
    _prepare_process()
    worker = Worker(channel.send, settings)
    threading.Thread(target=_read, args=(channel, worker), name="reader", daemon=True).start()
    channel.send(replace(worker.ready(), heartbeat=True))
    while worker.wait():
        worker.run_next()
    channel.finish()
    # The interpreter's own way out would take apart torch and diffusers, for seconds.
    os._exit(0)


def _read(channel: Channel, worker: Worker) -> None:
    for line in channel.lines():
        try:
            _take(line, channel, worker)
        except Exception as error:  # noqa: BLE001  this thread must outlive any message: without it there is no cancel
            logger.error("A message that cannot be used came: %.500s (%.200r)", error, line[:200])
    worker.close()
    time.sleep(GRACE_SECONDS)
    # Still here: some library call does not return, and nobody is left who could end this process in another way.
    os._exit(1)


def _take(line: bytes, channel: Channel, worker: Worker) -> None:
    """Do what one line asks for. Raises whatever is wrong with it."""
    item = item_of(line)
    if isinstance(item, Ping):
        channel.send(Pong(item.number, worker.jobs()))
    elif isinstance(item, Message):
        worker.handle(item)
    else:
        logger.error("An event came from the wrong side: %.200r", line)


def _prepare_process() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.captureWarnings(True)
    # Ctrl-C in a terminal reaches the whole process group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_parent()


def _die_with_parent() -> None:
    """Ask the kernel to end this process when its parent's thread ends.

    The reader thread needs Python's global lock to notice the end of stdin; a library call that holds it for long
    would keep this process alive after a crash of Blender.
    """
    if sys.platform != "linux":  # its parent binds it to itself in another way
        return
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
