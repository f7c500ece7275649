# SPDX-License-Identifier: GPL-3.0-or-later
"""What the queue knows of a worker: how to reach it, and nothing about what it is."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ..backend.contract import Event, Message


@dataclass(frozen=True)
class WorkerSettings:
    """From the preferences: which worker, where and on which device. Another value means another worker.

    `root` is the folder that contains `backend`; `models` the folder of the published weights; `devices` as torch names
    them, or "auto"; `memory_mode` a `MemoryMode`, or "auto" for one that fits the free memory; `statistics` the file
    with the run times of this machine; `pipelines` the folder of further pipelines that the artist allows to run.
    `offline` forbids the worker the network. `hub` is the model hub's address, "" for the public one, and `token` the
    access token for it. `in_process` asks for the worker inside Blender's own Python; `python` is
    not used then.
    """

    python: Path
    root: Path
    models: Path
    device: str = "auto"
    second_device: str = ""
    memory_mode: str = "auto"
    compile: bool = False
    statistics: Path | None = None
    offline: bool = False
    in_process: bool = False
    pipelines: Path | None = None
    hub: str = ""
    token: str = field(default="", repr=False)

    @property
    def hub_environment(self) -> dict[str, str]:
        """The environment variables by which huggingface_hub knows address and token; none for what is not set."""
        given = {"HF_ENDPOINT": self.hub, "HF_TOKEN": self.token}
        return {name: value for name, value in given.items() if value}


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

    def last_log_lines(self) -> list[str]:
        """The last lines of its log, oldest first, and how it ended where that is known."""
