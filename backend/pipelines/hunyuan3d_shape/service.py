# SPDX-License-Identifier: GPL-3.0-or-later
"""The published API server's endpoints, so that its clients keep working: /generate, /send, /status/{uid}, /health.

Every option is obeyed, except `num_chunks`: memory decides here. Seeds above 2^31 - 1 count from 0 again, resolutions
go to the nearest that there is. Where the textured chain cannot paint, the untextured object is the answer, with the
reason, as in the original.
"""

import asyncio
import base64
import binascii
import re
import uuid
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel, Field, StrictBool, StrictFloat, StrictInt

from ...contract import MAXIMUM_SEED, BadInput, Done, Event, Failed, MeshwrightError, ServiceHost
from .spec import GENERATE_SHAPE, GRID_RESOLUTIONS, SPEC

PAINTER, PAINT_TASK = "hunyuan3d_paint", "paint"
MEDIA_TYPES = {"glb": "model/gltf-binary", "obj": "model/obj", "ply": "application/octet-stream", "stl": "model/stl"}
Uid = Annotated[str, Path(pattern="^[0-9a-f-]{36}$", description="As /send gave it")]
_DATA_URL = re.compile(r"^data:[\w/+.-]*;base64,")


class GenerateForm(BaseModel):
    """A request of the published API."""

    image: str = Field(default="", description="Base64 of an image file; a data URL's prefix is ignored")
    mesh: str = Field(default="", description="Base64 of a GLB: it is textured instead of a generated one")
    remove_background: StrictBool = Field(default=True, description="Cut the object out of an opaque image first")
    texture: StrictBool = Field(default=False, description="Paint the object after the image")
    seed: StrictInt = Field(default=1234, ge=0, le=2**32 - 1, description="Seed")
    octree_resolution: StrictInt = Field(default=256, ge=64, le=512, description="Grid cells along each axis")
    num_inference_steps: StrictInt = Field(default=5, ge=1, le=100, description="Sampler steps")
    guidance_scale: StrictFloat | StrictInt = Field(default=5.0, ge=0.1, le=20.0, description="Guidance")
    num_chunks: StrictInt = Field(default=8000, ge=1000, le=5_000_000, description="Has no effect: memory decides")
    face_count: StrictInt = Field(default=40000, ge=100, le=1_000_000, description="Most faces")
    type: Literal["glb", "obj", "ply", "stl"] = Field(default="glb", description="Kind of the file")


class SentForm(BaseModel):
    """The answer to /send."""

    uid: str = Field(description="For /status")


class StatusForm(BaseModel):
    """How far a sent request is."""

    status: Literal["processing", "texturing", "completed", "error"] = Field(description="How far it is")
    model_base64: str | None = Field(default=None, description="Base64 of the file, once completed")
    message: str | None = Field(default=None, description="What went wrong, or why there is no texture")


class HealthForm(BaseModel):
    """That the server answers."""

    status: Literal["healthy"] = Field(default="healthy", description="Always this")
    worker_id: str = Field(description="Names this start of the server")


def routes(host: ServiceHost) -> APIRouter:
    """The endpoints of the published server."""
    router, chains = APIRouter(tags=[SPEC.name]), _Chains(host)
    file = {"content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in MEDIA_TYPES.values()},
            "description": "The file"}

    @router.post("/generate", summary="An image becomes a file", operation_id="generate", response_class=FileResponse,
                 responses={200: file, 404: {"model": _ErrorForm, "description": "It failed: see `text`"}})
    async def generate(request: GenerateForm) -> Any:
        """Answers when the object is done. A client that leaves stops the job."""
        try:
            uid = await chains.begin(request)
            try:
                job, note = await chains.finish(uid)
            except asyncio.CancelledError:
                host.cancel(uid)
                raise
            headers = {"X-Meshwright-Note": note} if note else {}
            return FileResponse(await host.export(job, request.type), media_type=MEDIA_TYPES[request.type],
                                headers=headers)
        except MeshwrightError as error:
            return JSONResponse({"text": str(error.report), "error_code": 1}, 404)

    @router.post("/send", summary="Have an image turned into a file", operation_id="send")
    async def send(request: GenerateForm) -> SentForm:
        """Answers at once; /status has the file later."""
        uid = await chains.begin(request)
        chains.follow(uid)
        return SentForm(uid=uid)

    @router.get("/status/{uid}", summary="How far a sent request is", operation_id="status",
                response_model_exclude_none=True,
                responses={500: {"model": StatusForm, "description": "It failed: see `message`"}})
    async def status(uid: Uid) -> Any:
        """A textured request is `texturing` between its two stages; an untextured one ends, too."""
        found = await chains.status(uid)
        return JSONResponse(found.model_dump(exclude_none=True), 500) if found.status == "error" else found

    @router.get("/health", summary="Whether the server answers", operation_id="published_health",
                openapi_extra={"security": []})
    async def health() -> HealthForm:
        """Needs no token."""
        return HealthForm(worker_id=host.start_id)

    return router


class _ErrorForm(BaseModel):
    text: str = Field(description="What went wrong")
    error_code: Literal[1] = Field(default=1, description="Always 1")


class _Chains:
    """Requests that are a shape and then perhaps its texture. What is wanted is kept with the first job, so that a
    server that restarts goes on.
    """

    def __init__(self, host: ServiceHost) -> None:
        self._host = host
        self._tasks: set[asyncio.Task[Any]] = set()
        self._painting = asyncio.Lock()

    async def begin(self, request: GenerateForm) -> str:
        """Start the first job; its id is the request's. Raises MeshwrightError."""
        uid, image = str(uuid.uuid4()), _decoded(request.image, "image") if request.image else b""
        if not image:
            raise BadInput("The image is missing.", "The field `image` is empty.", "Send it as base64.")
        if request.mesh:
            files = {"mesh": {"shape.glb": _decoded(request.mesh, "mesh")}, "image": {"image.png": image}}
            await self._host.submit(PAINTER, PAINT_TASK, files, {"remove_background": request.remove_background},
                                    request.seed % (MAXIMUM_SEED + 1), job=uid)
        else:
            await self._host.submit(SPEC.name, GENERATE_SHAPE.name, {"image": {"image.png": image}},
                                    _parameters(request), request.seed % (MAXIMUM_SEED + 1), job=uid)
        self._host.note(uid, {"texture": request.texture and not request.mesh, "type": request.type,
                              "seed": request.seed % (MAXIMUM_SEED + 1), "image": base64.b64encode(image).decode(),
                              "remove_background": request.remove_background})
        return uid

    def follow(self, uid: str) -> None:
        """See the chain through without anybody waiting."""
        task = asyncio.create_task(self._quietly(uid))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _quietly(self, uid: str) -> None:
        try:
            await self.finish(uid)
        except MeshwrightError:
            return  # /status says it

    async def finish(self, uid: str) -> tuple[str, str]:
        """The job with the file, and why it is not textured although that was asked for. Raises MeshwrightError."""
        _demand(await self._host.wait(uid))
        if not self._host.noted(uid).get("texture"):
            return uid, ""
        await self._begin_painting(uid)
        painted = self._host.noted(uid)["painted"]
        if not painted:
            return uid, self._host.noted(uid)["untextured"]
        end = await self._host.wait(painted)
        return (painted, "") if isinstance(end, Done) else (uid, _words(end))

    async def status(self, uid: str) -> StatusForm:
        """How far the chain is. Raises MeshwrightError for an unknown one."""
        end, wanted = self._host.end(uid), self._host.noted(uid)
        if end is None:
            return StatusForm(status="processing")
        if not isinstance(end, Done):
            return StatusForm(status="error", message=_words(end))
        job, note = uid, ""
        if wanted.get("texture"):
            if "painted" not in wanted:  # the server has restarted in between
                self.follow(uid)
                return StatusForm(status="texturing")
            if wanted["painted"] and self._host.end(wanted["painted"]) is None:
                return StatusForm(status="texturing")
            job, note = await self.finish(uid)
        content = await asyncio.to_thread((await self._host.export(job, wanted.get("type", "glb"))).read_bytes)
        return StatusForm(status="completed", model_base64=base64.b64encode(content).decode(), message=note or None)

    async def _begin_painting(self, uid: str) -> None:
        async with self._painting:
            wanted = self._host.noted(uid)
            if "painted" in wanted:
                return
            shape = (await self._host.export(uid, "glb")).read_bytes()
            files = {"mesh": {"shape.glb": shape}, "image": {"image.png": base64.b64decode(wanted["image"])}}
            try:
                job = await self._host.submit(PAINTER, PAINT_TASK, files,
                                              {"remove_background": wanted["remove_background"]}, wanted["seed"])
                self._host.note(uid, {**wanted, "painted": job})
            except MeshwrightError as error:
                self._host.note(uid, {**wanted, "painted": "", "untextured": str(error.report)})


def _parameters(request: GenerateForm) -> dict[str, object]:
    """The request's options under this pipeline's names."""
    nearest = min(GRID_RESOLUTIONS, key=lambda cells: abs(cells - request.octree_resolution))
    return {"steps": request.num_inference_steps, "guidance_scale": max(float(request.guidance_scale), 1.0),
            "grid_resolution": str(nearest), "face_target": request.face_count,
            "remove_background": request.remove_background, "live_preview": False}


def _decoded(text: str, name: str) -> bytes:
    try:
        return base64.b64decode(_DATA_URL.sub("", text), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInput(f"The {name} cannot be read.", f"It is no base64: {error}.",
                       "Encode the bytes of a file.") from error


def _demand(end: Event) -> None:
    if isinstance(end, Failed):
        raise MeshwrightError(end.error.what, end.error.why, end.error.advice, end.error.remedy)
    if not isinstance(end, Done):
        raise BadInput("The job was cancelled.", "Somebody stopped it.", "Send it again.")


def _words(end: Event) -> str:
    return str(end.error) if isinstance(end, Failed) else "The job was cancelled."
