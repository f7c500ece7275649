# SPDX-License-Identifier: GPL-3.0-or-later
"""What the queue knows of a worker: how to reach it, and nothing about what it is."""

from typing import Protocol

from ..backend.contract import Event, Message


class Connection(Protocol):
    """A way to one worker. None of the calls waits for it, but for the in-process form, which works inside `poll`."""

    def start(self) -> None:
        """Bring the worker up; `Ready` arrives later through `poll`. Raises MeshwrightError when it cannot be."""

    def send(self, message: Message) -> None:
        """Hand a message over. A worker that has ended is noticed by `alive`, not here."""

    def poll(self) -> list[Event | Message]:
        """What has come since the last call, in order, within a few milliseconds; the rest comes with the next call."""

    def alive(self) -> bool:
        """False once the worker has ended and everything that it said was polled."""

    def close(self) -> None:
        """Ask the worker to cancel its job and end. Does not wait."""

    def terminate(self) -> None:
        """End the worker with the system's polite signal."""

    def kill(self) -> None:
        """End the worker at once."""

    def mute(self) -> bool:
        """True when the worker runs but can never answer again."""

    def exit_status(self) -> int | None:
        """How its process ended: the exit code, a signal as a negative number; None while it runs or is none."""

    def last_log_lines(self) -> list[str]:
        """The last lines of its log, oldest first."""
