# SPDX-License-Identifier: GPL-3.0-or-later
"""Random meshes of the kinds that the tokenizer meets: closed, open, of several parts, welded and soups."""

import numpy as np
import trimesh

from backend.contract import MeshData
from backend.geometry.trimesh_conversion import from_trimesh


def closed_surface(rng: np.random.Generator) -> MeshData:
    """A randomly rotated and squeezed sphere or torus; genus 0 or 1."""
    if rng.random() < 0.5:
        shape = trimesh.creation.icosphere(int(rng.integers(1, 3)))
    else:
        sections = rng.integers(5, 14, 2)
        shape = trimesh.creation.torus(1.0, 0.4, major_sections=int(sections[0]), minor_sections=int(sections[1]))
    shape.apply_scale(rng.uniform(0.6, 1.4, 3))
    shape.apply_transform(trimesh.transformations.random_rotation_matrix(rng.random(3)))
    return from_trimesh(shape)


def open_surface(rng: np.random.Generator) -> MeshData:
    mesh = closed_surface(rng)
    return MeshData(mesh.vertices, mesh.faces[rng.random(len(mesh.faces)) < 0.9])


def several_parts(rng: np.random.Generator) -> MeshData:
    parts = [closed_surface(rng) for _ in range(int(rng.integers(2, 4)))]
    starts = np.cumsum([0] + [len(part.vertices) for part in parts])
    vertices = np.concatenate([part.vertices + rng.uniform(-2, 2, 3) for part in parts])
    return MeshData(vertices, np.concatenate([p.faces + s for p, s in zip(parts, starts, strict=False)]))


def welded_surface(rng: np.random.Generator) -> MeshData:
    """Three pairs of vertices are one; edges and vertices stop being manifold, some surfaces become one-sided."""
    mesh = closed_surface(rng)
    index = np.arange(len(mesh.vertices))
    for kept, lost in rng.choice(len(index), (3, 2), replace=False):
        index[lost] = kept
    faces = index[mesh.faces]
    a, b, c = faces.T
    return MeshData(mesh.vertices, faces[(a != b) & (b != c) & (c != a)])


def triangle_soup(rng: np.random.Generator) -> MeshData:
    """Random triangles over 5 to 13 random vertices."""
    count = int(rng.integers(5, 14))
    faces = [rng.choice(count, 3, replace=False) for _ in range(int(rng.integers(3, 3 * count)))]
    return MeshData(rng.uniform(-1, 1, (count, 3)), np.array(faces))


KINDS = (closed_surface, open_surface, several_parts, welded_surface, triangle_soup)
