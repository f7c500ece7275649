# SPDX-License-Identifier: GPL-3.0-or-later
"""Hunyuan3D-2.1 paint's fill as published: colors wander from vertex to vertex, the rest is left to OpenCV.

Vertices are cut along UV seams, so nothing crosses them; the product's fill does (backend/painting/surface_fill.py).
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor


def inpainted(texture: Tensor, known: Tensor) -> Tensor:
    """The rest of the texture, uint8, by OpenCV."""
    pixels = (texture * 255).byte().numpy()
    return torch.from_numpy(cv2.inpaint(pixels, 255 - known.byte().numpy(), 3, cv2.INPAINT_NS))


@dataclass
class VertexColors:
    """The colors that the vertices find in the texture, and the mesh as the original's fill sees it."""

    colors: np.ndarray
    colored: np.ndarray
    work: list[int]
    neighbors: list[list[int]]
    texels: np.ndarray
    positions: np.ndarray
    faces: np.ndarray

    @classmethod
    def of(
        cls, texture: Tensor, mask: Tensor, positions: Tensor, uvs: Tensor, faces: Tensor, uv_faces: Tensor
    ) -> "VertexColors":
        height, width = mask.shape
        u, v = uvs.numpy().astype(np.float32).T
        column, row = u * np.float32(width - 1), (np.float32(1) - v) * np.float32(height - 1)
        texels = np.stack([np.floor(row + 0.5), np.floor(column + 0.5)], axis=1).astype(int)[uv_faces.numpy()]
        state = cls(np.zeros((len(positions), texture.shape[-1]), np.float32), np.zeros(len(positions), bool), [],
                    [[] for _ in positions], texels, positions.numpy(), faces.numpy())
        for face, places in zip(state.faces, texels, strict=True):
            for corner, (vertex, place) in enumerate(zip(face, places, strict=True)):
                if mask[tuple(place)] > 0:
                    state.colored[vertex] = True
                    state.colors[vertex] = texture[tuple(place)].numpy()
                else:
                    state.work.append(int(vertex))
                state.neighbors[vertex].append(int(face[(corner + 1) % 3]))
        return state

    def mean(self, vertex: int, among: np.ndarray) -> np.ndarray | None:
        """Weighted mean of the neighbors that are `among` the colored."""
        near = [other for other in self.neighbors[vertex] if among[other]]
        if not near:
            return None
        distance = np.maximum(np.linalg.norm(self.positions[near] - self.positions[vertex], axis=1), 1e-4)
        weight = (1.0 / distance).astype(np.float32) ** 2
        return (self.colors[near] * weight[:, None]).sum(axis=0) / weight.sum()

    def written(self, texture: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Texture and mask with the vertices' colors in their texels."""
        texture, mask = texture.clone(), mask.clone()
        for face, places in zip(self.faces, self.texels, strict=True):
            for vertex, place in zip(face, places, strict=True):
                if self.colored[vertex]:
                    texture[tuple(place)] = torch.from_numpy(self.colors[vertex])
                    mask[tuple(place)] = 255
        return texture, mask


def propagated(texture: Tensor, mask: Tensor, *mesh: Tensor) -> tuple[Tensor, Tensor]:
    """The original's fill along edges, its work list swept again and again, in place."""
    state = VertexColors.of(texture, mask, *mesh)
    counter, last = 2, 0
    while counter > 0:
        uncolored = 0
        for vertex in state.work:
            color = state.mean(vertex, state.colored)
            if color is None:
                uncolored += 1
            else:
                state.colors[vertex], state.colored[vertex] = color, True
        counter += -1 if uncolored == last else 1
        last = uncolored
    return state.written(texture, mask)


def propagated_in_waves(texture: Tensor, mask: Tensor, *mesh: Tensor) -> tuple[Tensor, Tensor]:
    """The original's other fill, which it does not use: breadth first from the colored vertices."""
    state = VertexColors.of(texture, mask, *mesh)
    reached = state.colored.copy()
    wave = reached.copy()
    while wave.any():
        found = np.zeros_like(wave)
        for vertex in np.flatnonzero(~reached):
            color = state.mean(int(vertex), wave)
            if color is not None:
                state.colors[vertex], found[vertex] = color, True
        reached |= found
        wave = found
    state.colored = reached
    return state.written(texture, mask)
