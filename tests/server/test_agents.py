# SPDX-License-Identifier: GPL-3.0-or-later
"""The tasks as tools of the Model Context Protocol, asked by the protocol's own client."""

import asyncio
import base64
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from mcp import Client, StdioServerParameters
from mcp.client.stdio import get_default_environment
from PIL import Image

from tests.server.running import REPOSITORY, Server
from tests.server.running import Client as Asker


def parameters(folder: Path) -> StdioServerParameters:
    return StdioServerParameters(
        command=sys.executable, args=["-m", "backend", "mcp", "--data", str(folder), "--device", "cpu"], cwd=REPOSITORY,
        env={**get_default_environment(), "OMP_NUM_THREADS": "1",
             "MESHWRIGHT_PIPELINES": str(REPOSITORY / "tests" / "foreign_pipelines")})


def test_an_assistant_lists_the_tasks_and_runs_one(tmp_path: Path, image: bytes) -> None:
    front = tmp_path / "front.png"
    front.write_bytes(image)
    progress: list[float] = []

    async def note(fraction: float, _of: float | None, _words: str | None) -> None:
        progress.append(fraction)

    async def talk() -> tuple[Any, ...]:
        async with Client(parameters(tmp_path / "data")) as client:
            tools = await client.list_tools()
            done = await client.call_tool("pottery_throw", {"prompt": "a jug", "sides": 7, "seed": 2,
                                                            "input_front": str(front)}, progress_callback=note)
            wrong = await client.call_tool("pottery_throw", {"prompt": "a jug", "sides": 1})
            caption = await client.call_tool("pottery_appraise", {"input_mesh": str(front)})
            code = await client.call_tool("execute_blender_code", {"code": "print(1)"})
            return tools, done, wrong, caption, code

    tools, done, wrong, caption, code = asyncio.run(talk())
    assert code.is_error, "there are no tools but tasks"
    throw = {tool.name: tool for tool in tools.tools}["pottery_throw"]
    assert throw.input_schema["properties"]["sides"]["maximum"] == 64
    assert throw.input_schema["properties"]["weights"]["enum"] == ["plain"]
    assert not done.is_error, done
    shown, words = done.content
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(shown.data))).convert("RGB"))
    assert (pixels != pixels[0, 0]).any(axis=2).mean() > 0.05, "the pot is in the image"
    path = Path(words.text.rpartition("GLB: ")[2].strip())
    assert sum(len(mesh.faces) for mesh in trimesh.load_scene(path).geometry.values()) == 4 * 7 - 4
    assert progress and progress == sorted(progress)
    assert wrong.is_error and "Sides cannot be 1." in wrong.content[0].text
    assert (caption.is_error and "front" in caption.content[0].text) or "mesh" in caption.content[0].text


@pytest.mark.heavy
def test_over_http_the_token_is_asked_for(tmp_path: Path) -> None:
    served = Server(tmp_path, "--http", command="mcp")
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}}
    accept = {"Accept": "application/json, text/event-stream"}
    try:
        with Asker(served.url, token="") as nobody, Asker(served.url) as client:
            assert nobody.post("/mcp", json=hello, headers=accept).status_code == 401
            answer = client.post("/mcp", json=hello, headers=accept)
            assert answer.status_code == 200 and "Meshwright" in answer.text, answer.text
    finally:
        served.stop()
