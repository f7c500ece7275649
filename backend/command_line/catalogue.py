# SPDX-License-Identifier: GPL-3.0-or-later
"""`specs`: prints the pipelines with their tasks, options and weights."""

import argparse
import json
import sys
from collections.abc import Iterator

from ..contract import TaskSpec, WeightSet
from ..contract.json_form import to_json
from ..pipelines import registry
from .task_arguments import flag, flagged_slots, source_slot


def print_specs(options: argparse.Namespace) -> int:
    """To stdout, as JSON or as text."""
    specs = registry.specs()
    if options.json:
        sys.stdout.write(json.dumps(to_json(specs), ensure_ascii=False, indent=1) + "\n")
        return 0
    for spec in specs.values():
        sys.stdout.write(f"{spec.name}: {spec.summary}\n")
        for task in spec.tasks:
            sys.stdout.write("".join(f"  {line}\n" for line in _task(task)))
        for weights in spec.weights:
            sys.stdout.write(f"  {_weights(weights)}\n")
    return 0


def _task(task: TaskSpec) -> Iterator[str]:
    yield f"{task.name.replace('_', '-')}: {task.description}"
    slot = source_slot(task)
    if slot is not None:
        yield f"  {slot.kind.upper()}: {slot.description}"
    for wanted in flagged_slots(task):
        yield f"  {flag(wanted.name)}: {wanted.description} (an image{'' if wanted.required else ', optional'})"
    if task.presets:
        yield f"  --preset: one of {', '.join(preset.name for preset in task.presets)}"
    for parameter in task.parameters:
        yield f"  {flag(parameter.name)}: {parameter.expectation()} (default {parameter.default})"


def _weights(weights: WeightSet) -> str:
    memory = ", ".join(f"{weights.memory[mode]:g} GiB {mode}" for mode in weights.memory_modes)
    parts = "".join(f", with {component.name}" for component in weights.components)
    return (f"weights {weights.name}: {weights.description} ({weights.gigabytes:g} GB{parts}, memory: {memory}, "
            f"{weights.license.name}. {weights.license.outputs})")
