# SPDX-License-Identifier: GPL-3.0-or-later
"""The example of docs/new_pipeline.md works as the page says."""

import re
import shlex

import pytest
import trimesh
from PIL import Image

from backend.pipelines import registry
from tests.worker.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs" / "new_pipeline.md").read_text("utf-8")


@pytest.fixture
def example(backend, tmp_path, monkeypatch):
    """The two files of the page in a folder of the artist's own, and a runner of commands."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipelines" / "pyramid").mkdir(parents=True)
    files = re.findall(r"^`(pyramid/\w+\.py)`.*?\n```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in files] == ["pyramid/spec.py", "pyramid/job.py"]
    for name, text in files:
        (tmp_path / "pipelines" / name).write_text(text)
    for name, color in (("stone.png", (90, 80, 70)), ("clouds.png", (200, 220, 255))):
        Image.new("RGB", (16, 16), color).save(name)
    registry.use_folder(tmp_path / "pipelines")
    yield backend
    registry.use_folder(None)


def test_the_commands_of_the_page_work(example, tmp_path):
    (block,) = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    first, *commands = [shlex.split(line) for line in block.splitlines()]
    assert first == ["export", f"{registry.VARIABLE}=pipelines"]
    for command in commands:
        assert command[:3] == ["python", "-m", "backend"]
        ended = example(*command[3:])
        assert ended.code == 0, ended.err
    granite = trimesh.load(tmp_path / "out" / "red-granite" / "red-granite.glb", force="mesh", process=False)
    assert len(granite.faces) == 12 * 40 and granite.extents[1] == pytest.approx(0.6)
    stone = trimesh.load(tmp_path / "out" / "stone" / "stone.ply", process=False)
    assert len(stone.faces) == 12 * 8 and stone.extents[2] == pytest.approx(1.2) and stone.volume > 0


def test_it_obeys_its_own_rules(example, tmp_path):
    refused = example("build-pyramid", "--out", "out")
    assert refused.code == 1 and "Build Pyramid needs a prompt or image." in refused.err
    for number, seed in enumerate(("1", "1", "2")):
        assert example("build-pyramid", "--prompt", "x", "--seed", seed, "--out", f"out{number}").code == 0
    first, second, other = ((tmp_path / f"out{number}" / "x" / "x.glb").read_bytes() for number in range(3))
    assert first == second != other
