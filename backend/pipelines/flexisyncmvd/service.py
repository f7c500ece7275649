# SPDX-License-Identifier: GPL-3.0-or-later
"""The published server's endpoints, so that its clients keep working: /texture, /texture/upload, /gpu/status.

A busy GPU is no error here: requests wait for their turn.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, File, Form, Request, UploadFile
from pydantic import BaseModel, Field, StrictBool, StrictFloat, StrictInt, ValidationError

from ...contract import MAXIMUM_SEED, BadInput, Done, Failed, MeshwrightError, ServiceHost
from .published_options import translated
from .spec import SPEC, TEXTURE

Number = StrictFloat | StrictInt
_NOWHERE = Path()
_NOT_OURS = ("mesh", "custom_style", "seed", "weights", "uv", "image", "output", "out")


class TextureForm(BaseModel):
    """A request of the published server."""

    mesh: str = Field(default="", max_length=1024, description="Key of a mesh file in the store's bucket")
    t2i_model: Literal["SD1.5", "SDXL"] = Field(default="SD1.5", description="Family of the model")
    custom_style: Literal["realistic", "anime"] | None = Field(
        default=None, description="A checkpoint of the original; has no effect: use weights of your own")
    prompt: str = Field(max_length=4000, description="The look")
    negative_prompt: str | None = Field(default=None, max_length=4000, description="What to avoid")
    steps: StrictInt = Field(default=30, ge=5, le=100, description="Sampler steps")
    guidance_scale: Number = Field(default=15.5, ge=1, le=30, description="How closely the views follow the prompt")
    cond_type: str = Field(default="depth", max_length=40, description="Which images of the mesh guide the views")
    seed: StrictInt = Field(default=0, ge=0, le=2**63 - 1, description="Seed")
    ip_adapter_scale: Number = Field(default=0.5, ge=0, le=1, description="How closely the views follow the image")
    ip_adapter_image: str | None = Field(default=None, max_length=1024, description="Key of an image in the bucket")
    log_interval: StrictInt = Field(default=10, ge=1, le=50, description="Steps between previews")
    mesh_scale: Number = Field(default=1.0, ge=0.1, le=10, description="How much of each view the object fills")
    tex_fast_preview: StrictBool = Field(default=False, description="Has no effect: previews are always fast ones")
    view_fast_preview: StrictBool = Field(default=False, description="Has no effect: previews are always fast ones")
    keep_mesh_uv: StrictBool = Field(
        default=False, description="Refuse a mesh whose UVs cannot be painted on; else such ones are replaced")
    latent_view_size: StrictInt = Field(default=96, ge=8, le=256, description="Size of the views, in latents")
    latent_tex_size: StrictInt = Field(default=768, ge=8, le=4096, description="Has no effect: it follows")
    rgb_view_size: StrictInt = Field(default=768, ge=8, le=4096, description="Has no effect: it follows")
    rgb_tex_size: StrictInt = Field(default=1024, ge=8, le=4096, description="Width and height of the texture")
    conditioning_scale: Number = Field(default=0.7, ge=0, le=2, description="How closely views follow the mesh")
    conditioning_scale_end: Number = Field(default=0.9, ge=0, le=2, description="The same in the last steps")


class TexturedForm(BaseModel):
    """The published server's answer."""

    status: Literal["success", "error", "pending"] = Field(description="How it went")
    output_dir: str = Field(default="", description="Id of the job on this server")
    generated_mesh: str | None = Field(default=None, description="Where the textured GLB is")
    error_message: str | None = Field(default=None, description="What went wrong")
    process_time: float = Field(default=0.0, description="Seconds, waiting included")


class GpuForm(BaseModel):
    """The server's GPU."""

    cuda: Literal["available", "unavailable"] = Field(description="Whether there is one")
    cuda_status: Literal["available", "unavailable"] = Field(description="The same")
    name: str = Field(description="Its name")
    memory: str = Field(description="Its memory, as '23.99 GB'")
    gpu_lock_status: Literal["locked", "unlocked"] = Field(description="Whether jobs run or wait")


def routes(host: ServiceHost) -> APIRouter:
    """The endpoints of the published server."""
    router = APIRouter(tags=[SPEC.name])

    @router.post("/texture", summary="Texture a mesh of the bucket", operation_id="texture")
    async def texture(request: TextureForm, http: Request) -> TexturedForm:
        """Mesh, and image if one is named, are read from the store's bucket. Answers when the texture is done."""
        if not request.mesh:
            raise BadInput("The mesh is missing.", "The field `mesh` is empty.",
                           "Name a file of the bucket, or use /texture/upload.")
        mesh = await host.stored(request.mesh)
        image = await host.stored(request.ip_adapter_image) if request.ip_adapter_image else b""
        return await _textured(host, request, (request.mesh.rsplit("/", 1)[-1], mesh), image, _base(http))

    @router.post("/texture/upload", summary="Texture an uploaded mesh", operation_id="texture_upload")
    async def upload(
        http: Request,
        config: Annotated[str, Form(description="The request as JSON, as of /texture", max_length=20_000)],
        file: Annotated[UploadFile, File(description="The mesh: GLB, OBJ, PLY or STL")],
        reference_image: Annotated[UploadFile | None, File(description="An image that the texture resembles")] = None,
    ) -> TexturedForm:
        """Answers when the texture is done."""
        try:
            request = TextureForm(**json.loads(config))
        except (ValueError, TypeError, ValidationError) as error:
            raise BadInput("The config does not fit.", f"{error}"[:300], "Send the JSON of /texture.") from error
        image = await reference_image.read() if reference_image else b""
        return await _textured(host, request, (file.filename or "mesh.glb", await file.read()), image, _base(http))

    @router.get("/gpu/status", summary="The server's GPU", operation_id="gpu_status")
    def gpu_status() -> GpuForm:
        """Whether there is one, and whether it has work."""
        gpus = host.gpus()
        word: Literal["available", "unavailable"] = "available" if gpus else "unavailable"
        return GpuForm(cuda=word, cuda_status=word, name=gpus[0]["name"] if gpus else "",
                       memory=f"{gpus[0]['total'] / 1024:.2f} GB" if gpus else "0.00 GB",
                       gpu_lock_status="locked" if host.waiting else "unlocked")

    return router


async def _textured(host: ServiceHost, request: TextureForm, mesh: tuple[str, bytes], image: bytes,
                    base: str) -> TexturedForm:
    began = time.monotonic()
    files: dict[str, Mapping[str, bytes]] = {"mesh": {_plain(mesh[0]): mesh[1]}}
    if image:
        files["image"] = {"reference.png": image}
    parameters, weights = _options(host, request, bool(image))
    try:
        if request.keep_mesh_uv:
            await asyncio.to_thread(_demand_uvs, *mesh)
        job = await host.submit(SPEC.name, TEXTURE.name, files, parameters, request.seed % (MAXIMUM_SEED + 1), weights)
        end = await host.wait(job)
        url = await host.public_url(job, base) if isinstance(end, Done) else None
    except MeshwrightError as error:
        if getattr(error, "status", 0) == 429:
            raise
        return TexturedForm(status="error", error_message=str(error.report), process_time=time.monotonic() - began)
    return TexturedForm(
        status="success" if url else "error", output_dir=job, generated_mesh=url,
        error_message=str(end.error) if isinstance(end, Failed) else None if url else "The job was cancelled.",
        process_time=time.monotonic() - began)


def _demand_uvs(name: str, content: bytes) -> None:
    """Raise BadInput where the mesh has no UVs that can be painted on. The server keeps those that can."""
    from ...painting.painted_files import read_painted  # it brings torch along, which other requests do not wait for

    with tempfile.TemporaryDirectory(prefix="meshwright-") as scratch:
        path = Path(scratch) / _plain(name)
        path.write_bytes(content)
        read_painted(path, "keep", False, lambda _: None)


def _options(host: ServiceHost, request: TextureForm, image: bool) -> tuple[dict[str, Any], str]:
    """The options under this pipeline's names, and the weights: the family's where they are installed."""
    given = {name: value for name, value in request.model_dump(exclude_none=True).items()
             if name != "ip_adapter_image"} | ({"ip_adapter_image": "given"} if image else {})
    own, _ = translated(given, _NOWHERE)
    weights = own["weights"] if host.installed(SPEC.name, own["weights"]) else ""
    known = {parameter.name: parameter for parameter in TEXTURE.parameters}
    parameters = {name: value for name, value in own.items() if name in known and name not in _NOT_OURS}
    if not weights:  # the small weights have sizes of their own
        parameters.pop("latent_view_size", None)
    for name, value in parameters.items():
        if known[name].kind == "choice":
            parameters[name] = str(value)
    scale = known["mesh_scale"]
    parameters["mesh_scale"] = min(max(float(request.mesh_scale), scale.minimum or 0.0), scale.maximum or 1.0)
    return parameters, weights


def _plain(name: str) -> str:
    """A file's name without what the server does not take."""
    kept = "".join(letter if (letter.isalnum() and letter.isascii()) or letter in "._-" else "-" for letter in name)
    return kept.lstrip("._-")[-80:] or "mesh.glb"


def _base(http: Request) -> str:
    parts = urlsplit(str(http.base_url))
    return f"{parts.scheme}://{parts.netloc}"
