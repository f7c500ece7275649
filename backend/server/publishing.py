# SPDX-License-Identifier: GPL-3.0-or-later
"""Results into the store. They stay on the disk; an outage is retried until it is over, and told with the job."""

import asyncio
import logging
from typing import TYPE_CHECKING

from ..contract import Done
from .exported import GLB, glb_of, has_glb
from .job_store import JobStore, Record
from .refusal import Refusal

if TYPE_CHECKING:  # boto3 is imported only where there is a store
    from .object_store import ObjectStore

logger = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
PATIENCE_SECONDS = 20.0
"""How long an answer that should hold a link of the store waits for it."""
_MEDIA_TYPES = {".png": "image/png", ".glb": "model/gltf-binary", ".txt": "text/plain; charset=utf-8"}


class Publisher:
    """Stores every finished job's files, as `<job>/<file>`. Without a store it does nothing."""

    def __init__(self, store: "ObjectStore | None", jobs: JobStore) -> None:
        self._store, self._jobs = store, jobs
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Go on with what was not stored before."""
        for record in self._jobs:
            self.publish(record)

    async def close(self) -> None:
        """Leave the rest for the next start."""
        for task in self._tasks.values():
            task.cancel()

    def publish(self, record: Record) -> None:
        """Begin to store a finished job's files, if they are not."""
        if self._store is None or not isinstance(record.end, Done) or GLB in record.note.keys or \
                record.id in self._tasks or (record.note.keys and not has_glb(record.end.result)):
            return
        task = asyncio.create_task(self._publish(record), name=f"publish {record.id}")
        self._tasks[record.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(record.id, None))

    def urls(self, record: Record) -> dict[str, str]:
        """Where the store has the job's files, by name."""
        if self._store is None:
            return {}
        return {file: self._store.url(key) for file, key in record.note.keys.items()}

    async def glb_url(self, record: Record) -> str:
        """Where the store has the GLB, after a moment's patience; "" where it does not."""
        if task := self._tasks.get(record.id):
            await asyncio.wait([task], timeout=PATIENCE_SECONDS)
        return self.urls(record).get(GLB, "")

    async def fetch(self, key: str) -> bytes:
        """A file of the bucket. Raises Refusal where there is no store, no such file, or an outage."""
        if self._store is None:
            raise Refusal(422, "This server has no store.", "S3_BUCKET_NAME is not set.", "Upload the file instead.")
        from .object_store import StoreDown

        try:
            return await asyncio.to_thread(self._store.get, key)
        except StoreDown as error:
            raise Refusal(503, "The store does not answer.", f"{error}", "Try again.", retry_after=10) from error

    async def _publish(self, record: Record) -> None:
        from .object_store import StoreDown

        assert self._store is not None and isinstance(record.end, Done)
        files = [path for path in record.folder.outputs.iterdir()
                 if path.name in {artifact.file for artifact in record.end.result.artifacts}]
        if has_glb(record.end.result):
            files.append(await asyncio.to_thread(glb_of, record, record.end.result))
        keys, pause = dict(record.note.keys), FIRST_PAUSE
        while left := [path for path in files if path.name not in keys]:
            try:
                for path in left:
                    key = f"{record.id}/{path.name}"
                    media_type = _MEDIA_TYPES.get(path.suffix, "application/octet-stream")
                    await asyncio.to_thread(self._store.put, key, path, media_type)
                    keys[path.name] = key
            except StoreDown as error:
                logger.warning("Job %s is not in the store yet: %s", record.id, error, extra={"job": record.id})
                record.update(store_error=f"The store does not answer ({error}). It is tried again.", keys=keys)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
        record.update(keys=keys, store_error="")
        logger.info("Job %s is in the store", record.id, extra={"job": record.id})
