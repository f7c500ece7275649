# SPDX-License-Identifier: GPL-3.0-or-later
"""A task's options as JSON Schema, and the task as clients draw it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..contract import (
    MAXIMUM_SEED,
    MeshwrightError,
    Parameter,
    PipelineSpec,
    TaskSpec,
    WeightSet,
)
from ..contract.json_form import to_json
from ..contract.parameter import Value
from ..weights.location import locate

_TYPES = {"int": "integer", "float": "number", "bool": "boolean", "choice": "string", "text": "string",
          "file": "string"}


def parameter_schema(parameter: Parameter, default: Value) -> dict[str, Any]:
    """JSON Schema (2020-12) of one option. What Meshwright adds stands under names that begin with "x-"."""
    schema: dict[str, Any] = {"type": _TYPES[parameter.kind], "title": parameter.label,
                              "description": parameter.description, "default": default}
    if parameter.kind in ("int", "float"):
        bounds = {"minimum": parameter.minimum, "maximum": parameter.maximum}
        whole = parameter.kind == "int"
        schema |= {name: int(bound) if whole else bound for name, bound in bounds.items() if bound is not None}
    if parameter.kind == "choice":
        schema["oneOf"] = [{"const": choice.value, "title": choice.label, "description": choice.description}
                           for choice in parameter.choices]
    if parameter.kind == "file":
        schema |= {"maxLength": 0, "readOnly": True}
    if parameter.multiline:
        schema["x-multiline"] = True
    if parameter.advanced:
        schema["x-advanced"] = True
    if parameter.group:
        schema["x-group"] = parameter.group
    return schema


def options_schema(task: TaskSpec, values: Mapping[str, Value]) -> dict[str, Any]:
    """JSON Schema of all options of a task, with these defaults."""
    return {"type": "object", "additionalProperties": False, "title": f"Options of {task.label}",
            "properties": {each.name: parameter_schema(each, values[each.name]) for each in task.parameters}}


def described_task(spec: PipelineSpec, task: TaskSpec, models: Path) -> dict[str, Any]:
    """The task as a JSON object: inputs, options, weights, presets, stages."""
    weights = spec.weights_for(task)
    installed = [each for each in weights if is_installed(spec, each, models)]
    chosen = next(iter(installed or weights), None)
    return {
        "pipeline": spec.name, "pipeline_label": spec.label, "task": task.name, "label": task.label,
        "description": task.description, "delivery": task.delivery, "selection": task.selection,
        "needs_one_of": to_json(task.needs_one_of),
        "inputs": [{"name": each.name, "kind": each.kind, "label": each.label, "description": each.description,
                    "required": each.required, "needs": sorted(each.needs),
                    "most": None if each.kind == "mesh" and task.selection == "together" else each.batch}
                   for each in task.inputs],
        "options": options_schema(task, task.defaults(chosen)),
        "seeded": task.seeded, "largest_seed": MAXIMUM_SEED,
        "weights": [{"name": each.name, "label": each.label, "description": each.description,
                     "installed": each in installed, "needs": list(each.needs),
                     "takes": None if each.takes is None else list(each.takes), "license": each.license.name,
                     "commercial_use": each.license.commercial_use, "defaults": task.defaults(each)}
                    for each in weights],
        "presets": [{"name": each.name, "label": each.label, "description": each.description,
                     "values": dict(each.values)} for each in task.presets],
        "stages": [{"name": each.name, "label": each.label} for each in task.stages],
    }


def is_installed(spec: PipelineSpec, weights: WeightSet, models: Path) -> bool:
    """Whether the set's files are all there."""
    try:
        locate(spec, weights, models)
    except MeshwrightError:
        return False
    return True
