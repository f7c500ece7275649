# SPDX-License-Identifier: GPL-3.0-or-later
"""Every task as a tool of the Model Context Protocol, drawn from the specs. Tasks only: no code is taken."""

import asyncio
import base64
import binascii
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import mcp_types as types
from mcp.server import Server, ServerRequestContext

from ..contract import (
    MAXIMUM_SEED,
    BadInput,
    Done,
    Failed,
    InputSpec,
    MeshwrightError,
    PipelineSpec,
    Result,
    TaskSpec,
)
from ..pipelines import registry
from .event_file import events_after
from .exported import glb_of, has_glb, parts_of
from .job_store import Record
from .jobs import Jobs, write_whole
from .option_schema import is_installed, options_schema

INSTRUCTIONS = ("Meshwright makes and changes 3D objects. Each tool is one task; it answers with an image of the "
                "result and with the path or the bytes of a GLB, which Blender imports.")
_INPUTS, _DATA_URL = "input_", re.compile(r"^data:[\w/+.-]*;base64,")
Reporter = Callable[[float, str], Awaitable[None]]


def agent_server(jobs: Jobs, models: Path, local: bool, version: str) -> Server[Any]:
    """The protocol's server. `local` is whether client and server share files: then inputs are paths, and results too;
    else both are base64.
    """
    tools = {f"{spec.name}_{task.name}": (spec, task) for spec in registry.specs().values() for task in spec.tasks}

    async def listed(_context: ServerRequestContext, _params: types.PaginatedRequestParams | None
                     ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_tool(name, *of, models, local) for name, of in tools.items()])

    async def called(context: ServerRequestContext, params: types.CallToolRequestParams) -> types.CallToolResult:
        async def report(fraction: float, words: str) -> None:
            await context.session.report_progress(fraction, 1.0, words)

        try:
            if params.name not in tools:
                raise BadInput(f"There is no tool '{params.name}'.", "The tools are the tasks.", "List the tools.")
            content = await _run(jobs, *tools[params.name], params.arguments or {}, local, report)
        except MeshwrightError as error:
            return types.CallToolResult(content=[types.TextContent(text=str(error.report))], is_error=True)
        return types.CallToolResult(content=content)

    return Server("Meshwright", version=version, instructions=INSTRUCTIONS, on_list_tools=listed, on_call_tool=called)


def _tool(name: str, spec: PipelineSpec, task: TaskSpec, models: Path, local: bool) -> types.Tool:
    weights = [each for each in spec.weights_for(task) if is_installed(spec, each, models)]
    schema = options_schema(task, task.defaults(weights[0] if weights else None))
    properties = {option: value for option, value in schema["properties"].items() if not value.get("readOnly")}
    properties |= {_INPUTS + slot.name: _input_schema(slot, local) for slot in task.inputs}
    if task.seeded:
        properties["seed"] = {"type": "integer", "minimum": 0, "maximum": MAXIMUM_SEED, "default": 0,
                              "description": "The same seed gives the same result"}
    if weights:
        properties["weights"] = {"type": "string", "enum": [each.name for each in weights],
                                 "description": "; ".join(f"{each.name}: {each.description}" for each in weights)}
    required = [_INPUTS + slot.name for slot in task.inputs if slot.required]
    return types.Tool(name=name, title=task.label, description=f"{task.description} ({spec.label}).",
                      input_schema={**schema, "properties": properties, "required": required})


def _input_schema(slot: InputSpec, local: bool) -> dict[str, Any]:
    kinds = "an image file" if slot.kind == "image" else "a GLB, OBJ, PLY or STL file"
    form = f"Path of {kinds} on this computer" if local else f"Base64 of {kinds} (a mesh as GLB)"
    return {"type": "string", "title": slot.label, "description": f"{slot.description}. {form}"}


async def _run(jobs: Jobs, spec: PipelineSpec, task: TaskSpec, arguments: Mapping[str, Any], local: bool,
               report: Reporter) -> list[types.ContentBlock]:
    given = dict(arguments)
    files = {slot.name: _file(slot, str(given.pop(_INPUTS + slot.name)), local) for slot in task.inputs
             if given.get(_INPUTS + slot.name)}
    for slot in task.inputs:
        given.pop(_INPUTS + slot.name, None)
    seed, weights = given.pop("seed", 0), str(given.pop("weights", ""))
    if not isinstance(seed, int):
        raise BadInput("The seed does not fit.", f"It is {seed!r}.", "Use a whole number.")
    record = jobs.create(uuid.uuid4().hex, spec.name, task.name, weights, next(iter(files.values()))[0].split(".")[0]
                         if files else "", seed, "", given, {slot: (name,) for slot, (name, _) in files.items()})
    for name, content in files.values():
        await asyncio.to_thread(write_whole, jobs.input_path(record, name), content)
    await jobs.submit(record)
    try:
        await _tell(record, task, report)
        end = await jobs.wait(record)
    except asyncio.CancelledError:
        jobs.cancel(record)
        raise
    if isinstance(end, Failed):
        raise MeshwrightError(end.error.what, end.error.why, end.error.advice, end.error.remedy)
    if not isinstance(end, Done):
        raise BadInput("The job was cancelled.", "Somebody stopped it.", "Call the tool again.")
    return await asyncio.to_thread(_content, record, end.result, local)


async def _tell(record: Record, task: TaskSpec, report: Reporter) -> None:
    labels = {stage.name: stage.label for stage in task.stages}
    async for _, data in events_after(record.folder, 0):
        if data["event"] == "stage":
            await report(data["fraction"], f"{labels.get(data['stage'], data['stage'])} {data['step']}/{data['of']}")


def _file(slot: InputSpec, given: str, local: bool) -> tuple[str, bytes]:
    """Name in the job, and content. Raises BadInput."""
    if local:
        path = Path(given).expanduser()
        try:
            return f"{slot.name}{path.suffix.lower()}", path.read_bytes()
        except OSError as error:
            raise BadInput(f"{slot.label} cannot be read.", f"{path}: {error.strerror}.", "Check the path.") from error
    try:
        content = base64.b64decode(_DATA_URL.sub("", given), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInput(f"{slot.label} cannot be read.", f"It is no base64: {error}.", "Encode a file.") from error
    return f"{slot.name}{'.png' if slot.kind == 'image' else '.glb'}", content


def _content(record: Record, result: Result, local: bool) -> list[types.ContentBlock]:
    """An image, texts and remarks, and the GLB as a path or in itself."""
    from .preview_image import preview_png  # it brings torch along, which a listing of tools does not wait for

    blocks: list[types.ContentBlock] = []
    lines = [(record.folder.outputs / artifact.file).read_text("utf-8") for artifact in result.artifacts
             if artifact.kind == "text"] + list(result.notes)
    if has_glb(result):
        parts = parts_of(record, result)
        image = base64.b64encode(preview_png(parts)).decode()
        blocks.append(types.ImageContent(data=image, mime_type="image/png"))
        lines.append("Parts: " + ", ".join(f"{part.name} ({len(part.mesh.faces):,} faces)" for part in parts))
        path = glb_of(record, result)
        if local:
            lines.append(f"GLB: {path}")
        else:
            blocks.append(types.EmbeddedResource(resource=types.BlobResourceContents(
                uri=f"meshwright://jobs/{record.id}/result.glb", mime_type="model/gltf-binary",
                blob=base64.b64encode(path.read_bytes()).decode())))
    return [*blocks, types.TextContent(text="\n".join(lines) or "Done.")]
