# SPDX-License-Identifier: GPL-3.0-or-later
"""The appearance of a mesh in a file: the maps of a material, colors of vertices, or one color."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image

from ..contract import MeshData
from .srgb import srgb_to_linear

Maps = Mapping[str, Path]
"""Image files of one material by role: base_color (sRGB), metallic, roughness and normal (data)."""
GLTF, WITH_UVS, COLORED = (".glb", ".gltf"), (".glb", ".gltf", ".obj"), (".glb", ".gltf", ".obj", ".ply")
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
        metallicRoughnessTexture=surface, **surface_factors(maps))


def split_at_seams(
    vertices: NDArray[np.floating], faces: NDArray[np.integer], uvs: NDArray[np.float32],
    normals: NDArray[np.float32] | None = None,
) -> tuple[trimesh.Trimesh, NDArray[np.integer]]:
    """(the mesh with one vertex for every vertex and UV that meet at a corner, the old vertex of each).

    `uvs` are float32 [F, 3, 2], `normals` float32 [F, 3, 3], of which each vertex keeps one.
    """
    pairs = np.column_stack([faces.reshape(-1), np.ascontiguousarray(uvs).reshape(-1, 2).view(np.int32)])
    if normals is not None:
        pairs = np.column_stack([pairs, np.ascontiguousarray(normals).reshape(-1, 3).view(np.int32)])
    first, corners = trimesh.grouping.unique_rows(pairs)
    vertex = faces.reshape(-1)[first]
    split = trimesh.Trimesh(vertices[vertex], corners.reshape(-1, 3), process=False,
                            vertex_normals=None if normals is None else normals.reshape(-1, 3)[first],
                            visual=trimesh.visual.TextureVisuals(uvs.reshape(-1, 2)[first]))
    return split, vertex


def with_appearance(
    mesh: MeshData, name: str, suffix: str, maps: Maps, color: tuple[float, ...] | None
) -> trimesh.Trimesh:
    """The mesh for a file of that suffix, with all that the format can show of it. Raises OSError.

    UVs go to GLB and OBJ, the material maps or else the mesh's own texture to GLB, colors of vertices to GLB, OBJ and
    PLY, and where there is neither, `color`, sRGB in [0, 1], to GLB and PLY. Colors are linear in GLB, by its standard,
    and sRGB elsewhere. With material maps the colors of vertices stay out: a glTF viewer would multiply the two.
    """
    plain, colors = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False), mesh.colors
    has_uvs = mesh.uvs is not None and suffix in WITH_UVS
    if mesh.uvs is not None and has_uvs:
        plain, vertex = split_at_seams(mesh.vertices, mesh.faces, mesh.uvs)
        colors = None if colors is None else colors[vertex]
    if suffix in GLTF:
        color = None if maps or colors is not None else color
        if has_uvs or color is not None:
            plain.visual = trimesh.visual.TextureVisuals(plain.visual.uv if has_uvs else None,
                                                         _material(mesh, name, maps, color))
        if colors is not None and not maps:
            stored = _bytes(np.append(srgb_to_linear(colors[:, :3]), colors[:, 3:], axis=1))
            if has_uvs:
                plain.visual.vertex_attributes["color"] = stored
            else:
                plain.visual = trimesh.visual.ColorVisuals(plain, vertex_colors=stored)
    elif colors is not None and suffix in COLORED and not has_uvs:
        plain.visual = trimesh.visual.ColorVisuals(plain, vertex_colors=_bytes(colors))
    elif color is not None and suffix == ".ply":
        plain.visual = trimesh.visual.ColorVisuals(plain, face_colors=_bytes(np.append(color[:3], 1.0)))
    return plain


def _material(
    mesh: MeshData, name: str, maps: Maps, color: tuple[float, ...] | None
) -> trimesh.visual.material.PBRMaterial:
    """The maps; else the mesh's texture, or its one color."""
    if maps:
        return material_of(name, maps)
    return trimesh.visual.material.PBRMaterial(
        name=name, baseColorTexture=None if mesh.texture is None else Image.fromarray(mesh.texture),
        baseColorFactor=None if color is None else np.append(srgb_to_linear(np.array(color[:3])), 1.0),
        metallicFactor=0.0, roughnessFactor=0.5)


def _bytes(colors: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.round(255 * np.clip(colors, 0, 1)).astype(np.uint8)


def _image(maps: Maps, role: str) -> Image.Image | None:
    if role not in maps:
        return None
    with Image.open(maps[role]) as image:
        image.load()
    return image


def png_images(maps: Maps) -> dict[str, bytes]:
    """The maps as glTF keeps them, PNG files by role: base_color, normal, and `surface` with roughness in the green and
    metallic in the blue channel. Raises OSError.
    """
    images = {role: _image(maps, role) for role in ("base_color", "normal")} | {"surface": _packed(maps)}
    found = {}
    for role, image in images.items():
        if image is not None:
            with BytesIO() as content:
                image.save(content, "PNG")
                found[role] = content.getvalue()
    return found


def surface_factors(maps: Maps) -> dict[str, float]:
    """glTF's factors of a material with these maps: what has no map is no metal and rough."""
    return {"metallicFactor": 1.0 if "metallic" in maps else 0.0,
            "roughnessFactor": 1.0 if "roughness" in maps else ROUGHNESS}


def _packed(maps: Maps) -> Image.Image | None:
    """Roughness and metallic as one image; None where there is neither."""
    metallic, roughness = _image(maps, "metallic"), _image(maps, "roughness")
    known = metallic or roughness
    if known is None:
        return None
    full = Image.new("L", known.size, 255)
    green, blue = (image.convert("L").resize(known.size) if image else full for image in (roughness, metallic))
    return Image.merge("RGB", (full, green, blue))
