# SPDX-License-Identifier: GPL-3.0-or-later
"""Chains of the potter's tasks, which take milliseconds, in a folder of the artist's own."""

import json
from pathlib import Path

import pytest
from PIL import Image

from backend.contract import JobFolder, Request
from backend.pipelines import registry
from backend.worker import Settings
from tests.worker.conftest import REPOSITORY, Local

POT = {
    "name": "pot", "label": "Glazed Pot", "description": "Throw a pot, square it and glaze it",
    "steps": [
        {"name": "throw", "label": "Throw", "tasks": ["throw"], "inputs": {"prompt": "prompt", "front": "image"},
         "parameters": {"sides": 7}},
        {"name": "square", "label": "Square", "tasks": ["pottery/remesh"], "inputs": {"mesh": "throw"}},
        {"name": "glaze", "label": "Glaze", "tasks": ["glaze"], "inputs": {"mesh": "square", "prompt": "prompt"}},
    ],
}
PLATE = {
    "name": "plate", "label": "Glazed Shards", "description": "Make shards, square and glaze them",
    "steps": [
        {"name": "break", "label": "Break", "tasks": ["shards"], "inputs": {"image": "image", "cracks": "cracks"}},
        {"name": "square", "label": "Square", "tasks": ["pottery/remesh"], "inputs": {"mesh": "break"}},
        {"name": "glaze", "label": "Glaze", "tasks": ["glaze"], "inputs": {"mesh": "square", "color": "cracks"}},
    ],
}
RENEW = {
    "name": "renew", "label": "Renew", "description": "Square the selected mesh and glaze it",
    "steps": [
        {"name": "square", "label": "Square", "tasks": ["pottery/remesh"], "inputs": {"mesh": "mesh"}},
        {"name": "glaze", "label": "Glaze", "tasks": ["glaze"], "inputs": {"mesh": "square", "prompt": "prompt"}},
    ],
}


@pytest.fixture
def own_workflows(tmp_path):
    """The artist's folder of workflows; give it chains by calling it."""
    folder = tmp_path / "workflows"
    folder.mkdir()

    def offer(*chains: dict) -> Path:
        for chain in chains:
            (folder / f"{chain['name']}.json").write_text(json.dumps(chain), encoding="utf-8")
        registry.use_folder(REPOSITORY / "tests" / "foreign_pipelines")
        registry.use_workflows(folder)
        return folder

    yield offer
    registry.use_workflows(None)
    registry.use_folder(None)


@pytest.fixture
def worker(own_workflows, tmp_path):
    """A worker in this process that knows the potter's chains."""
    own_workflows(POT, PLATE, RENEW)
    return Local(Settings(tmp_path / "models", "cpu"))


@pytest.fixture
def job(tmp_path):
    """Writes job folders of workflows; inputs are meshes or gray levels of images."""
    count = iter(range(100))

    def make(task: str, parameters=None, **inputs) -> JobFolder:
        name = f"work-{next(count)}"
        folder = JobFolder.create(tmp_path / name)
        files = {}
        for slot, content in inputs.items():
            files[slot] = (f"{slot}.png" if isinstance(content, int) else f"{slot}.npz",)
            if isinstance(content, int):
                Image.new("L", (8, 8), content).save(folder.inputs / files[slot][0])
            else:
                content.write(folder.inputs / files[slot][0])
        folder.write_request(Request(name, task, registry.WORKFLOW, "", "pot", 3, parameters or {}, files))
        return folder

    return make
