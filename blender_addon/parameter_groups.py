# SPDX-License-Identifier: GPL-3.0-or-later
"""A property group for each task, made from its spec: weights, preset, parameters, and the images of its own."""

from collections.abc import Callable

import bpy

from .backend.contract import Parameter, TaskSpec, WeightSet
from .backend.contract.parameter import Value
from .capture.thumbnail import make_thumbnail
from .offered_tasks import OfferedTask, identifier

WEIGHTS, PRESET = "weights", "preset"
_RESERVED = {WEIGHTS, PRESET, *dir(bpy.types.PropertyGroup)}
_HUGE = 2**31 - 1
# Blender 4.5 warns about "//" in a path whose property does not say that it takes it; 4.2 does not know the option.
_PATH_OPTIONS = {"PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (4, 5, 0) else set()


def property_names(task: TaskSpec) -> dict[str, str]:
    """The Blender property of each parameter and input, by its name; mostly they are the same."""
    names: dict[str, str] = {}
    for item in (*task.parameters, *task.inputs):
        name = identifier(item.name)
        while name in _RESERVED or name in names.values():
            name += "_"
        names[item.name] = name
    return names


def text_property(task: TaskSpec, parameter: Parameter) -> str:
    """The property that points to the text datablock in which a multi-line parameter is edited."""
    taken = set(property_names(task).values())
    name = f"{property_names(task)[parameter.name]}_datablock"
    while name in taken:
        name += "_"
    return name


def parameter_values(group: bpy.types.PropertyGroup, task: TaskSpec) -> dict[str, Value]:
    """The group's values by parameter name, as plain data."""
    names = property_names(task)
    return {parameter.name: text_of(group, task, parameter) if parameter.multiline
            else _plain(getattr(group, names[parameter.name]), parameter) for parameter in task.parameters}


def text_of(group: bpy.types.PropertyGroup, task: TaskSpec, parameter: Parameter) -> str:
    """The value of a multi-line parameter: the text datablock's content where there is one, else the field's."""
    datablock = getattr(group, text_property(task, parameter))
    return datablock.as_string().strip() if datablock else str(getattr(group, property_names(task)[parameter.name]))


def chosen_weights(group: bpy.types.PropertyGroup, offered: OfferedTask) -> WeightSet | None:
    """The set of weights that the task runs with; None for a task that needs no weights."""
    return offered.spec.weight_set(getattr(group, WEIGHTS)) if offered.weights else None


def group_class(offered: OfferedTask) -> type[bpy.types.PropertyGroup]:
    """The group of one task, to be registered."""
    task, names = offered.task, property_names(offered.task)
    preset = next((preset.name for preset in task.presets if not preset.values),
                  task.presets[0].name if task.presets else "")
    defaults = task.defaults(offered.weights[0] if offered.weights else None, preset)
    annotations: dict[str, object] = {}
    if offered.weights:
        annotations[WEIGHTS] = _weights_property(offered)
    if task.presets:
        annotations[PRESET] = _preset_property(offered, preset)
    for parameter in task.parameters:
        annotations[names[parameter.name]] = _property(parameter, defaults[parameter.name])
        if parameter.multiline:
            annotations[text_property(task, parameter)] = bpy.props.PointerProperty(
                type=bpy.types.Text, name=parameter.label, description=parameter.description)
    for wanted in task.inputs:
        if wanted.kind == "image" and not wanted.required:
            annotations[names[wanted.name]] = image_property(names[wanted.name], wanted.label, wanted.description)
    return type(f"MESHWRIGHT_PG_{offered.key}", (bpy.types.PropertyGroup,), {"__annotations__": annotations})


def image_property(name: str, label: str, description: str) -> object:
    """A property called `name` that points to an image, and gives it a preview when it is chosen."""
    def show(group: bpy.types.PropertyGroup, _context: bpy.types.Context) -> None:
        if image := getattr(group, name):
            make_thumbnail(image)

    return bpy.props.PointerProperty(type=bpy.types.Image, name=label, description=description, update=show)


def _plain(value: Value, parameter: Parameter) -> Value:
    """Blender keeps 32-bit floats: 0.1 comes back as 0.10000000149, which is rounded to what the artist typed. A path
    may be relative to the blend file ("//")."""
    if parameter.kind == "file" and value:
        return bpy.path.abspath(str(value))
    return round(value, 6) if parameter.kind == "float" and isinstance(value, float) else value


def _property(parameter: Parameter, default: Value) -> object:
    """The bpy property of one parameter."""
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
    low = -_HUGE if parameter.minimum is None else max(parameter.minimum, -_HUGE)
    high = _HUGE if parameter.maximum is None else min(parameter.maximum, _HUGE)
    if parameter.kind == "int":
        return bpy.props.IntProperty(min=int(low), max=int(high), step=int(parameter.step or 1), **words)
    # Blender's step of a float is in hundredths.
    return bpy.props.FloatProperty(min=low, max=high, step=round((parameter.step or 0.1) * 100), precision=2, **words)


def _weights_property(offered: OfferedTask) -> object:
    return bpy.props.EnumProperty(
        name="Weights", items=[(weights.name, weights.label, weights.description) for weights in offered.weights],
        description="Trained weights to use. Changing them sets the parameters that depend on them",
        update=_values_setter(offered))


def _preset_property(offered: OfferedTask, default: str) -> object:
    return bpy.props.EnumProperty(
        name="Quality", default=default, description="Sets several parameters at once", update=_values_setter(offered),
        items=[(preset.name, preset.label, preset.description) for preset in offered.task.presets])


def _values_setter(offered: OfferedTask) -> Callable[[bpy.types.PropertyGroup, bpy.types.Context], None]:
    """Sets what any preset or any weights decide; the prompt, say, stays."""
    task, names = offered.task, property_names(offered.task)
    decided = {name for preset in task.presets for name in preset.values}
    for weights in offered.weights:
        decided |= {*weights.parameter_defaults, *(name for own in weights.preset_values.values() for name in own)}

    def set_values(group: bpy.types.PropertyGroup, _context: bpy.types.Context) -> None:
        values = task.defaults(chosen_weights(group, offered), getattr(group, PRESET, ""))
        for name in decided & values.keys():
            setattr(group, names[name], values[name])

    return set_values
