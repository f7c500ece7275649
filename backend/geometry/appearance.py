# SPDX-License-Identifier: GPL-3.0-or-later
"""What a mesh looks like in a file: the maps of a material, colors of vertices, or one color."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image

from ..contract import MeshData

Maps = Mapping[str, Path]
"""Image files of one material by role: base_color (sRGB), metallic, roughness and normal (data)."""
GLTF, WITH_UVS, COLORED = (".glb", ".gltf"), (".glb", ".gltf", ".obj"), (".glb", ".gltf", ".ply")
"""Suffixes of the formats that keep materials with images, UVs, and colors."""
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


def with_appearance(
    mesh: MeshData, name: str, suffix: str, maps: Maps, color: tuple[float, ...] | None
) -> trimesh.Trimesh:
    """The mesh for a file of that suffix, with all that the format can show of it. Raises OSError.

    Maps come first, then colors of vertices, then `color`, sRGB in [0, 1]. Colors are linear in GLB, by its standard,
    and sRGB in PLY; OBJ keeps UVs only, STL nothing.
    """
    plain = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    mapped = bool(maps) and suffix in GLTF  # a viewer would multiply the maps with colors of vertices
    colors = mesh.colors if suffix in COLORED and not mapped else None
    if mesh.uvs is not None and suffix in WITH_UVS and colors is None:
        plain = split_at_seams(plain, mesh.uvs)
    if mapped:
        plain.visual = trimesh.visual.TextureVisuals(getattr(plain.visual, "uv", None), material_of(name, maps))
    elif colors is not None:
        if suffix in GLTF:
            colors = np.append(linear(colors[:, :3]), colors[:, 3:], axis=1)
        plain.visual = trimesh.visual.ColorVisuals(plain, vertex_colors=_bytes(colors))
    elif color is not None and suffix == ".ply":
        plain.visual = trimesh.visual.ColorVisuals(plain, face_colors=_bytes(np.append(color[:3], 1.0)))
    elif color is not None and suffix in GLTF:
        factor = np.append(linear(np.array(color[:3])), 1.0)
        material = trimesh.visual.material.PBRMaterial(baseColorFactor=factor, metallicFactor=0.0, roughnessFactor=0.5)
        plain.visual = trimesh.visual.TextureVisuals(getattr(plain.visual, "uv", None), material)
    return plain


def linear(srgb: NDArray[np.floating]) -> NDArray[np.floating]:
    """sRGB values in [0, 1] as linear ones."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _bytes(colors: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.round(255 * np.clip(colors, 0, 1)).astype(np.uint8)


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
