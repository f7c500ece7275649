# SPDX-License-Identifier: GPL-3.0-or-later
"""The license gate before a download, and what else can be done with weights."""

from pathlib import Path

import bpy

from ..backend.contract import (
    IMPORT_WEIGHTS,
    REMOVE_WEIGHTS,
    VERIFY_WEIGHTS,
    Component,
    License,
    TaskSpec,
    WeightSet,
)
from ..backend.contract.parameter import Value
from ..backend.pipelines import registry
from ..panels.words import wrapped
from ..preferences import backend_complaint, download_complaint
from ..submission import submit_download, submit_weights_task
from ..translations import translated
from .attempt import attempt

DIALOG_WIDTH = 460


class MESHWRIGHT_OT_download_weights(bpy.types.Operator):
    """Show the licenses of these weights and download them once they are accepted"""

    bl_idname = "meshwright.download_weights"
    bl_label = "Download Weights"
    bl_options = {"INTERNAL"}

    pipeline: bpy.props.StringProperty(options={"SKIP_SAVE", "HIDDEN"})
    weights: bpy.props.StringProperty(options={"SKIP_SAVE", "HIDDEN"})
    accept: bpy.props.BoolProperty(
        name="I have read and accept the license", options={"SKIP_SAVE"},
        description="Nothing is downloaded without this",
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        reason = download_complaint()
        if reason:
            cls.poll_message_set(translated(reason))
        return not reason

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_props_dialog(self, width=DIALOG_WIDTH, confirm_text="Download")

    def draw(self, context: bpy.types.Context) -> None:
        spec = registry.spec(self.pipeline)
        weights = spec.weight_set(self.weights)
        for license, labels in _licenses(weights).values():
            column = self.layout.column(align=True)
            column.label(text=translated(f"{spec.label} · {', '.join(labels)}: {license.name}"))
            wrapped(column, license.text, DIALOG_WIDTH)
            wrapped(column, f"{license.outputs}.", DIALOG_WIDTH, "CHECKMARK" if license.commercial_use else "CANCEL")
            column.operator("wm.url_open", text="Read the Whole License", icon="URL").url = license.url
        self.layout.label(text=download_words(weights), icon="IMPORT")
        self.layout.prop(self, "accept")

    def execute(self, context: bpy.types.Context) -> set[str]:
        if not self.accept:
            self.report({"WARNING"}, translated("The license was not accepted: nothing is downloaded"))
            return {"CANCELLED"}
        spec = registry.spec(self.pipeline)
        weights = spec.weight_set(self.weights)
        return attempt(self, lambda: submit_download(spec, weights, list(_licenses(weights))))


class WeightsOperator(bpy.types.Operator):
    """An operator on one set of weights, which the engine carries out as a job."""

    bl_options = {"INTERNAL"}
    pipeline: bpy.props.StringProperty(options={"SKIP_SAVE", "HIDDEN"})
    weights: bpy.props.StringProperty(options={"SKIP_SAVE", "HIDDEN"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        reason = backend_complaint()
        if reason:
            cls.poll_message_set(translated(reason))
        return not reason

    def submit(self, task: TaskSpec, **parameters: Value) -> set[str]:
        """Queue the task for these weights."""
        spec = registry.spec(self.pipeline)
        return attempt(self, lambda: submit_weights_task(task, spec, spec.weight_set(self.weights), parameters))


class MESHWRIGHT_OT_verify_weights(WeightsOperator):
    """Read every file of these weights and compare it with its published checksum"""

    bl_idname = "meshwright.verify_weights"
    bl_label = "Verify Weights"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return self.submit(VERIFY_WEIGHTS)


class MESHWRIGHT_OT_remove_weights(WeightsOperator):
    """Delete these weights, and the shared models that no other downloaded weights use"""

    bl_idname = "meshwright.remove_weights"
    bl_label = "Delete Weights"

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context: bpy.types.Context) -> set[str]:
        return self.submit(REMOVE_WEIGHTS)


class MESHWRIGHT_OT_import_weights(WeightsOperator):
    """Copy files of these weights that are on this computer already. Choose the files, or the folder that has them"""

    bl_idname = "meshwright.import_weights"
    bl_label = "Import Files"
    directory: bpy.props.StringProperty(subtype="DIR_PATH", options={"SKIP_SAVE", "HIDDEN"})
    files: bpy.props.CollectionProperty(type=bpy.types.OperatorFileListElement, options={"SKIP_SAVE", "HIDDEN"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        folder = Path(bpy.path.abspath(self.directory))
        chosen = [folder / item.name for item in self.files if item.name] or [folder]
        return self.submit(IMPORT_WEIGHTS, sources="\n".join(map(str, chosen)))


def download_words(weights: WeightSet) -> str:
    """Size of the download, of what is shared with other weights, and the GPU memory that a job takes."""
    shared = sum(component.gigabytes for component in weights.components)
    words = [f"Download: {weights.gigabytes:g} GB"]
    if shared:
        words.append(f"shared models: {shared:g} GB")
    if weights.memory:
        words.append(f"GPU memory: about {weights.memory_gib:g} GiB")
    return " · ".join(words)


def _licenses(weights: WeightSet) -> dict[str, tuple[License, list[str]]]:
    """Every license that the download needs by its name, with the labels of what it is about."""
    found: dict[str, tuple[License, list[str]]] = {}
    parts: tuple[WeightSet | Component, ...] = (weights, *weights.components)
    for part in parts:
        found.setdefault(part.license.name, (part.license, []))[1].append(part.label)
    return found


CLASSES = (MESHWRIGHT_OT_download_weights, MESHWRIGHT_OT_verify_weights, MESHWRIGHT_OT_remove_weights,
           MESHWRIGHT_OT_import_weights)
