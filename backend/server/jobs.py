# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server does with jobs, without HTTP: create, take inputs, accept, have them worked on, cancel, delete."""

import asyncio
import logging
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from ..contract import (
    DOWNLOAD_WEIGHTS,
    WEIGHTS_TASKS,
    BadInput,
    CancelledEvent,
    ErrorReport,
    Event,
    Failed,
    LogLine,
    MeshwrightError,
    Queued,
    Remedy,
    Request,
    replace_whole,
    unwritable_folder,
)
from ..contract.parameter import Value
from ..pipelines import registry
from ..weights.location import locate
from .engine import EngineLost, EngineUnreachable
from .engines import Engines
from .event_file import append, drop_torn_line, keep_workers_end, last_event
from .input_files import checked_inputs
from .job_store import JobStore, Record
from .refusal import Refusal, conflict
from .settings import Limits

logger = logging.getLogger(__name__)

TAKEN_UP = "The engine that ran this job was lost. It starts again."


class Jobs:
    """Accepts jobs up to a limit and sees every accepted one through to its one terminal event.

    `ended` is called with each job that has ended, before anybody who waits for it.
    """

    def __init__(self, store: JobStore, engines: Engines, limits: Limits, models: Path, downloads: bool,
                 ended: Callable[[Record], None] = lambda record: None) -> None:
        self.store, self.limits = store, limits
        self._engines, self._models, self._downloads, self._ended = engines, models, downloads, ended
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._accepting: set[str] = set()

    @property
    def waiting(self) -> int:
        """Accepted jobs that have not ended."""
        return len(self._tasks) + len(self._accepting)

    async def start(self) -> None:
        """Take up every accepted job that has not ended, in the order in which they were accepted."""
        left = [record for record in self.store if record.note.accepted is not None and record.end is None]
        for record in sorted(left, key=lambda record: record.note.accepted or 0.0):
            self._begin(record, taken_up=True)

    async def close(self) -> None:
        """Leave the jobs as they are; the next start takes them up."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def create(self, job: str, pipeline: str, task: str, weights: str, subject: str, seed: int, preset: str,
               parameters: Mapping[str, object], inputs: Mapping[str, tuple[str, ...]]) -> Record:
        """A job that waits for its inputs; parameters that are left out have the defaults of weights and preset.

        Raises BadInput where something does not fit, Refusal where it is not allowed.
        """
        spec = registry.spec(pipeline)
        wanted = spec.task(task)
        if wanted in WEIGHTS_TASKS and not (self._downloads and wanted is DOWNLOAD_WEIGHTS):
            raise Refusal(403, f"This server does not offer {wanted.label}.", "Whoever runs it chooses them.",
                          "Ask them, or choose other weights.")
        if sum(map(len, inputs.values())) > self.limits.files:
            raise BadInput("The job has too many input files.", f"At most {self.limits.files} are taken.",
                           "Send several jobs.")
        every = [file for files in inputs.values() for file in files]
        if len(set(every)) < len(every):
            raise BadInput("An input file is named twice.", f"The files are {', '.join(every)}.",
                           "Give each a name of its own.")
        weights = weights or self._default_weights(pipeline, task)
        known = spec.weight_set(weights) if spec.weights else None
        _refuse_paths(pipeline, task, parameters)
        if preset and preset not in [each.name for each in wanted.presets]:
            raise BadInput(f"{wanted.label} has no preset '{preset}'.",
                           f"It has {', '.join(each.name for each in wanted.presets) or 'none'}.", "Choose another.")
        values: dict[str, Value] = {**wanted.defaults(known, preset), **parameters}  # type: ignore[dict-item]
        request = Request(job, task, pipeline, weights, subject or wanted.label, seed, values, inputs)
        return self.store.create(request.validated(spec))

    def input_path(self, record: Record, file: str) -> Path:
        """Where an input of a job that waits for it belongs. Raises Refusal."""
        if record.note.accepted is not None:
            raise conflict(f"Job {record.id} was submitted.", "Its inputs are as they were then.")
        if file not in [name for files in record.request.inputs.values() for name in files]:
            raise Refusal(404, f"Job {record.id} has no input '{file}'.", "Its request names others.",
                          "Name it in the request.")
        return record.folder.inputs / file

    async def submit(self, record: Record) -> None:
        """Accept the job: from here on it will end, whatever happens. Once more changes nothing.

        Raises BadInput for unfit inputs, Refusal (429) when too many jobs wait.
        """
        if record.note.accepted is not None or record.id in self._accepting:
            return
        if self.waiting >= self.limits.waiting:
            raise Refusal(429, "Too many jobs are waiting.", f"This server takes {self.limits.waiting} at a time.",
                          "Try again later.", Remedy.RETRY, retry_after=self._seconds_to_wait())
        self._accepting.add(record.id)
        try:
            task = registry.spec(record.request.pipeline).task(record.request.task)
            request, names = await asyncio.to_thread(checked_inputs, record.folder, record.request, task)
            if request != record.request:
                self.store.rewrite_request(record, request)
            append(record.folder, Queued(record.id, len(self._tasks)))
            record.update(accepted=time.time(), names=names)
            self._begin(record)
        except OSError as error:
            raise unwritable_folder(record.folder.path, error) from error
        finally:
            self._accepting.discard(record.id)

    def cancel(self, record: Record) -> None:
        """Stop a job: a waiting one at once, a running one when its engine notices. An ended one stays as it is."""
        if record.end is not None:
            return
        record.claim.ask_to_cancel()
        if record.note.accepted is None:
            record.update(accepted=time.time())
        if record.claim.take():  # nobody has begun, and now nobody will
            append(record.folder, CancelledEvent(record.id))
            if task := self._tasks.pop(record.id, None):
                task.cancel()
            self._end(record)

    async def wait(self, record: Record) -> Event:
        """The terminal event of an accepted job, once everything that follows from it has begun."""
        while True:
            if task := self._tasks.get(record.id):
                await asyncio.wait([task])
            elif (end := record.end) is not None:
                return end
            await asyncio.sleep(0.01)

    def _default_weights(self, pipeline: str, task: str) -> str:
        """The first set for the task whose files are there; the first one where none is."""
        spec = registry.spec(pipeline)
        offered = spec.weights_for(spec.task(task)) or spec.weights
        for weights in offered:
            try:
                locate(spec, weights, self._models)
            except MeshwrightError:
                continue
            return weights.name
        return offered[0].name if offered else ""

    def _seconds_to_wait(self) -> int:
        """A guess for Retry-After: the waiting jobs, each as long as the ones that ended lately."""
        ended = [sum(record.end.result.seconds.values()) for record in list(self.store)[:20]
                 if record.end is not None and hasattr(record.end, "result")]
        average = sum(ended) / len(ended) if ended else 5.0
        return max(1, min(int(average * self.waiting / 4), 300))

    def _begin(self, record: Record, taken_up: bool = False) -> None:
        task = asyncio.create_task(self._see_through(record, taken_up), name=f"job {record.id}")
        self._tasks[record.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(record.id, None))

    async def _see_through(self, record: Record, taken_up: bool) -> None:
        """Attempt after attempt, until the job has ended."""
        extra = {"job": record.id}
        try:
            if taken_up:
                await self._take_up(record)
            while record.end is None:
                try:
                    await self._engines.run(record.model, record.id, record.folder.path, record.note.attempt)
                except EngineUnreachable as error:
                    logger.warning("An engine is out of reach: %s", error, extra=extra)
                    await self._take_up(record)
                except EngineLost as error:
                    logger.warning("An engine was lost: %s", error, extra=extra)
                    self._next_attempt(record, str(error))
                else:
                    drop_torn_line(record.folder)
                    if record.end is None:  # somebody else holds the claim: a server before this one
                        await self._take_up(record)
        except (OSError, MeshwrightError) as error:
            logger.exception("Job %s cannot go on", record.id, extra=extra)
            record.end = Failed(record.id, error.report if isinstance(error, MeshwrightError)
                                else unwritable_folder(record.folder.path, error).report)
        if record.end is not None:
            self._end(record)

    async def _take_up(self, record: Record) -> None:
        """Wait while an engine that is out of reach still works on it, then prepare another attempt."""
        while await record.claim.goes_on():
            if last_event(record.folder) is not None:
                return
        drop_torn_line(record.folder)
        keep_workers_end(record.folder)
        if last_event(record.folder) is None and record.claim.taken:
            self._next_attempt(record, "The server or the engine ended.")

    def _next_attempt(self, record: Record, why: str) -> None:
        drop_torn_line(record.folder)
        if last_event(record.folder) is not None:
            return
        if record.claim.cancelled:
            append(record.folder, CancelledEvent(record.id))
            return
        if record.note.attempt >= self.limits.attempts:
            report = ErrorReport("The engine ended while it worked on this job.", why,
                                 "Lower the resolution or choose other weights, and start it again.", Remedy.RETRY)
            record.folder.write_error(report)
            append(record.folder, Failed(record.id, report))
            return
        for path in record.folder.outputs.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        append(record.folder, LogLine(record.id, TAKEN_UP, "warning"))
        record.update(attempt=record.note.attempt + 1)

    def _end(self, record: Record) -> None:
        if record not in self.store:
            return
        logger.info("Job %s: %s", record.id, record.state, extra={"job": record.id})
        self._ended(record)


def _refuse_paths(pipeline: str, task: str, parameters: Mapping[str, object]) -> None:
    """Files are uploaded; a path would be one of the server's."""
    for parameter in registry.spec(pipeline).task(task).parameters:
        if parameter.kind == "file" and parameters.get(parameter.name):
            raise BadInput(f"{parameter.label} cannot be used on a server.",
                           "It names a file of the computer that the job runs on.", "Leave it empty.")


def write_whole(path: Path, content: bytes) -> None:
    """Write an input. Raises MeshwrightError."""
    try:
        with replace_whole(path) as draft:
            draft.write_bytes(content)
    except OSError as error:
        raise unwritable_folder(path.parent, error) from error

