# SPDX-License-Identifier: GPL-3.0-or-later
"""A finished texture job becomes a new look of the objects that were captured. No vertex, normal or old UV changes."""

from collections.abc import Mapping
from pathlib import Path

import bpy
import numpy as np

from ..backend.contract import Artifact, JobFolder, MeshwrightError, Remedy, Request, Result
from ..backend.contract.parameter import Value
from ..delivery_note import DeliveryNote, Paint
from ..texture.looks import add_look
from ..texture.material import texture_material
from .names import fitted
from .recipe import attach


def deliver_textures(folder: JobFolder, request: Request, result: Result, note: DeliveryNote,
                     values: Mapping[str, Value], notes: list[str]) -> list[bpy.types.Object]:
    """Give every target its image, in a new material beside the old ones; the objects that were painted.

    `values` are kept on the materials. A target that has gone or was edited since gets nothing, with a remark; its
    image stays in the file. Raises MeshwrightError for an image that cannot be read.
    """
    painted = []
    pictures = [artifact for artifact in result.artifacts if artifact.kind == "image"]
    for target, paint, artifact in zip(note.targets, note.paints, pictures, strict=True):
        image = _packed(folder, artifact, fitted(target.reference.name, " texture"))
        item = target.reference.find(bpy.data.objects)
        fault = "has gone" if item is None else _unfit(item, paint, folder)
        if item is None or fault:
            image.use_fake_user = True
            notes.append(f"{target.reference.name} {fault}: its texture is kept as the image {image.name}.")
            continue
        _paint(item, paint, image, folder, request, values)
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
    if paint.new_uvs:
        uvs = np.load(folder.inputs / paint.new_uvs, mmap_mode="r")
        return "" if len(uvs) == len(item.data.loops) else "was edited meanwhile"
    return "" if paint.uv_layer in item.data.uv_layers else f"has no UV map {paint.uv_layer} any more"


def _paint(item: bpy.types.Object, paint: Paint, image: bpy.types.Image, folder: JobFolder, request: Request,
           values: Mapping[str, Value]) -> None:
    layer = _new_layer(item.data, paint.uv_layer, folder.inputs / paint.new_uvs) if paint.new_uvs else paint.uv_layer
    slots = item.material_slots
    indices = [index for index in paint.slots if index < max(len(slots), 1)]
    under = {index: slots[index].material if paint.masked and index < len(slots) else None for index in indices}
    name = fitted(item.name, " texture")
    made = {old: texture_material(name, image, layer, old) for old in dict.fromkeys(under.values())}
    for material in made.values():
        attach(material, values)
    add_look(item, f"{request.subject}, seed {request.seed}", {index: made[old] for index, old in under.items()})


def _new_layer(mesh: bpy.types.Mesh, name: str, path: Path) -> str:
    """Add a UV layer; those that are active for editing and rendering stay so. A layer of an earlier texture with the
    same UVs serves again."""
    uvs = np.load(path)
    for layer in mesh.uv_layers:
        values = np.empty(len(layer.uv) * 2, np.float32)
        layer.uv.foreach_get("vector", values)
        if np.array_equal(values, uvs.ravel()):
            return str(layer.name)
    active = mesh.uv_layers.active_index
    rendered = next((index for index, layer in enumerate(mesh.uv_layers) if layer.active_render), None)
    layer = mesh.uv_layers.new(name=name, do_init=False)
    given = str(layer.name)  # another one if the name was taken
    layer.uv.foreach_set("vector", uvs.ravel())
    if rendered is not None:
        mesh.uv_layers.active_index = active
        mesh.uv_layers[rendered].active_render = True
    return given
