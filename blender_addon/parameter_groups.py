# SPDX-License-Identifier: GPL-3.0-or-later
"""A property group for each task, made from the pipelines' specs at import: a new pipeline needs no code here."""

import bpy

from .backend.contract import Parameter, PipelineSpec, TaskSpec, WeightSet
from .backend.contract.parameter import Value
from .backend.pipelines import registry

WEIGHTS = "weights"
_HUGE = 2**31 - 1
# Blender 5 warns of "//" in a path that does not say that it takes it; 4.2 does not know the option.
_PATH_OPTIONS = {"PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (5, 0, 0) else set()


def tasks() -> list[tuple[PipelineSpec, TaskSpec]]:
    """Every task of every pipeline, in the order in which the panel shows them: first shapes, then what covers them."""
    known = [(spec, task) for spec in registry.specs().values() for task in spec.tasks]
    return sorted(known, key=lambda pair: any(wanted.kind == "uv_meshes" for wanted in pair[1].inputs))


def default_of(parameter: Parameter, weights: WeightSet) -> Value:
    """The parameter's default with these weights."""
    return (weights.parameter_defaults or {}).get(parameter.name, parameter.default)


def parameter_values(group: bpy.types.PropertyGroup, task: TaskSpec) -> dict[str, Value]:
    """The group's values by parameter name, as plain data."""
    return {parameter.name: _plain(getattr(group, parameter.name), parameter) for parameter in task.parameters}


def _plain(value: Value, parameter: Parameter) -> Value:
    """Blender keeps 32-bit floats: 0.1 comes back as 0.10000000149, which is rounded to what the artist typed. A path
    may be relative to the blend file ("//")."""
    if parameter.kind == "file" and value:
        return bpy.path.abspath(str(value))
    return round(value, 6) if parameter.kind == "float" and isinstance(value, float) else value


def _property(parameter: Parameter, weights: WeightSet) -> object:
    """The bpy property of one parameter."""
    default = default_of(parameter, weights)
    words = {"name": parameter.label, "description": parameter.description, "default": default}
    if parameter.kind == "bool":
        return bpy.props.BoolProperty(**words)
    if parameter.kind == "text":
        return bpy.props.StringProperty(**words)
    if parameter.kind == "file":
        return bpy.props.StringProperty(subtype="FILE_PATH", options=_PATH_OPTIONS, **words)
    if parameter.kind == "choice":
        items = [(choice.value, choice.label, choice.description) for choice in parameter.choices]
        return bpy.props.EnumProperty(items=items, **words)
    low = -_HUGE if parameter.minimum is None else parameter.minimum
    high = _HUGE if parameter.maximum is None else parameter.maximum
    if parameter.kind == "int":
        return bpy.props.IntProperty(min=int(low), max=int(high), step=int(parameter.step or 1), **words)
    # Blender's step of a float is in hundredths.
    return bpy.props.FloatProperty(min=low, max=high, step=round((parameter.step or 0.1) * 100), precision=2, **words)


def _weights_property(spec: PipelineSpec, task: TaskSpec) -> object:
    def use_defaults(group: bpy.types.PropertyGroup, _context: bpy.types.Context) -> None:
        chosen = spec.weight_set(group.weights)
        for parameter in task.parameters:
            if len({default_of(parameter, weights) for weights in spec.weights}) > 1:
                setattr(group, parameter.name, default_of(parameter, chosen))

    return bpy.props.EnumProperty(
        name="Weights", items=[(weights.name, weights.label, weights.description) for weights in spec.weights],
        description="Which trained weights to use. A change sets the options to what suits them", update=use_defaults,
    )


def _group_class(spec: PipelineSpec, task: TaskSpec) -> type[bpy.types.PropertyGroup]:
    annotations = {parameter.name: _property(parameter, spec.weights[0]) for parameter in task.parameters}
    if task.needs_weights:
        annotations[WEIGHTS] = _weights_property(spec, task)
    return type(f"MESHWRIGHT_PG_{task.name}", (bpy.types.PropertyGroup,), {"__annotations__": annotations})


GROUPS = {task.name: _group_class(spec, task) for spec, task in tasks()}
CLASSES = tuple(GROUPS.values())
