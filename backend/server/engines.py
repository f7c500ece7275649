# SPDX-License-Identifier: GPL-3.0-or-later
"""Where jobs are worked on: next to the server, or wherever Ray has a place."""

import asyncio
from pathlib import Path
from typing import Protocol

from ..worker_client import WorkerSettings
from .engine import Engine


class Engines(Protocol):
    """Any number of engines. `run` may be called for many jobs at once; those that find no free engine wait."""

    async def start(self) -> None:
        """Get ready to take jobs."""

    async def run(self, model: str, job: str, path: Path, attempt: int) -> None:
        """Make one attempt at a job, on an engine that has the model loaded if there is one. Raises EngineLost."""

    async def close(self) -> None:
        """End all engines; running jobs stay without an end and are taken up at the next start."""

    @property
    def device(self) -> str:
        """What works, in words."""


class LocalEngine:
    """One engine next to the server. Jobs take their turns in the order in which they came."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._engine = Engine(settings)
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Nothing: the worker starts with the first job."""

    async def run(self, model: str, job: str, path: Path, attempt: int) -> None:
        """See `Engines`."""
        async with self._turn:
            await self._engine.run(job, path, attempt)

    async def close(self) -> None:
        """See `Engines`."""
        self._engine.kill()

    @property
    def device(self) -> str:
        """The worker's device, once it has greeted."""
        return self._engine.device or "one engine"
