# SPDX-License-Identifier: GPL-3.0-or-later
"""Drawn objects as textured meshes, to try fine-tuning on: in two colors, which the starter weights cannot paint.

``python -m backend.pipelines.flexisyncmvd.training.procedural_meshes --out FOLDER --count 36``
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import trimesh
from PIL import Image
from torch import Tensor
from torch.nn import functional

from ....contract import MeshData
from ....geometry.box_unwrap import box_unwrap
from ....geometry.frames import blender_to_y_up, x_front_to_blender
from ....geometry.isosurface import extract_isosurface
from ....geometry.projection import UVMesh, nearest_seeds, rasterize_uvs
from ....painting.scene import PaintedScene
from ....procedural.assembly import stack
from ....procedural.dataset import Split, object_at
from ....procedural.dense_grid import distance_grid
from ....procedural.families import FAMILIES
from ....procedural.primitives import ObjectBatch
from ....procedural.surface_views import BACKGROUND, SurfaceViews
from ..rig import CameraRig
from ..settings import Scene
from .captions import MATERIALS, WORDINGS, caption
from .color_kinds import COLORS
from .paint import Paint, painted, random_paint
from .textured_meshes import CAPTIONS, FILL

logger = logging.getLogger(__name__)

GRID = 64
"""Cells a side of the grid that objects are meshed on."""
TEXTURE = 512
UPPER = "white"
"""The color of the upper half; the lower one's goes first in the caption."""
LOWER = tuple(color for color in COLORS if color != UPPER)
SPLITS = {"training": Split.TRAINING, "held_out": Split.HELD_OUT}


def unwrapped_object(split: Split, family: str, number: int, seed: int = 0, grid: int = GRID) -> MeshData:
    """A drawn object as a mesh with UVs in Blender's frame, its front along -Y."""
    batch = ObjectBatch.from_arrays(stack([object_at(split, number, seed, family)]))
    mesh = extract_isosurface(-distance_grid(batch, grid))
    placed = mesh.with_vertices(x_front_to_blender(mesh.vertices))
    return replace(placed, uvs=box_unwrap(placed.vertices, placed.faces))


def scene_of(mesh: MeshData, rig: CameraRig, fill: float, device: str) -> Scene:
    """The mesh before the rig's cameras; their frame is glTF's too, y up and the front toward +z."""
    turned = mesh.with_vertices(blender_to_y_up(mesh.vertices))
    return Scene.of(PaintedScene.build([turned], rig.cameras(), fill, device), rig)


def surface_of(mesh: UVMesh, size: int) -> SurfaceViews:
    """What the texture's texels show of the surface, as one view of ``size`` x ``size``."""
    fragments = rasterize_uvs(mesh, (size, size), layers=1)
    corners = mesh.faces.long()[fragments.face.clamp(min=0).long()]  # [1, S, S, 3]

    def interpolated(values: Tensor) -> Tensor:
        return (fragments.barycentric[..., None] * values[corners]).sum(dim=-2)

    normal = functional.normalize(interpolated(mesh.normals), dim=-1)
    part = torch.where(fragments.mask, 0, BACKGROUND).to(torch.uint8)
    return SurfaceViews(interpolated(mesh.vertices).half(), (normal * 127).round().to(torch.int8), part,
                        torch.full_like(part, 255), torch.zeros(1, 3), torch.zeros(1, dtype=torch.int64))


def two_colored(mesh: UVMesh, lower: str, material: str, size: int, generator: torch.Generator) -> Image.Image:
    """A texture: the color ``lower`` up to half the mesh's height, white above, both of one material."""
    surface, drawn = surface_of(mesh, size), random_paint(1, generator)
    kinds, numbers = list(COLORS), (drawn.numbers, drawn.parts, drawn.waves)
    of_material = torch.tensor([list(MATERIALS).index(material)])
    below, above = (
        painted(surface, Paint(torch.tensor([kinds.index(color)]), of_material, *numbers), torch.zeros(1, 3))[0]
        for color in (lower, UPPER)
    )
    height = mesh.vertices[:, 1]
    upper = surface.position[0, :, :, 1] > (height.amin() + height.amax()) / 2
    texture = torch.where(upper, above, below)
    nearest = nearest_seeds(surface.mask[0]).long()  # seams shall not show what lies between the islands
    pixels = texture.flatten(1)[:, nearest].permute(1, 2, 0)
    return Image.fromarray((pixels * 255).round().to(torch.uint8).numpy())


def write_mesh(path: Path, mesh: UVMesh, texture: Image.Image) -> None:
    """Write a GLB with the texture as base color."""
    corners = mesh.vertices[mesh.faces.long()].reshape(-1, 3).numpy()
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=texture, metallicFactor=0.0)
    visual = trimesh.visual.TextureVisuals(mesh.corner_uvs().reshape(-1, 2).numpy(), material)
    triangles = np.arange(len(corners)).reshape(-1, 3)
    path.write_bytes(trimesh.Trimesh(corners, triangles, visual=visual, process=False).export(file_type="glb"))


def write_folder(folder: Path, count: int, split: Split, seed: int, grid: int = GRID, texture: int = TEXTURE) -> None:
    """Write ``count`` objects of a split, each with the next color, and ``captions.jsonl``."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(seed * 1_000_003 + int(split))
    families, materials, lines = list(FAMILIES), list(MATERIALS), []
    for number in range(count):
        lower, family = LOWER[number % len(LOWER)], families[number % len(families)]
        material = materials[number % len(materials)]
        mesh = scene_of(unwrapped_object(split, family, number, seed, grid), CameraRig(), FILL, "cpu").mesh
        file = f"{family}-{number:04d}.glb"
        write_mesh(folder / file, mesh, two_colored(mesh, lower, material, texture, generator))
        text = caption(f"{lower} and {UPPER}", material, family, WORDINGS[0], "")
        lines.append(json.dumps({"mesh": file, "prompt": text}))
    (folder / CAPTIONS).write_text("\n".join([*lines, ""]), "utf-8")


def main(arguments: Sequence[str]) -> int:
    """Write the folder."""
    parser = argparse.ArgumentParser(description="Write drawn objects in two colors as textured GLB files.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=36)
    parser.add_argument("--split", choices=list(SPLITS), default="training")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    write_folder(options.out, options.count, SPLITS[options.split], options.seed)
    logger.info("%d meshes in %s", options.count, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
