# SPDX-License-Identifier: GPL-3.0-or-later
"""Image artifacts as datablocks inside the .blend file."""

from collections.abc import Mapping
from pathlib import Path

import bpy

from ..backend.contract import Artifact, JobFolder, MeshwrightError, Remedy, Role
from ..names import fitted

_WORDS: dict[Role, str] = {"base_color": " texture", "metallic": " metallic", "roughness": " roughness",
                           "normal": " normals"}


def packed_maps(folder: JobFolder, maps: Mapping[Role, Artifact], name: str) -> dict[Role, bpy.types.Image]:
    """The images of a material's maps, packed: the job's folder may be deleted. Raises MeshwrightError, and then makes
    none.

    base_color is read as sRGB, the others as data.
    """
    made: dict[Role, bpy.types.Image] = {}
    try:
        for role, artifact in maps.items():
            made[role] = _packed(folder, artifact, fitted(name, _WORDS[role]))
            if role != "base_color":
                made[role].colorspace_settings.is_data = True
    except MeshwrightError:
        for image in made.values():
            bpy.data.images.remove(image)
        raise
    return made


def _packed(folder: JobFolder, artifact: Artifact, name: str) -> bpy.types.Image:
    path = folder.outputs / Path(artifact.file).name
    image = None
    try:
        image = bpy.data.images.load(str(path))
        image.pack()
        if 0 in image.size[:]:  # Blender loads and packs whatever there is
            raise RuntimeError(f"{path.name} is no image")
    except RuntimeError as error:
        if image is not None:
            bpy.data.images.remove(image)
        raise MeshwrightError(f"The texture {artifact.name} cannot be read.", str(error), "Start the job again.",
                              Remedy.RETRY) from error
    image.name, image.filepath_raw = name, ""
    return image
