# SPDX-License-Identifier: GPL-3.0-or-later
"""A finished texture job becomes a new look of the objects that were captured. No vertex, normal or old UV changes."""

import textwrap
from collections.abc import Mapping
from pathlib import Path

import bpy
import numpy as np

from ..backend.contract import Artifact, JobFolder, MeshwrightError, Remedy, Request, Result
from ..backend.contract.parameter import Value
from ..capture.painted_mesh import MOST_LAYERS, corner_checksum
from ..delivery_note import DeliveryNote, Paint
from ..materials.node_trees import composed, material_under, overlaid_material, texture_material
from ..materials.variants import add_material_variant
from ..names import fitted
from .provenance import FOLDER, attach

LONGEST_WORDS = 30


def deliver_textures(folder: JobFolder, request: Request, result: Result, note: DeliveryNote,
                     values: Mapping[str, Value], notes: list[str]) -> list[bpy.types.Object]:
    """Give every target its image, in a new material beside the old ones; the objects that were painted.

    `values` are kept on the materials. A target that has gone or was edited since gets nothing, with a remark; its
    image stays in the file. Raises MeshwrightError for an image that cannot be read.
    """
    painted, name = [], _look_name(folder, request, note)
    images = [artifact for artifact in result.artifacts if artifact.kind == "image"]
    for target, paint, artifact in zip(note.targets, note.paints, images, strict=True):
        image = _packed(folder, artifact, fitted(target.reference.name, " texture"))
        item = target.reference.find(bpy.data.objects)
        fault = "has gone" if item is None else _unfit(item, paint, folder)
        if item is None or fault:
            image.use_fake_user = True
            notes.append(f"{target.reference.name} {fault}: its texture is kept as the image {image.name}.")
            continue
        _paint(item, paint, image, folder, name, values, note.rerolled)
        painted.append(item)
        if paint.remark:
            notes.append(paint.remark)
    return painted


def _packed(folder: JobFolder, artifact: Artifact, name: str) -> bpy.types.Image:
    """The image, inside the .blend from now on: the job's folder may go."""
    path = folder.outputs / Path(artifact.file).name
    try:
        image = bpy.data.images.load(str(path))
        image.pack()
    except RuntimeError as error:
        raise MeshwrightError(f"The texture {artifact.name} cannot be read.", str(error), "Start the job again.",
                              Remedy.RETRY) from error
    image.name, image.filepath_raw = name, ""
    return image


def _unfit(item: bpy.types.Object, paint: Paint, folder: JobFolder) -> str:
    """Why the object cannot take the texture any more, or ""."""
    layers = item.data.uv_layers
    if item.library:
        return "is linked from another file now"
    if not paint.new_uvs:
        return "" if paint.uv_layer in layers else f"has no UV map {paint.uv_layer} any more"
    if corner_checksum(item.data) != paint.corners:
        return "was edited meanwhile"
    uvs = np.load(folder.inputs / paint.new_uvs)
    if _layer_with(item.data, uvs):
        return ""
    return "has no room for another UV map" if len(layers) >= MOST_LAYERS or item.data.library else ""


def _paint(item: bpy.types.Object, paint: Paint, image: bpy.types.Image, folder: JobFolder, name: str,
           values: Mapping[str, Value], rerolled: str) -> None:
    """A new look called `name`. Where only some faces are painted it lies over what the slots show, or over what lies
    under the paint of the job `rerolled`."""
    layer = _new_layer(item.data, paint.uv_layer, folder.inputs / paint.new_uvs) if paint.new_uvs else paint.uv_layer
    slots = item.material_slots
    shown = {index: slots[index].material if index < len(slots) else None
             for index in paint.slots if index < max(len(slots), 1)}
    words = fitted(item.name, " texture")
    made: dict[bpy.types.Material | None, bpy.types.Material] = {}
    for old in dict.fromkeys(shown.values() if paint.masked else (None,)):
        under = material_under(old) if old and rerolled and old.get(FOLDER) == rerolled else old
        if paint.masked and not (len(set(shown.values())) == 1 and composed(image, layer, under)):
            made[old] = overlaid_material(words, image, layer, under)
        else:
            made[old] = texture_material(words, image, layer, under)
        attach(made[old], values)
    add_material_variant(item, name, {index: made[old if paint.masked else None] for index, old in shown.items()})


def _look_name(folder: JobFolder, request: Request, note: DeliveryNote) -> str:
    """What was asked for, in few words, and the seed."""
    texts = [(folder.inputs / file).read_text("utf-8") for file in request.inputs.get("prompt", ())]
    asked = " ".join(" ".join(texts).split()) or note.image or request.subject
    part = " (part)" if any(paint.masked for paint in note.paints) else ""
    return f"{textwrap.shorten(asked, LONGEST_WORDS, placeholder=' …')}, seed {request.seed}{part}"


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
