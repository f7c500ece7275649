# SPDX-License-Identifier: GPL-3.0-or-later
"""What most jobs do not need, folded away below the button: groups of the spec, of at most eight settings each."""

from collections.abc import Sequence

import bpy

from ..backend.contract import Parameter
from ..backend.pipelines import registry
from ..offered_tasks import OfferedTask
from ..parameter_groups import property_names
from ..properties import group_of, settings_of
from .delivery_settings import draw_delivery_settings
from .input_slots import draw_prompt

MOST = 8
"""Settings in one group."""


def draw_advanced(layout: bpy.types.UILayout, context: bpy.types.Context, offered: OfferedTask) -> None:
    """The seed with its dice, the spec's groups, and where the result goes."""
    header, body = layout.panel("meshwright_advanced", default_closed=True)
    header.label(text="Advanced")
    if body is None:
        return
    settings = settings_of(context.scene)
    if offered.task.seeded:
        row = split_column(body).row(align=True)
        row.prop(settings, "seed")
        row.prop(settings, "random_seed", text="", icon="FILE_REFRESH")
    for number, (title, members) in enumerate(groups_of(offered)):
        _draw_group(body, context, offered, title, members, closed=number > 0)
    header, inner = body.panel("meshwright_result_settings", default_closed=True)
    header.label(text="Result")
    if inner is not None:
        column = split_column(inner)
        column.prop(settings, "subject")
        if offered.task.mesh_input:
            column.prop(settings, "mesh_source")
        draw_delivery_settings(inner, settings, offered)
    if offered.spec.name == registry.WORKFLOW:
        body.operator("meshwright.save_workflow", icon="FILE_TICK", text="Save as…").workflow = offered.task.name


def is_central_prompt(parameter: Parameter) -> bool:
    """Whether it is drawn above the button: a prompt that the artist writes, not one that is there already."""
    return parameter.multiline and not parameter.advanced and parameter.default == ""


def groups_of(offered: OfferedTask) -> list[tuple[str, Sequence[Parameter]]]:
    """The task's parameters, but for the prompts above the button, by the titles of their groups; those that are not
    advanced first. A group of more than eight is cut into equal parts."""
    groups: dict[str, list[Parameter]] = {}
    for parameter in sorted(offered.task.parameters, key=lambda known: known.advanced):
        if not is_central_prompt(parameter):
            groups.setdefault(parameter.group or "Options", []).append(parameter)
    cut: list[tuple[str, Sequence[Parameter]]] = []
    for title, members in groups.items():
        count = -(-len(members) // MOST)
        size = -(-len(members) // count)
        cut += [(title if count == 1 else f"{title} {number + 1}", members[number * size:(number + 1) * size])
                for number in range(count)]
    return cut


def split_column(layout: bpy.types.UILayout) -> bpy.types.UILayout:
    """A column with labels at the left of their settings."""
    column = layout.column()
    column.use_property_split, column.use_property_decorate = True, False
    return column


def _draw_group(layout: bpy.types.UILayout, context: bpy.types.Context, offered: OfferedTask, title: str,
                members: Sequence[Parameter], closed: bool) -> None:
    header, body = layout.panel(f"meshwright_{offered.key}_{title}", default_closed=closed)
    header.label(text=title)
    if body is None:
        return
    group, names, column = group_of(context.scene, offered), property_names(offered.task), split_column(body)
    for parameter in members:
        if parameter.multiline:
            draw_prompt(body, context, offered, parameter)
            column = split_column(body)
        else:
            column.prop(group, names[parameter.name])
