# SPDX-License-Identifier: GPL-3.0-or-later
"""Image files as the maps of one material, in the form of glTF."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image

Maps = Mapping[str, Path]
"""Image files of one material by role: base_color (sRGB), metallic, roughness and normal (data)."""
ROUGHNESS = 0.99
"""Of a material without a roughness map."""


def material_of(name: str, maps: Maps) -> trimesh.visual.material.PBRMaterial:
    """The material with these maps. glTF keeps roughness and metallic in one image, as its green and blue channels.

    Raises OSError.
    """
    surface = _packed(maps)
    return trimesh.visual.material.PBRMaterial(
        name=name, baseColorTexture=_image(maps, "base_color"), normalTexture=_image(maps, "normal"),
        metallicRoughnessTexture=surface, metallicFactor=1.0 if "metallic" in maps else 0.0,
        roughnessFactor=1.0 if "roughness" in maps else ROUGHNESS)


def split_at_seams(mesh: trimesh.Trimesh, uvs: NDArray[np.float32]) -> trimesh.Trimesh:
    """The mesh with one vertex for every pair of vertex and UV, of `uvs` float32 [F, 3, 2], and with the normals that
    its file has, if any.
    """
    pairs = np.column_stack([mesh.faces.reshape(-1), np.ascontiguousarray(uvs).reshape(-1, 2).view(np.int32)])
    first, corners = trimesh.grouping.unique_rows(pairs)
    vertex = mesh.faces.reshape(-1)[first]
    # Asked for, normals are calculated where the file has none; those of the file lie in the cache.
    normals = mesh.vertex_normals[vertex] if "vertex_normals" in mesh._cache else None
    return trimesh.Trimesh(mesh.vertices[vertex], corners.reshape(-1, 3), vertex_normals=normals,
                           visual=trimesh.visual.TextureVisuals(uvs.reshape(-1, 2)[first]), process=False)


def _image(maps: Maps, role: str) -> Image.Image | None:
    if role not in maps:
        return None
    with Image.open(maps[role]) as image:
        image.load()
    return image


def _packed(maps: Maps) -> Image.Image | None:
    """Roughness and metallic as one image; None where there is neither."""
    metallic, roughness = _image(maps, "metallic"), _image(maps, "roughness")
    known = metallic or roughness
    if known is None:
        return None
    full = Image.new("L", known.size, 255)
    green, blue = (image.convert("L").resize(known.size) if image else full for image in (roughness, metallic))
    return Image.merge("RGB", (full, green, blue))
