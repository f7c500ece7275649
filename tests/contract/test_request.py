# SPDX-License-Identifier: GPL-3.0-or-later
"""Options, ranges, seeds and file names."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.contract import (
    DOWNLOAD_WEIGHTS,
    MAXIMUM_SEED,
    BadInput,
    Choice,
    InputSpec,
    License,
    Parameter,
    PipelineSpec,
    Request,
    StageSpec,
    TaskSpec,
    WeightSet,
)
from backend.pipelines import registry

STEPS = Parameter("steps", "int", 10, "Steps", "", 1, 100)
SCALE = Parameter("scale", "float", 1.0, "Scale", "", 0.5, 2.0)
MODE = Parameter("mode", "choice", "a", "Mode", "", choices=(Choice("a", "A"), Choice("b", "B")))
SHOW = Parameter("show", "bool", True, "Show", "")
NAME = Parameter("name", "text", "", "Name", "")
FREE = Parameter("free", "float", 0.0, "Free", "")
TASK = TaskSpec("make", "Make", "", "object", (InputSpec("image", "image", "Image", "Give one"),),
                (STEPS, SCALE, MODE, SHOW, NAME, FREE), (StageSpec("go", "Going", 1.0),))
SPEC = PipelineSpec("model", "Model", "", (TASK,),
                    (WeightSet("small", "Small", "", (), License("L", "", "", True), 0.1, {"full": 0.1},
                               bundled=True),))


def request(**changes):
    given = {"job": "job-1", "task": "make", "pipeline": "model", "weights": "small", "subject": "chair",
             "inputs": {"image": ("a.png",)}}
    return Request(**given | changes)


def test_defaults_are_filled_in():
    assert request(parameters={"steps": 5}).validated(SPEC).parameters == {
        "steps": 5, "scale": 1.0, "mode": "a", "show": True, "name": "", "free": 0.0}


@given(st.integers(-1000, 1000))
def test_a_whole_number_in_its_range(value):
    if 1 <= value <= 100:
        assert STEPS.validated(value) == value
    else:
        with pytest.raises(BadInput, match="a whole number from 1 to 100"):
            STEPS.validated(value)


@given(st.floats())
def test_a_number_in_its_range(value):
    if 0.5 <= value <= 2.0:
        assert SCALE.validated(value) == value
    else:
        with pytest.raises(BadInput, match=r"a number from 0\.5 to 2"):
            SCALE.validated(value)


@pytest.mark.parametrize(("parameter", "value"), [
    (STEPS, True), (STEPS, "5"), (STEPS, 1.5), (STEPS, None), (STEPS, math.nan), (STEPS, math.inf),
    (SCALE, "1"), (SCALE, False), (MODE, "c"), (MODE, 1), (SHOW, 1), (SHOW, "yes"), (NAME, 3), (FREE, math.nan),
])
def test_values_of_another_kind(parameter, value):
    with pytest.raises(BadInput, match=f"{parameter.label} cannot be") as error:
        parameter.validated(value)
    assert parameter.expectation() in str(error.value)


def test_numbers_take_the_parameters_own_type():
    assert isinstance(STEPS.validated(5.0), int)
    assert isinstance(SCALE.validated(1), float)


@pytest.mark.parametrize(("changes", "words"), [
    ({"job": ""}, "job's name"), ({"job": "../escape"}, "job's name"), ({"job": "a" * 101}, "job's name"),
    ({"seed": -1}, "seed cannot be -1"), ({"seed": MAXIMUM_SEED + 1}, f"from 0 to {MAXIMUM_SEED}"),
    ({"task": "fly"}, "no task 'fly'"), ({"weights": "big"}, "no weights 'big'. It has small"),
    ({"inputs": {}}, "Image is missing"), ({"inputs": {"image": ("../../etc/passwd",)}}, "file name cannot be used"),
    ({"inputs": {"image": (".hidden",)}}, "file name cannot be used"),
    ({"parameters": {"wings": 1}}, "no option 'wings'"),
])
def test_what_is_wrong_is_said(changes, words):
    with pytest.raises(BadInput) as error:
        request(**changes).validated(SPEC)
    assert words in str(error.value)
    assert error.value.report.advice


@pytest.mark.parametrize("seed", [0, MAXIMUM_SEED])
def test_seeds_at_the_ends(seed):
    assert request(seed=seed).validated(SPEC).seed == seed


def test_every_pipeline_can_download():
    assert SPEC.task("download_weights") is DOWNLOAD_WEIGHTS


@pytest.mark.parametrize("spec", registry.specs().values(), ids=lambda spec: spec.name)
def test_the_specs_that_there_are_hold_together(spec):
    for task in spec.tasks:
        options = task.validated({})
        assert sum(stage.share for stage in task.stages) == pytest.approx(1.0)
        for stage in task.stages:
            for name in stage.grows_with:
                assert float(options[name]) > 0
        for weights in spec.weights:
            known = {name: value for name, value in (weights.parameter_defaults or {}).items() if name in options}
            task.validated(known)
    for weights in spec.weights:
        assert weights.bundled or weights.files
        every = {parameter.name for task in spec.tasks for parameter in task.parameters}
        assert set(weights.parameter_defaults or {}) <= every


def test_the_registry_answers_in_words():
    with pytest.raises(BadInput, match="no pipeline 'x'"):
        registry.spec("x")


def test_a_pipeline_without_weights_has_tasks_that_need_none():
    without = replace(SPEC, weights=(), tasks=(replace(TASK, needs_weights=False),))
    assert request(weights="").validated(without).weights == ""
    with pytest.raises(BadInput, match="no weights ''"):
        request(weights="").validated(SPEC)
