# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of an earlier job, back into the panel."""

import bpy

from . import offered_tasks
from .backend.contract import BadInput, Request
from .offered_tasks import OfferedTask
from .parameter_groups import WEIGHTS, property_names, text_property
from .properties import group_of, settings_of


def use_settings(scene: bpy.types.Scene, request: Request) -> OfferedTask:
    """Set the panel of the request's task to its weights, parameters and seed; images and selection stay as they are.

    Parameters and weights that this version does not have are left out. Raises BadInput when it does not have the task.
    """
    offered = offered_tasks.find(request.pipeline, request.task)
    if offered is None:
        raise BadInput("The task of this job is not available.", f"It was {request.task} of {request.pipeline}.",
                       "Update Meshwright, or choose the folder that has the pipeline.")
    group, task, names = group_of(scene, offered), offered.task, property_names(offered.task)
    if any(weights.name == request.weights for weights in offered.weights):
        setattr(group, WEIGHTS, request.weights)  # before the parameters, some of which it sets
    for parameter in task.parameters:
        if parameter.name not in request.parameters:
            continue
        if parameter.multiline:
            setattr(group, text_property(task, parameter), None)
        setattr(group, names[parameter.name], request.parameters[parameter.name])
    if task.seeded:
        settings = settings_of(scene)
        settings.seed, settings.random_seed = request.seed, False
    return offered
