# SPDX-License-Identifier: GPL-3.0-or-later
"""The native interface below /v1: tasks, jobs, their inputs, events and files."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import FileResponse, StreamingResponse

from ..contract import VERSION, Done, replace_whole, unwritable_folder
from ..contract.json_form import to_json
from ..pipelines import registry
from .event_file import events_after
from .exported import GLB, glb_of, has_glb
from .forms import (
    ErrorForm,
    HealthForm,
    HistoryForm,
    JobForm,
    JobRequestForm,
    ResultForm,
    ServerForm,
    TaskForm,
    job_form,
)
from .job_store import JOB_ID, Record
from .jobs import Jobs
from .option_schema import described_task
from .publishing import Publisher
from .refusal import Refusal, conflict, unknown
from .settings import ServerSettings

JobId = Annotated[str, Path(pattern=f"^{JOB_ID.pattern}$", description="The job's id: chosen by the client")]
File = Annotated[str, Path(pattern="^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$", description="A file's name")]
PipelineName = Annotated[str, Path(pattern="^[a-z][a-z0-9_]{0,63}$", description="Name of the pipeline")]
TaskName = Annotated[str, Path(pattern="^[a-z][a-z0-9_]{0,63}$", description="Name of the task")]
BINARY = {"schema": {"type": "string", "format": "binary"}}
PUBLIC: dict[str, Any] = {"security": []}
"""In a route's `openapi_extra`: it needs no token."""
KEEP_ALIVE_SECONDS = 15.0


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The documentation of these error answers."""
    words = {400: "The request cannot be read", 401: "The token is missing or wrong", 403: "Not allowed here",
             404: "There is no such thing", 405: "No such method", 409: "The job's state does not allow it",
             413: "Too large", 416: "The range lies outside of the file", 422: "A value does not fit",
             429: "Too much at once: see Retry-After", 503: "The server cannot do it now",
             507: "The server's disk takes no files"}
    return {status: {"model": ErrorForm, "description": words[status]} for status in statuses}


EVERYWHERE = errors(400, 401, 403, 413, 422, 429, 507)


def native_routes(jobs: Jobs, publisher: Publisher, settings: ServerSettings, device: Any,
                  start_id: str) -> APIRouter:
    """The routes. `device` is called for the words about what computes."""
    router = APIRouter(prefix="/v1")
    models = settings.worker.models
    _add_descriptions(router, jobs, settings, device, start_id, models)
    _add_jobs(router, jobs)
    _add_job(router, jobs)
    _add_events(router, jobs)
    _add_inputs(router, jobs)
    _add_files(router, jobs, publisher)
    return router


def _add_descriptions(router: APIRouter, jobs: Jobs, settings: ServerSettings, device: Any, start_id: str,
                      models: FilePath) -> None:
    @router.get("/health", tags=["server"], summary="Whether the server answers", operation_id="health",
                openapi_extra=PUBLIC)
    async def health() -> HealthForm:
        """Needs no token."""
        return HealthForm(worker_id=start_id)

    @router.get("/server", tags=["server"], summary="The server's version, device and limits", operation_id="server")
    async def server() -> ServerForm:
        """What a client should know before it sends anything."""
        return ServerForm(version=settings.version, contract=VERSION, device=device(), waiting=jobs.waiting,
                          most_waiting=jobs.limits.waiting, largest_upload=jobs.limits.upload_bytes)

    @router.get("/tasks", tags=["tasks"], summary="Everything that can be asked for", operation_id="list_tasks")
    def list_tasks() -> list[TaskForm]:
        """All tasks of all pipelines, with their options as JSON Schema."""
        return [TaskForm(**described_task(spec, task, models)) for spec in registry.specs().values()
                for task in spec.tasks]

    @router.get("/tasks/{pipeline}/{task}", tags=["tasks"], summary="One task", operation_id="get_task",
                responses=errors(404))
    def get_task(pipeline: PipelineName, task: TaskName) -> TaskForm:
        """One task with its options as JSON Schema."""
        spec = registry.specs().get(pipeline)
        found = next((each for each in spec.tasks if each.name == task), None) if spec else None
        if spec is None or found is None:
            raise unknown("task", f"{pipeline}/{task}")
        return TaskForm(**described_task(spec, found, models))


def _add_jobs(router: APIRouter, jobs: Jobs) -> None:
    """All jobs: the history, and a new one."""
    @router.get("/jobs", tags=["jobs"], summary="The history", operation_id="list_jobs")
    def list_jobs(
        limit: Annotated[int, Query(ge=1, le=500, description="How many")] = 50,
        before: Annotated[float | None, Query(description="Only jobs created before, in seconds since 1970")] = None,
    ) -> HistoryForm:
        """Jobs of everybody, the latest first."""
        found = [record for record in jobs.store if before is None or record.note.created < before]
        shown = found[:limit]
        return HistoryForm(jobs=[job_form(record) for record in shown],
                           next=shown[-1].note.created if len(found) > limit else None)

    @router.put("/jobs/{job}", tags=["jobs"], summary="Create a job", operation_id="create_job",
                responses=errors(404, 409))
    def create_job(job: JobId, request: JobRequestForm) -> JobForm:
        """The job waits for its inputs, then for `submit`. The same request once more changes nothing, so a client
        that lost the answer may repeat it.
        """
        inputs = {name: tuple(files) for name, files in request.inputs.items()}
        return job_form(jobs.create(job, request.pipeline, request.task, request.weights, request.subject,
                                    request.seed, request.preset, request.parameters, inputs))


def _add_job(router: APIRouter, jobs: Jobs) -> None:
    """One job, from its submission to its deletion."""
    @router.get("/jobs/{job}", tags=["jobs"], summary="A job as it is now", operation_id="get_job",
                responses=errors(404))
    def get_job(job: JobId) -> JobForm:
        """State, request, and the error if it failed."""
        return job_form(jobs.store.get(job))

    @router.post("/jobs/{job}/submit", tags=["jobs"], summary="Have a job worked on", operation_id="submit_job",
                 status_code=202, responses=errors(404, 409))
    async def submit_job(job: JobId) -> JobForm:
        """From the answer on the job will end, also when engines or the server die. Once more changes nothing."""
        record = jobs.store.get(job)
        await jobs.submit(record)
        return job_form(record)

    @router.post("/jobs/{job}/cancel", tags=["jobs"], summary="Stop a job", operation_id="cancel_job",
                 status_code=202, responses=errors(404))
    async def cancel_job(job: JobId) -> JobForm:
        """A waiting job ends at once, a running one within moments; its last event says so."""
        record = jobs.store.get(job)
        jobs.cancel(record)
        return job_form(record)

    @router.delete("/jobs/{job}", tags=["jobs"], summary="Delete a job with its files", operation_id="delete_job",
                   status_code=204, responses=errors(404, 409))
    def delete_job(job: JobId) -> None:
        """Not while it waits or runs."""
        jobs.store.delete(jobs.store.get(job))


def _add_events(router: APIRouter, jobs: Jobs) -> None:
    """What happens to a job, as it happens."""
    @router.get("/jobs/{job}/events", tags=["jobs"], summary="A job's events as they happen", operation_id="job_events",
                response_class=StreamingResponse,
                responses={200: {"description": "Server-sent events: `id` is the number, `event` the kind, `data` the "
                                                "event as JSON. The stream ends after done, failed or cancelled",
                                 "content": {"text/event-stream": {"schema": {"type": "string"}}}}, **errors(404)})
    async def job_events(
        job: JobId,
        last_event_id: Annotated[int, Header(ge=0, le=2**53, description="Only events behind this number")] = 0,
    ) -> StreamingResponse:
        """All events from the first on, or from the one behind `Last-Event-ID`."""
        record = jobs.store.get(job)
        return StreamingResponse(_stream(record, last_event_id), media_type="text/event-stream",
                                 headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


def _add_inputs(router: APIRouter, jobs: Jobs) -> None:
    @router.put("/jobs/{job}/inputs/{file}", tags=["jobs"], summary="Upload an input", operation_id="put_input",
                status_code=204, responses=errors(404, 409),
                openapi_extra={"requestBody": {"required": True, "description": "The file's bytes",
                                               "content": {"application/octet-stream": BINARY}}})
    async def put_input(job: JobId, file: File, request: Request) -> None:
        """The file appears whole or not at all; once more replaces it, until the job is submitted."""
        path = jobs.input_path(jobs.store.get(job), file)
        await _receive(request, path, jobs.limits.upload_bytes)


def _add_files(router: APIRouter, jobs: Jobs, publisher: Publisher) -> None:
    @router.get("/jobs/{job}/result", tags=["results"], summary="What a finished job gives", operation_id="get_result",
                responses=errors(404, 409))
    def get_result(job: JobId) -> ResultForm:
        """Files, seconds by stage, remarks."""
        record, result = _finished(jobs, job)
        plain, stored = to_json(result), publisher.urls(record)
        for artifact in plain["artifacts"]:
            artifact["url"] = stored.get(artifact["file"], f"/v1/jobs/{job}/files/{artifact['file']}")
        glb = stored.get(GLB, f"/v1/jobs/{job}/result.glb") if has_glb(result) else ""
        return ResultForm(**plain, glb=glb, store_error=record.note.store_error)

    @router.get("/jobs/{job}/result.glb", tags=["results"], summary="All meshes of a result", operation_id="get_glb",
                response_class=FileResponse,
                responses={200: {"description": "A GLB with named nodes", "content": {"model/gltf-binary": BINARY}},
                           206: {"description": "A part of it", "content": {"model/gltf-binary": BINARY}},
                           **errors(404, 409, 416)})
    def get_glb(job: JobId) -> FileResponse:
        """Parts are nodes of their own; new materials are on the meshes that got them."""
        record, result = _finished(jobs, job)
        path = glb_of(record, result)
        return FileResponse(path, media_type="model/gltf-binary", filename=f"{job}.glb")

    @router.get("/jobs/{job}/files/{file}", tags=["results"], summary="A file of a job", operation_id="get_file",
                response_class=FileResponse,
                responses={200: {"description": "The file", "content": {"application/octet-stream": BINARY}},
                           206: {"description": "A part of the file", "content": {"application/octet-stream": BINARY}},
                           **errors(404, 416)})
    def get_file(job: JobId, file: File) -> FileResponse:
        """An artifact, or a preview while the job runs. Ranges are answered."""
        path = jobs.store.get(job).folder.outputs / file
        if not path.is_file():
            raise unknown("file", file)
        return FileResponse(path, media_type="application/octet-stream")


def _finished(jobs: Jobs, job: str) -> tuple[Record, Any]:
    record = jobs.store.get(job)
    if not isinstance(record.end, Done):
        raise conflict(f"Job {job} has no result.", f"It is {record.state}.")
    return record, record.end.result


async def _stream(record: Record, last: int) -> AsyncIterator[str]:
    yield "retry: 1000\n\n"
    events = events_after(record.folder, last)
    waiting = asyncio.ensure_future(anext(events, None))
    try:
        while True:
            done, _ = await asyncio.wait([waiting], timeout=KEEP_ALIVE_SECONDS)
            if not done:
                yield ": the job goes on\n\n"
                continue
            item = waiting.result()
            if item is None:
                return
            number, data = item
            yield f"id: {number}\nevent: {data['event']}\ndata: {json.dumps(data)}\n\n"
            waiting = asyncio.ensure_future(anext(events, None))
    finally:
        waiting.cancel()


async def _receive(request: Request, path: FilePath, most: int) -> None:
    """Write the body to `path`. Raises Refusal (413), MeshwrightError."""
    received = 0
    try:
        with replace_whole(path) as draft, draft.open("wb") as file:
            async for chunk in request.stream():
                received += len(chunk)
                if received > most:
                    raise Refusal(413, "The file is too large.", f"At most {most} bytes are taken.",
                                  "Use fewer faces, or a smaller image.")
                file.write(chunk)
            if not received:
                raise Refusal(422, "The file is empty.", "No bytes came.", "Upload it once more.")
            file.flush()
    except OSError as error:
        raise unwritable_folder(path.parent, error) from error

