# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task is given: selected meshes, chosen images, prompts; what is still missing; and all of it as files."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import bpy
import numpy as np

from .backend.contract import InputSpec, JobFolder, MeshNeed, given
from .backend.contract.parameter import Value
from .capture import capture_image, capture_mesh
from .capture.mesh import Frame, far_origin
from .capture.painted_mesh import Scope, UVChoice, painted_mesh
from .capture.view import View
from .deliver.provenance import FOLDER, SUBJECT
from .delivery_note import MaterialPlacement
from .offered_tasks import OfferedTask
from .parameter_groups import chosen_weights, parameter_values
from .properties import group_of, image_at, image_path, settings_of

CONVERTIBLE = ("CURVE", "SURFACE", "META", "FONT")
"""Types of objects that Blender can convert to meshes."""
SUBJECT_WIDTH = 30


@dataclass(frozen=True)
class Captured:
    """Files in a job's `inputs/` by input, how each mesh takes a material, where the task delivers one, and what was
    subtracted from the meshes' vertices, float64 [3]."""

    inputs: Mapping[str, tuple[str, ...]]
    materials: tuple[MaterialPlacement, ...] = ()
    origin: np.ndarray = field(default_factory=lambda: np.zeros(3))


def selected_meshes(context: bpy.types.Context) -> list[bpy.types.Object]:
    """The selected mesh objects, and those that are seen below the selected empty of a result, by name; the active one
    first."""
    chosen = set(context.selected_objects)
    for whole in [item for item in chosen if item.type == "EMPTY" and FOLDER in item]:
        chosen |= {part for part in whole.children_recursive if part.visible_get()}
    found = sorted((item for item in chosen if item.type == "MESH"), key=lambda item: item.name)
    return sorted(found, key=lambda item: item != context.view_layer.objects.active)


def given_images(scene: bpy.types.Scene, offered: OfferedTask) -> dict[str, bpy.types.Image]:
    """The chosen images by input, without those that the chosen weights cannot use."""
    weights = chosen_weights(group_of(scene, offered), offered)
    chosen = {wanted.name: image_at(scene, image_path(offered, wanted)) for wanted in offered.task.inputs
              if wanted.kind == "image" and not unusable(wanted, weights is None or weights.can_take(wanted.name))}
    return {name: image for name, image in chosen.items() if image is not None}


def unusable(wanted: InputSpec, can_take: bool) -> bool:
    """Whether an input is of no use to weights that can or cannot take it; required ones always are."""
    return not wanted.required and not can_take


def complaint(context: bpy.types.Context, offered: OfferedTask) -> str:
    """What the artist still has to give for this task, in words, or ""; cheap enough for a poll."""
    scene, task = context.scene, offered.task
    group, meshes = group_of(scene, offered), selected_meshes(context) if task.mesh_input else []
    inputs: dict[str, Sequence[object]] = {name: (image,) for name, image in given_images(scene, offered).items()}
    if task.mesh_input:
        inputs[task.mesh_input.name] = meshes
    missing = task.missing(given(task, parameter_values(group, task), inputs), chosen_weights(group, offered))
    if missing is None:
        return ""
    return " ".join((missing.report.what, (not meshes and task.mesh_input and _other_selection(context))
                     or missing.report.advice))


def subject_of(scene: bpy.types.Scene, offered: OfferedTask, meshes: Sequence[bpy.types.Object]) -> str:
    """The artist's name for the result, or that of the mesh, of what several meshes belong to, of the image, or the
    first words of the prompt."""
    task, settings = offered.task, settings_of(scene)
    if settings.subject.strip():
        return str(settings.subject.strip())
    if meshes:
        whole = meshes[0].parent if len({item.parent for item in meshes}) == 1 < len(meshes) else None
        # An earlier result's own word: "chair", not "chair-3".
        return str(whole.get(SUBJECT, whole.name) if whole else meshes[0].name)
    images = given_images(scene, offered)
    if images:
        return Path(next(iter(images.values())).name).stem
    values = parameter_values(group_of(scene, offered), task)
    prompts = [str(values[parameter.name]) for parameter in task.parameters if parameter.multiline]
    return textwrap.shorten(next(filter(None, prompts), ""), SUBJECT_WIDTH, placeholder="") or task.label


def capture_inputs(context: bpy.types.Context, offered: OfferedTask, meshes: Sequence[bpy.types.Object],
                   folder: JobFolder) -> Captured:
    """Write the files of each input. Raises MeshwrightError for what cannot be captured."""
    images = given_images(context.scene, offered)
    inputs = {name: (capture_image(image, folder.inputs, context.scene, name),) for name, image in images.items()}
    wanted = offered.task.mesh_input
    if wanted is None:
        return Captured(inputs)
    origin = far_origin(meshes, _frame(offered)) if meshes else np.zeros(3)
    names = tuple(f"{wanted.name}.{number:03d}.npz" for number in range(1, len(meshes) + 1))
    needs = wanted.needs_with(parameter_values(group_of(context.scene, offered), offered.task))
    if needs or offered.task.delivery == "material":
        materials = tuple(_capture_painted(context, offered, needs, item, folder.inputs / name, origin)
                       for item, name in zip(meshes, names, strict=True))
        material = offered.task.delivery == "material"
        return Captured({**inputs, wanted.name: names}, materials if material else (), origin)
    for item, name in zip(meshes, names, strict=True):
        capture_mesh(item, folder.inputs / name, settings_of(context.scene).mesh_source, _frame(offered), origin)
    return Captured({**inputs, wanted.name: names}, (), origin)


def _capture_painted(context: bpy.types.Context, offered: OfferedTask, needs: frozenset[MeshNeed],
                     item: bpy.types.Object, path: Path, origin: np.ndarray) -> MaterialPlacement:
    """Write a mesh with what the task needs of it in addition to its faces; how it takes a material."""
    settings = settings_of(context.scene)
    scope: Scope = settings.paint_scope if "selection" in needs else "OBJECT"
    view = View.of(context) if scope == "VIEW" else None
    choice: UVChoice = settings.paint_uvs if offered.task.delivery == "material" else "AUTO"
    if _frame(offered) == "standing":
        origin = origin + np.array(item.matrix_world.translation, np.float64)
    mesh, material = painted_mesh(item, settings.mesh_source, scope, choice, path.with_suffix(".uvs.npy"), view,
                                  "texture" in needs, origin)
    mesh.write(path)
    return material


def _frame(offered: OfferedTask) -> Frame:
    """Meshes of one job keep their places to each other, and a material needs a view's frame; a single mesh does not
    depend on where it is."""
    return "world" if offered.task.selection == "together" or offered.task.delivery == "material" else "standing"


def _other_selection(context: bpy.types.Context) -> str:
    """What can be done with a selection without a mesh, or ""."""
    surfaces = [item.name for item in context.selected_objects if item.type in CONVERTIBLE]
    if surfaces:
        return f"Convert {surfaces[0]} with Object › Convert › Mesh."
    instancing = [item.name for item in context.selected_objects if item.type == "EMPTY" and item.instance_collection]
    if instancing:
        return f"Make the instances of {instancing[0]} real (Object › Apply › Make Instances Real), and select them."
    inside = [item.name for item in context.selected_objects
              if item.type == "EMPTY" and any(child.type == "MESH" for child in item.children_recursive)]
    return f"Select the objects below {inside[0]} (Select › Select Grouped › Children)." if inside else ""


def parameters_of(scene: bpy.types.Scene, offered: OfferedTask) -> dict[str, Value]:
    """The task's parameters as plain data."""
    return parameter_values(group_of(scene, offered), offered.task)
