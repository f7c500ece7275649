# SPDX-License-Identifier: GPL-3.0-or-later
"""The Blender classes that are made from the pipelines' specs: settings and operators of every task.

They are made again when the folder of further pipelines changes.
"""

from collections.abc import Collection
from pathlib import Path

import bpy

from . import offered_tasks, properties
from .backend.pipelines import registry
from .operators.task import operator_class
from .parameter_groups import group_class

_registered: tuple[type, ...] = ()
_reserved: frozenset[str] = frozenset()


def register(static: Collection[type], folder: Path | None) -> None:
    """Make and register the classes of all tasks. `static` are the add-on's other classes, whose names are taken;
    `folder` has further pipelines, None for none."""
    global _reserved
    _reserved = properties.RESERVED | {cls.__name__.split("_", 2)[2] for cls in static}
    use_folder(folder)


def unregister() -> None:
    """Take them out of Blender; files keep what they saved."""
    global _registered
    if _registered:
        properties.detach()
    for cls in reversed(_registered):
        bpy.utils.unregister_class(cls)
    _registered = ()


def use_folder(folder: Path | None) -> None:
    """Offer the pipelines of this folder, too; None for only our own. The registry keeps what is wrong with them."""
    global _registered
    unregister()
    registry.use_folder(folder)
    offered_tasks.refresh(_reserved)
    groups = {offered: group_class(offered) for offered in offered_tasks.offered()}
    settings = properties.settings_classes(groups)
    _registered = (*groups.values(), *settings, *map(operator_class, groups))
    for cls in _registered:
        bpy.utils.register_class(cls)
    properties.attach(settings[1])


def registered() -> tuple[type, ...]:
    """The classes that are registered now."""
    return _registered
