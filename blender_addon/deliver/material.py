# SPDX-License-Identifier: GPL-3.0-or-later
"""A finished job becomes a new material of the objects that were captured. No vertex, normal or old UV changes."""

import textwrap
from collections.abc import Mapping
from pathlib import Path

import bpy
import numpy as np

from ..backend.contract import JobFolder, MeshwrightError, Remedy
from ..backend.pipelines import registry
from ..capture.painted_mesh import MOST_LAYERS
from ..capture.state import corner_checksum, uv_checksum
from ..delivery_note import MaterialPlacement, captured_files
from ..materials.node_trees import Maps, composed, material_under, overlaid_material, texture_material
from ..materials.variants import add_material_variant
from ..names import fitted
from .arrived_mesh import maps_for
from .finished_job import Delivered, FinishedJob
from .images import packed_maps
from .provenance import FOLDER, attach

MOST_CHARACTERS = 30
_PLURAL = {"is": "are", "was": "were", "has": "have"}


def deliver_material(job: FinishedJob) -> Delivered:
    """Give every target its maps, in a new material next to the old ones.

    A target that no longer exists or was edited since gets nothing, with a remark; its images stay in the file. Raises
    MeshwrightError for maps that are missing or cannot be read.
    """
    painted, notes, name = [], [], _variant_name(job)
    gone: dict[str, dict[str, str]] = {}
    for target, placement, file in zip(job.note.targets, job.note.materials, captured_files(job.request), strict=True):
        artifacts = maps_for(job.result, file)
        if "base_color" not in artifacts:
            raise MeshwrightError(f"There is no texture for {target.reference.name}.", "The job's result names none.",
                                  "Start the job again.", Remedy.RETRY)
        maps = packed_maps(job.folder, artifacts, target.reference.name)
        item = target.reference.find(bpy.data.objects)
        fault = "no longer exists" if item is None else _unfit(item, placement, job.folder)
        if item is None or fault:
            for image in maps.values():
                image.use_fake_user = True
            gone.setdefault(fault, {})[target.reference.name] = maps["base_color"].name
            continue
        _paint(job, item, placement, maps, name)
        painted.append(item)
        notes += [placement.remark] if placement.remark else []
    return Delivered(tuple(painted), (), "material", (*(_lost(*item) for item in gone.items()), *notes))


def _lost(fault: str, images: Mapping[str, str]) -> str:
    """One sentence about the objects that cannot take their textures, and the images that hold these, by object."""
    *names, last = images
    if not names:
        return f"{last} {fault}. Its texture is saved as image {images[last]}."
    verb, _, rest = fault.replace("no longer exists", "no longer exist").partition(" ")
    words = f"{_PLURAL.get(verb, verb)} {rest}"
    return f"{', '.join(names)} and {last} {words}. Their textures are saved as images {', '.join(images.values())}."


def _unfit(item: bpy.types.Object, placement: MaterialPlacement, folder: JobFolder) -> str:
    """Why the object cannot take the texture any more, or ""."""
    layers = item.data.uv_layers
    if item.library:
        return "is linked from another file now"
    if placement.corners and corner_checksum(item.data) != placement.corners:
        return "was edited since"
    if not placement.new_uvs:
        layer = layers.get(placement.uv_layer)
        if layer is None:
            return f"has no UV map {placement.uv_layer} any more"
        return "has other UVs now" if placement.layout and uv_checksum(layer) != placement.layout else ""
    uvs = np.load(folder.inputs / placement.new_uvs)
    if _layer_with(item.data, uvs):
        return ""
    return "has no room for another UV map" if len(layers) >= MOST_LAYERS or item.data.library else ""


def _paint(job: FinishedJob, item: bpy.types.Object, placement: MaterialPlacement, maps: Maps, name: str) -> None:
    """A new material variant called `name`. Where only some faces are painted it lies over what the slots show, or over
    what lies under the paint of the job that this one rerolls."""
    new_uvs, rerolled = placement.new_uvs, job.note.rerolled
    layer = _new_layer(item.data, placement.uv_layer, job.folder.inputs / new_uvs) if new_uvs else placement.uv_layer
    slots = item.material_slots
    shown = {index: slots[index].material if index < len(slots) else None
             for index in placement.slots if index < max(len(slots), 1)}
    words = fitted(item.name, " texture")
    made: dict[bpy.types.Material | None, bpy.types.Material] = {}
    for old in dict.fromkeys(shown.values() if placement.masked else (None,)):
        under = material_under(old) if old and rerolled and old.get(FOLDER) == rerolled else old
        if placement.masked and not (len(set(shown.values())) == 1 and composed(maps, layer, under)):
            made[old] = overlaid_material(words, maps, layer, under)
        else:
            made[old] = texture_material(words, maps, layer, under)
        attach(made[old], job.provenance)
    add_material_variant(item, name, {index: made[old if placement.masked else None] for index, old in shown.items()})


def _variant_name(job: FinishedJob) -> str:
    """What was asked for, in few words, and the seed."""
    task = registry.spec(job.request.pipeline).task(job.request.task)
    prompts = [str(job.request.parameters.get(parameter.name, "")) for parameter in task.parameters
               if parameter.kind == "text" and parameter.multiline and parameter.default == ""]
    asked = " ".join(" ".join(prompts).split()) or job.note.image or job.request.subject
    part = " (part)" if any(placement.masked for placement in job.note.materials) else ""
    return f"{textwrap.shorten(asked, MOST_CHARACTERS, placeholder=' …')}, seed {job.request.seed}{part}"


def _layer_with(mesh: bpy.types.Mesh, uvs: np.ndarray) -> str:
    """The name of the UV layer with exactly these UVs [L, 2], or ""."""
    for layer in mesh.uv_layers:
        values = np.empty(len(layer.uv) * 2, np.float32)
        layer.uv.foreach_get("vector", values)
        if np.array_equal(values, uvs.ravel()):
            return str(layer.name)
    return ""


def _new_layer(mesh: bpy.types.Mesh, name: str, path: Path) -> str:
    """Add a UV layer; those that are active for editing and rendering stay so. A layer of an earlier texture with the
    same UVs serves again."""
    uvs = np.load(path)
    if there := _layer_with(mesh, uvs):
        return there
    active = mesh.uv_layers.active_index
    rendered = next((index for index, layer in enumerate(mesh.uv_layers) if layer.active_render), None)
    layer = mesh.uv_layers.new(name=name, do_init=False)
    given = str(layer.name)  # another one if the name was taken
    layer.uv.foreach_set("vector", uvs.ravel())
    if rendered is not None:
        mesh.uv_layers.active_index = active
        mesh.uv_layers[rendered].active_render = True
    return given
