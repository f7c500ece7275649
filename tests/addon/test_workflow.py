# SPDX-License-Identifier: GPL-3.0-or-later
"""A workflow in Blender: one button, one object with its material, one undo step; saved under a name of one's own."""

import json
from collections.abc import Iterator
from pathlib import Path

import bpy
import pytest

from tests.workflows.conftest import POT

from .conftest import Extension
from .test_foreign_pipeline import pottery, pressed
from .test_operators import desk, refusal
from .test_panels import drawn

__all__ = ["desk", "pottery"]


@pytest.fixture
def workflows(pottery: Extension, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Extension]:
    """The potter's extension with a folder of workflows that has one."""
    (tmp_path / "pot.json").write_text(json.dumps(POT), encoding="utf-8")
    registry, classes = pottery.module("backend.pipelines.registry"), pottery.module("task_classes")
    monkeypatch.setenv(registry.WORKFLOWS_VARIABLE, str(tmp_path))
    registry.use_workflows(tmp_path)
    classes.use_folder(pottery.module("preferences").pipelines_folder())
    yield pottery
    registry.use_workflows(None)


def test_one_button_one_object_one_undo_step(workflows: Extension) -> None:
    bpy.context.scene.meshwright.workflow_pot.prompt = "blue"
    before = set(bpy.data.objects.keys())
    pressed(workflows, "workflow_pot")
    made = [bpy.data.objects[name] for name in set(bpy.data.objects.keys()) - before]
    assert len(made) == 1 and made[0].data.uv_layers
    images = [node.image for node in made[0].active_material.node_tree.nodes if node.type == "TEX_IMAGE"]
    assert {image.colorspace_settings.name for image in images} == {"sRGB", "Non-Color"}
    bpy.ops.ed.undo()
    assert set(bpy.data.objects.keys()) == before


def test_the_button_says_what_is_missing(workflows: Extension) -> None:
    assert "needs a prompt or front view" in refusal("workflow_pot")


def test_the_panel_has_a_model_for_each_step(workflows: Extension) -> None:
    shown = drawn(workflows, "workflow_pot")
    assert {"throw_model", "square_model", "glaze_model", "prompt"} <= set(shown)


def test_saved_as_it_is_set_and_offered_at_once(workflows: Extension, tmp_path: Path) -> None:
    bpy.context.scene.meshwright.workflow_pot.throw_model = "pottery/throw/glazed"
    assert bpy.ops.meshwright.save_workflow(workflow="pot", label="My Glazed Pot") == {"FINISHED"}
    saved = json.loads((tmp_path / "my_glazed_pot.json").read_text(encoding="utf-8"))
    assert saved["label"] == "My Glazed Pot" and saved["steps"][0]["model"] == "pottery/throw/glazed"
    settings = bpy.context.scene.meshwright.workflow_my_glazed_pot
    assert settings.throw_model == "pottery/throw/glazed"
    bpy.context.scene.meshwright.task = "workflow_my_glazed_pot"
    assert "meshwright.workflow_my_glazed_pot" in drawn(workflows, "main")


@pytest.mark.parametrize(("label", "words"), [
    ("Pot", "already a workflow"), ("123", "does not begin with a letter"), ("", "does not begin with a letter")])
def test_a_name_that_cannot_be_used(workflows: Extension, tmp_path: Path, label: str, words: str) -> None:
    with pytest.raises(RuntimeError, match=words):
        bpy.ops.meshwright.save_workflow(workflow="pot", label=label)
    assert [path.name for path in tmp_path.glob("*.json")] == ["pot.json"]
