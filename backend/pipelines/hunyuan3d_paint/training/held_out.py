# SPDX-License-Identifier: GPL-3.0-or-later
"""Held-out objects as meshes with UVs, the image of each, and what its texture should be."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch import Tensor

from ....contract import MeshData
from ....geometry.box_unwrap import box_unwrap
from ....geometry.frames import blender_to_y_up, x_front_to_blender
from ....geometry.isosurface import extract_isosurface
from ....geometry.projection import UVMesh, rasterize_uvs
from ....painting.scene import PaintedScene
from ....painting.seams import Seams
from ....painting.texel_graph import TexelGraph
from ....procedural.assembly import stack
from ....procedural.dataset import Split, object_at
from ....procedural.dense_grid import distance_grid
from ....procedural.primitives import ObjectBatch
from ...common.image_preparation import recenter
from ..rig import CANDIDATES, RADIUS, paint_cameras
from ..scene import PaintScene
from .materials import Materials, lit_images
from .pool import SHOWN, make_view_pool

GRID = 64
"""Cells a side of the grid that objects are meshed on."""
IMAGE_SIZE = 256


@dataclass(frozen=True)
class HeldOut:
    """One object: its mesh in Blender's frame, the image that it is painted after, and its materials."""

    mesh: MeshData
    image: Image.Image
    materials: Materials

    @classmethod
    def drawn(cls, number: int, seed: int, grid: int = GRID, image_size: int = IMAGE_SIZE) -> HeldOut:
        """Object `number` of the held-out ones of a seed; families take turns."""
        batch = ObjectBatch.from_arrays(stack([object_at(Split.HELD_OUT, number, seed)]))
        generator = torch.Generator().manual_seed(seed * 1_000_003 + number)
        materials = Materials.drawn(1, generator)
        front = make_view_pool(batch, image_size, generator).views[:1]
        rgba = torch.cat([lit_images(front, materials)[0], front.mask.float()])
        image = Image.fromarray(recenter((rgba.permute(1, 2, 0) * 255).round().byte().numpy()))
        surface = extract_isosurface(-distance_grid(batch, grid))
        placed = surface.with_vertices(x_front_to_blender(surface.vertices))
        return cls(replace(placed, uvs=box_unwrap(placed.vertices, placed.faces)), image, materials)

    def scene(self, views: int, device: torch.device | str) -> PaintScene:
        """The mesh as a job places it."""
        turned = self.mesh.with_vertices(blender_to_y_up(self.mesh.vertices))
        return PaintScene.of(PaintedScene.build([turned], paint_cameras(CANDIDATES), 1.0, device), views)

    def truth(self, mesh: UVMesh, size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of the texels of the scene's mesh: base color `[T, 3]`, metallic and roughness `[T]`, and where these texels
        are, bool `[size, size]`.
        """
        graph = TexelGraph.of(mesh, Seams.of(mesh), size, rasterize_uvs(mesh, (size, size), layers=1))
        place = graph.position[graph.covered].cpu() * (SHOWN / RADIUS)
        color, metallic, roughness = self.materials.at(place[None])
        return color[0], metallic[0], roughness[0], graph.covered
