# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pipelines' own interfaces ask of the server; see `ServiceHost` of the contract."""

import asyncio
import shutil
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..contract import Done, Event
from ..geometry.mesh_files import read_parts, write_parts
from ..pipelines import registry
from .exported import glb_of
from .jobs import Jobs, write_whole
from .option_schema import is_installed
from .publishing import Publisher
from .refusal import conflict

_NOTE = "service.json"
GPU_QUESTION = ("nvidia-smi", "--query-gpu=name,memory.total,memory.used", "--format=csv,noheader,nounits")


class Host:
    """See `ServiceHost`."""

    def __init__(self, jobs: Jobs, publisher: Publisher, models: Path, start_id: str) -> None:
        self._jobs, self._publisher, self._models, self.start_id = jobs, publisher, models, start_id

    async def submit(self, pipeline: str, task: str, files: Mapping[str, Mapping[str, bytes]],
                     parameters: Mapping[str, object], seed: int = 0, weights: str = "", job: str = "") -> str:
        """See `ServiceHost`."""
        inputs = {slot: tuple(named) for slot, named in files.items()}
        record = self._jobs.create(job or str(uuid.uuid4()), pipeline, task, weights, "", seed, "", parameters, inputs)
        try:
            for named in files.values():
                for name, content in named.items():
                    await asyncio.to_thread(write_whole, self._jobs.input_path(record, name), content)
            await self._jobs.submit(record)
        except BaseException:
            self._jobs.store.delete(record)
            raise
        return record.id

    async def wait(self, job: str) -> Event:
        """See `ServiceHost`."""
        return await self._jobs.wait(self._jobs.store.get(job))

    def end(self, job: str) -> Event | None:
        """See `ServiceHost`."""
        return self._jobs.store.get(job).end

    def cancel(self, job: str) -> None:
        """See `ServiceHost`."""
        self._jobs.cancel(self._jobs.store.get(job))

    async def export(self, job: str, kind: str) -> Path:
        """See `ServiceHost`."""
        record = self._jobs.store.get(job)
        if not isinstance(record.end, Done):
            raise conflict(f"Job {job} has no result.", f"It is {record.state}.")
        path = await asyncio.to_thread(glb_of, record, record.end.result)
        if kind == "glb":
            return path
        other = path.with_suffix(f".{kind}")
        if not other.is_file():
            await asyncio.to_thread(lambda: write_parts(other, read_parts(path)))
        return other

    async def public_url(self, job: str, base: str) -> str:
        """See `ServiceHost`."""
        record = self._jobs.store.get(job)
        await self.export(job, "glb")
        return await self._publisher.glb_url(record) or f"{base}/v1/jobs/{job}/result.glb"

    async def stored(self, key: str) -> bytes:
        """See `ServiceHost`."""
        return await self._publisher.fetch(key)

    def installed(self, pipeline: str, weights: str) -> bool:
        """See `ServiceHost`."""
        spec = registry.spec(pipeline)
        return is_installed(spec, spec.weight_set(weights), self._models)

    def note(self, job: str, data: Mapping[str, Any]) -> None:
        """See `ServiceHost`."""
        self._jobs.store.get(job).folder.write_note(_NOTE, data)

    def noted(self, job: str) -> dict[str, Any]:
        """See `ServiceHost`."""
        return self._jobs.store.get(job).folder.read_note(_NOTE)

    def gpus(self) -> list[dict[str, Any]]:
        """See `ServiceHost`."""
        return gpus()

    @property
    def waiting(self) -> int:
        """See `ServiceHost`."""
        return self._jobs.waiting


def gpus() -> list[dict[str, Any]]:
    """Name and MiB of memory (`total`, `used`) of this machine's NVIDIA GPUs, as their driver's own tool says it."""
    if shutil.which(GPU_QUESTION[0]) is None:
        return []
    try:
        answer = subprocess.run(GPU_QUESTION, capture_output=True, encoding="utf-8", errors="replace", timeout=5,
                                check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    rows = [line.rsplit(", ", 2) for line in answer.splitlines() if line.strip()]
    return [{"name": name, "total": int(total), "used": int(used)} for name, total, used in rows]


