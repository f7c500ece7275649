# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything in a spec that an artist reads: there, in Blender's form, and in US spelling."""

import re
from collections.abc import Iterator

from backend.contract import PipelineSpec, TaskSpec

BRITISH = re.compile(
    r"\b\w*(?:colour|grey|centre|licence|behaviour|neighbour|favour|flavour|catalogue|artefact|analyse|modelled|"
    r"modelling|labelled|millimetre|centimetre)\w*\b|\bmetres?\b|"
    r"\b\w*(?:organ|normal|initial|visual|optim|minim|maxim|synchron|recogn|real|random|general|summar|real|special|"
    r"final|local|quant|util|token|polygon|smooth)is(?:e|es|ed|ing|ation)\b", re.IGNORECASE)


def check_texts(spec: PipelineSpec) -> None:
    """Labels and descriptions are not blank, descriptions end without a period, as Blender's do, and all are US."""
    for place, label, description in texts(spec):
        assert label.strip() == label and label, f"{place} has no label"
        assert description.strip() == description and description, f"{place} has no description"
        assert not description.endswith("."), f"the description of {place} ends with a period"
        assert not label[0].islower(), f"the label of {place} begins with a lowercase letter"
    for text in every_text(spec):
        found = BRITISH.search(text)
        assert not found, f"'{found and found[0]}' is not US spelling: {text}"


def texts(spec: PipelineSpec) -> Iterator[tuple[str, str, str]]:
    """Place, label and description of all that has both."""
    yield "the pipeline", spec.label, spec.summary
    for task in spec.tasks:
        yield from _texts_of(task)
    for weights in spec.weights:
        yield f"weights {weights.name}", weights.label, weights.description
    for part in spec.components:
        yield f"component {part.name}", part.label, part.description


def every_text(spec: PipelineSpec) -> Iterator[str]:
    """All words."""
    for _, label, description in texts(spec):
        yield from (label, description)
    for task in spec.tasks:
        yield from (stage.label for stage in task.stages)
        yield from (parameter.group for parameter in task.parameters)
        yield from (word for parameter in task.parameters for choice in parameter.choices
                    for word in (choice.label, choice.description))
    yield from (weights.license.text for weights in spec.weights)
    yield from (part.license.text for part in spec.components)


def _texts_of(task: TaskSpec) -> Iterator[tuple[str, str, str]]:
    yield f"task {task.name}", task.label, task.description
    for wanted in task.inputs:
        yield f"{task.name}: input {wanted.name}", wanted.label, wanted.description
    for parameter in task.parameters:
        yield f"{task.name}: parameter {parameter.name}", parameter.label, parameter.description
        for choice in parameter.choices:
            yield f"{task.name}: choice {choice.value} of {parameter.name}", choice.label, choice.description or "none"
    for preset in task.presets:
        yield f"{task.name}: preset {preset.name}", preset.label, preset.description
    for stage in task.stages:
        yield f"{task.name}: stage {stage.name}", stage.label, stage.label
