# SPDX-License-Identifier: GPL-3.0-or-later
"""Chains as files and as tasks: what is read, what is refused and why, and what the artist is asked for."""

import copy
import json
import re

import pytest

from backend.pipelines import registry
from backend.workflows.chain import OWN_CHAINS, read_chain
from tests.worker.conftest import REPOSITORY
from tests.workflows.conftest import PLATE, POT, RENEW


def changed(chain: dict, *path, value) -> dict:
    """The chain with another value at a place."""
    result = copy.deepcopy(chain)
    place = result
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return result


def test_our_own_chains_are_offered():
    offered = {task.name for task in registry.spec(registry.WORKFLOW).tasks}
    assert offered == {read_chain(path).name for path in OWN_CHAINS.glob("*.json")}
    assert registry.complaints() == ()


def test_a_chain_asks_for_what_its_steps_do_not_feed_each_other(own_workflows):
    own_workflows(POT, PLATE, RENEW)
    pot, plate, renew = (registry.spec(registry.WORKFLOW).task(name) for name in ("pot", "plate", "renew"))
    assert [(each.name, each.kind, each.required) for each in pot.inputs] == [("image", "image", False)]
    assert [(each.name, each.required) for each in plate.inputs] == [("image", True), ("cracks", True)]
    assert [each.name for each in renew.inputs] == ["mesh"]
    assert (pot.delivery, plate.delivery, renew.delivery) == ("object", "parts", "replace")
    assert (pot.selection, renew.selection) == ("none", "each")
    assert pot.needs_one_of == (("prompt", "image"), ("prompt",))
    assert [stage.name for stage in pot.stages] == ["throw", "square", "glaze"]


def test_each_step_offers_its_models_and_presets(own_workflows):
    own_workflows(POT)
    parameters = {each.name: each for each in registry.spec(registry.WORKFLOW).task("pot").parameters}
    assert [choice.value for choice in parameters["throw_model"].choices] == [
        "pottery/throw/plain", "pottery/throw/glazed"]
    assert [choice.value for choice in parameters["throw_preset"].choices] == ["usual", "draft", "balanced", "best"]
    assert "square_preset" not in parameters  # a task without presets
    assert parameters["prompt"].multiline


def test_a_preset_sets_every_step_that_has_it(own_workflows):
    own_workflows(POT)
    task = registry.spec(registry.WORKFLOW).task("pot")
    assert task.defaults(None, "draft")["throw_preset"] == "draft"


@pytest.mark.parametrize(("chain", "words"), [
    (changed(POT, "steps", value=[]), "It has no steps."),
    (changed(POT, "steps", 1, "name", value="throw"), "Two steps are called 'throw'."),
    (changed(POT, "steps", 0, "inputs", "prompt", value="glaze"), "which runs later"),
    (changed(POT, "steps", 1, "tasks", value=[]), "'square' has no task"),
    (changed(POT, "steps", 1, "tasks", value=["whittle"]), "No pipeline offers whittle."),
    (changed(POT, "steps", 1, "inputs", value={}), "Nothing feeds its input 'mesh'."),
    (changed(POT, "steps", 1, "tasks", value=["appraise"]), "It gives no mesh to go on with."),
    (changed(POT, "steps", 0, "parameters", value={"wheel": 1}), "The step Throw has no 'wheel'."),
    (changed(POT, "steps", 0, "inputs", value={"prompt": "prompt", "side": "image"}), "The step Throw has no 'side'."),
    (changed(POT, "steps", 2, "inputs", value={"mesh": "square", "color": "throw"}), "cannot take a mesh as 'color'"),
    (changed(POT, "name", value="A Pot"), "is not a name of lowercase letters"),
    (changed(POT, "speed", value=3), "'speed' is not one of"),
    (changed(POT, "steps", value=[
        {"name": "glaze", "label": "Glaze", "tasks": ["glaze"], "inputs": {"mesh": "mesh"}}]), "makes no mesh"),
])
def test_a_wrong_chain_is_left_out_and_says_why(own_workflows, chain, words):
    own_workflows(RENEW, chain)
    assert words in " ".join(str(report) for report in registry.complaints())
    offered = {task.name for task in registry.spec(registry.WORKFLOW).tasks}
    assert "renew" in offered and chain["name"] not in offered


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"name": 1}', "\xff"])
def test_a_file_that_is_no_chain_is_left_out(own_workflows, text):
    folder = own_workflows(RENEW)
    (folder / "bad.json").write_bytes(text.encode("latin-1"))
    own_workflows()
    assert any("bad.json" in str(report) for report in registry.complaints())
    assert "renew" in {task.name for task in registry.spec(registry.WORKFLOW).tasks}


def test_two_workflows_of_one_name(own_workflows):
    folder = own_workflows(RENEW)
    (folder / "zz.json").write_bytes((folder / "renew.json").read_bytes())
    own_workflows()
    assert any("There is another one named 'renew'." in str(report) for report in registry.complaints())


def test_the_example_of_the_documentation_is_offered(own_workflows):
    page = (REPOSITORY / "docs" / "workflows.md").read_text(encoding="utf-8")
    example = json.loads(re.search(r"```json\n(.+?)```", page, re.DOTALL)[1])
    own_workflows(example)
    assert registry.complaints() == ()
    assert registry.spec(registry.WORKFLOW).task(example["name"]).delivery == "object"
