# SPDX-License-Identifier: GPL-3.0-or-later
"""Files nested thousands deep are refused in words, wherever an artist's file is read."""

import json
import struct
from pathlib import Path

import pytest

from backend.command_line.configuration import with_configuration
from backend.contract import BadInput, JobFolder, MeshwrightError
from backend.geometry.mesh_files import read_parts
from backend.pipelines.common.checkpoint_shapes import CheckpointError
from backend.pipelines.flexisyncmvd.checkpoint.files import read_config
from backend.pipelines.hunyuan3d_paint.checkpoint import read_scheduler
from backend.pipelines.hunyuan3d_shape.published_configuration import read_configuration
from backend.pipelines.hunyuan3d_shape.variants import VARIANTS
from backend.weights.licenses import acceptances
from backend.weights.verified_files import kept_revision
from backend.workflows.chain import read_chain

DEPTH = 20_000
LISTS = "[" * DEPTH + "]" * DEPTH
OBJECTS = '{"a":' * DEPTH + "1" + "}" * DEPTH


@pytest.fixture(params=[LISTS, OBJECTS], ids=["lists", "objects"])
def nested(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def glb(text: str) -> bytes:
    """A GLB whose only chunk is this JSON."""
    chunk = text.encode().ljust(-(-len(text) // 4) * 4)
    return struct.pack("<4sII", b"glTF", 2, 20 + len(chunk)) + struct.pack("<I4s", len(chunk), b"JSON") + chunk


@pytest.mark.parametrize("suffix", [".glb", ".gltf"])
def test_mesh_files(tmp_path: Path, nested: str, suffix: str) -> None:
    path = tmp_path / f"deep{suffix}"
    for text in (nested, f'{{"asset": {{"version": "2.0"}}, "extras": {nested}}}'):
        path.write_bytes(glb(text) if suffix == ".glb" else text.encode())
        with pytest.raises(BadInput, match="deep"):
            read_parts(path)


@pytest.mark.parametrize("suffix", [".glb", ".gltf"])
def test_a_deep_chain_of_nodes_without_a_mesh(tmp_path: Path, suffix: str) -> None:
    nodes = [{"children": [number + 1]} for number in range(DEPTH)] + [{}]
    text = json.dumps({"asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": nodes})
    path = tmp_path / f"deep{suffix}"
    path.write_bytes(glb(text) if suffix == ".glb" else text.encode())
    with pytest.raises(BadInput, match="deep"):
        read_parts(path)


def test_configurations(tmp_path: Path, nested: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(nested)
    with pytest.raises(BadInput, match="cannot be read"):
        with_configuration(["repair-mesh", "--config", str(path)])
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_configuration(path, next(iter(VARIANTS.values())))
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_config(tmp_path)
    with pytest.raises(CheckpointError):
        read_scheduler(path)
    with pytest.raises(BadInput, match="cannot be read"):
        read_chain(path)


@pytest.mark.parametrize("name", ["request.json", "result.json", "error.json", "delivery.json"])
def test_job_folders(tmp_path: Path, nested: str, name: str) -> None:
    folder = JobFolder.create(tmp_path / "job-1")
    (folder.path / name).write_text(nested)
    (folder.path / "events.jsonl").write_text(nested + "\n")
    reader = {"request.json": folder.read_request, "result.json": folder.read_result,
              "error.json": folder.read_error, "delivery.json": lambda: folder.read_note(name)}[name]
    with pytest.raises(MeshwrightError, match="cannot be read"):
        reader()
    assert list(folder.events()) == []


def test_records_of_the_models_folder(tmp_path: Path, nested: str) -> None:
    for name in ("licenses.json", ".verified.json"):
        (tmp_path / name).write_text(nested)
    assert acceptances(tmp_path) == [] and kept_revision(tmp_path, "acme/model") is None
