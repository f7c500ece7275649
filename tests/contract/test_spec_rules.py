# SPDX-License-Identifier: GPL-3.0-or-later
"""A spec that does not hold together is refused, and everything wrong with it is named."""

from dataclasses import replace

import pytest

from backend.contract import (
    BadInput,
    InputSpec,
    License,
    Parameter,
    PipelineSpec,
    Preset,
    StageSpec,
    TaskSpec,
    WeightSet,
    check_spec,
)
from backend.pipelines import registry

IMAGE, MESH = InputSpec("image", "image", "Image", "Choose one"), InputSpec("mesh", "mesh", "Mesh", "Select one")
TASK = TaskSpec(
    "make", "Make", "", "object", (replace(IMAGE, required=False),),
    (Parameter("prompt", "text", "", "Prompt", "", multiline=True), Parameter("steps", "int", 5, "Steps", "", 1, 9)),
    (StageSpec("go", "Going", 1.0),), needs_one_of=(("prompt", "image"),),
    presets=(Preset("draft", "Draft", "", {"steps": 2}),),
)
SMALL = WeightSet("small", "Small", "", (), License("L", "", "", True), 0.1, {"full": 0.1}, bundled=True)
SPEC = PipelineSpec("model", "Model", "", (TASK,), (SMALL,))


def test_a_good_spec_passes():
    check_spec(SPEC, "model")


@pytest.mark.parametrize("spec", [spec for spec in registry.specs().values() if spec.tasks], ids=lambda spec: spec.name)
def test_our_own_specs_pass(spec):
    check_spec(spec, spec.name)


@pytest.mark.parametrize(("spec", "words"), [
    (replace(SPEC, name="other"), "calls itself 'other'"),
    (replace(SPEC, tasks=()), "no task"),
    (replace(SPEC, tasks=(TASK, TASK)), "Two tasks are called 'make'"),
    (replace(SPEC, weights=(SMALL, SMALL)), "Two weights are called 'small'"),
    (replace(SPEC, weights=(replace(SMALL, tasks=("fly",)),)), "no weights serve it"),
    (replace(SPEC, weights=(replace(SMALL, memory={}),)), "no memory mode"),
    (replace(SPEC, weights=(replace(SMALL, parameter_defaults={"wings": 2}),)), "no parameter 'wings'"),
    (replace(SPEC, tasks=(replace(TASK, name="Make It"),)), "'Make It' is not a name"),
    (replace(SPEC, tasks=(replace(TASK, inputs=(MESH,), needs_one_of=()),)), "selected objects go to one mesh input"),
    (replace(SPEC, tasks=(replace(TASK, delivery="replace"),)), "'replace' cannot have the selection 'none'"),
    (replace(SPEC, tasks=(replace(TASK, needs_one_of=(("prompt", "sound"),)),)), "'sound' of needs_one_of"),
    (replace(SPEC, tasks=(replace(TASK, presets=(Preset("best", "Best", "", {"wings": 1}),)),)), "parameter 'wings'"),
    (replace(SPEC, tasks=(replace(TASK, presets=(Preset("best", "Best", "", {"steps": 99}),)),)), "cannot be 99"),
    (replace(SPEC, tasks=(replace(TASK, parameters=(Parameter("steps", "int", 50, "Steps", "", 1, 9),),
                                  needs_one_of=(), presets=()),)), "cannot be 50"),
    (replace(SPEC, tasks=(replace(TASK, inputs=(IMAGE, IMAGE), needs_one_of=()),)), "called 'image'"),
    (replace(SPEC, tasks=(replace(TASK, inputs=(replace(IMAGE, name="My Image"),), needs_one_of=()),)), "'My Image'"),
    (replace(SPEC, tasks=(replace(TASK, stages=(StageSpec("go", "Going", 1.0, {"wings": 1.0}),)),)), "grows_with"),
    (replace(SPEC, tasks=(replace(TASK, parameters=(Parameter("steps", "int", 2**40, "Steps", ""),), needs_one_of=(),
                                  presets=()),)), "default of Steps is larger"),
])
def test_what_is_wrong_is_named(spec, words):
    with pytest.raises(BadInput) as error:
        check_spec(spec, "model")
    assert words in str(error.value)


@pytest.mark.parametrize(("given", "weights", "words"), [
    ((), SMALL, "Make needs a prompt or image."),
    (("image",), replace(SMALL, takes=()), "Small takes no image."),
    (("prompt",), replace(SMALL, needs=("image",)), "Image is missing."),
])
def test_one_rule_says_what_is_missing(given, weights, words):
    missing = TASK.missing(given, weights)
    assert missing is not None and missing.report.what == words


@pytest.mark.parametrize("given", [("prompt",), ("image",), ("prompt", "image")])
def test_one_of_a_group_is_enough(given):
    assert TASK.missing(given, SMALL) is None


def test_a_preset_goes_before_the_weights_defaults():
    weights = replace(SMALL, parameter_defaults={"steps": 3}, preset_values={"best": {"steps": 9}})
    assert TASK.defaults(weights)["steps"] == 3
    assert TASK.defaults(weights, "draft")["steps"] == 2
    assert TASK.defaults(weights, "best")["steps"] == 9
