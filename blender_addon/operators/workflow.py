# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeping a workflow as it is set, under a name of the artist's own."""

import re
from dataclasses import replace

import bpy

from .. import offered_tasks, task_classes
from ..backend.contract import BadInput, MeshwrightError, Remedy
from ..backend.pipelines import registry
from ..backend.workflows.chain import Chain, Step, write_chain
from ..backend.workflows.workflow_spec import model_parameter, preset_parameter
from ..parameter_groups import parameter_values
from ..preferences import pipelines_folder, workflows_folder
from ..properties import group_of
from .attempt import attempt


class MESHWRIGHT_OT_save_workflow(bpy.types.Operator):
    """Save this workflow with the models and qualities chosen here under a name of its own"""

    bl_idname = "meshwright.save_workflow"
    bl_label = "Save Workflow"
    bl_options = {"REGISTER", "INTERNAL"}

    workflow: bpy.props.StringProperty(options={"SKIP_SAVE", "HIDDEN"})
    label: bpy.props.StringProperty(name="Name", default="My Workflow")

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_props_dialog(self)

    def execute(self, context: bpy.types.Context) -> set[str]:
        return attempt(self, lambda: save_workflow(context, self.workflow, self.label.strip()))


def save_workflow(context: bpy.types.Context, workflow: str, label: str) -> None:
    """Write the chain with what is chosen in the scene, and offer it. Raises BadInput for a name that cannot be used or
    is taken, MeshwrightError when the folder cannot be written.
    """
    offered = offered_tasks.find(registry.WORKFLOW, workflow)
    if offered is None:
        raise BadInput("This workflow no longer exists.", "Its file was removed.", "Choose another one.")
    name = re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")[:40]
    if not re.match(r"[a-z]", name):
        raise BadInput("The workflow cannot have this name.", f"{label!r} does not begin with a letter from A to Z.",
                       "Choose another name.")
    if offered_tasks.find(registry.WORKFLOW, name) is not None:
        raise BadInput(f"There is already a workflow named {label}.", "It would be lost.", "Choose another name.")
    chosen = parameter_values(group_of(context.scene, offered), offered.task)
    chain = registry.chain(workflow)
    steps = tuple(_as_chosen(step, chosen) for step in chain.steps)
    path = workflows_folder() / f"{name}.json"
    try:
        write_chain(Chain(name, label, chain.description, steps), path)
    except OSError as error:
        raise MeshwrightError("The workflow cannot be saved.", f"{path}: {error.strerror or error}",
                              "Free some space, or choose another folder.", Remedy.CHOOSE_FOLDER) from error
    registry.use_workflows(workflows_folder())
    task_classes.use_folder(pipelines_folder())


def _as_chosen(step: Step, chosen: dict[str, bool | int | float | str]) -> Step:
    preset = str(chosen.get(preset_parameter(step), ""))
    return replace(step, model=str(chosen[model_parameter(step)]), preset=preset)


CLASSES = (MESHWRIGHT_OT_save_workflow,)
