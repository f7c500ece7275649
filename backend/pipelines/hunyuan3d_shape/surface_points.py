# SPDX-License-Identifier: GPL-3.0-or-later
"""From a mesh to what the autoencoder encodes (docs/algorithms/hunyuan3d_shape.md, "Encoding a mesh")."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...contract import MeshData
from ...geometry.cleaning import remove_unreferenced_vertices
from ...geometry.farthest_point import farthest_points
from ...geometry.normalization import Normalization
from ...geometry.trimesh_conversion import to_trimesh
from ..common.encodable_mesh import check_encodable
from .sharp_edges import SharpEdges, vertex_sharpness

LONGEST_SIDE = 2 * 0.9999
POINTS_PER_TOKEN = 20
"""Surface points that a token's starting point is picked from."""


@dataclass(frozen=True)
class SurfacePoints:
    """The encoder's inputs, batch of one, in the normalized frame.

    Attributes:
        points: float32 `[1, P, 3]`, uniform ones first, then those on sharp edges.
        features: float32 `[1, P, 4]`: normal, and 0 for a uniform point or 1 for one on a sharp edge.
        query_index: int64 `[1, N]`, the points that the tokens start from.
        normalization: maps the mesh's own frame to the encoded one; `invert` puts a reconstruction back in place.
    """

    points: Tensor
    features: Tensor
    query_index: Tensor
    normalization: Normalization


def prepare_surface(
    mesh: MeshData, tokens: int, *, sharp_share: float, generator: torch.Generator, device: torch.device | str
) -> SurfacePoints:
    """Normalize a mesh, which keeps its own axes, and sample it.

    Args:
        mesh: best watertight.
        tokens: latent tokens N.
        sharp_share: share of the tokens that start on sharp edges. A mesh without one, a smooth sphere, has uniform
            points with their label in that place; the original fails there.
        generator: a CPU generator; the same seed gives the same points.
        device: where farthest-point sampling runs and the result lies.

    Raises:
        BadInput: the mesh has no faces, no area, or positions that are not finite.
    """
    mesh, normalization = normalize_mesh(mesh)
    sharp_tokens = int(tokens * sharp_share)
    uniform = _uniform(mesh, POINTS_PER_TOKEN * (tokens - sharp_tokens), generator)
    sharp = _sharp(mesh, POINTS_PER_TOKEN * sharp_tokens, generator) if sharp_tokens else uniform[:0]
    samples = torch.from_numpy(np.concatenate([uniform, sharp])).half().float().to(device)
    points = samples[None, :, :3]
    label = (torch.arange(len(samples), device=device) >= len(uniform)).float()[:, None]
    picks = [_picks(points[:, : len(uniform)], tokens - sharp_tokens, generator)]
    if sharp_tokens:
        picks.append(_picks(points[:, len(uniform) :], sharp_tokens, generator) + len(uniform))
    features = torch.cat([samples[:, 3:], label], dim=1)[None]
    return SurfacePoints(points, features, torch.cat(picks, dim=1), normalization)


def normalize_mesh(mesh: MeshData) -> tuple[MeshData, Normalization]:
    """Center the mesh and scale its longest side for the encoder. Raises BadInput as above."""
    mesh = remove_unreferenced_vertices(mesh)
    check_encodable(mesh)
    normalization = Normalization.to_box(mesh.bounds, LONGEST_SIDE)
    return mesh.with_vertices(normalization.apply(mesh.vertices)), normalization


def _uniform(mesh: MeshData, count: int, generator: torch.Generator) -> np.ndarray:
    """Points uniform by area with their face's normal, float64 `[count, 6]`."""
    areas = mesh.area_vectors()
    size = np.linalg.norm(areas, axis=1)
    place, u, w = torch.rand(3, count, generator=generator, dtype=torch.float64).numpy()
    face = np.searchsorted(size.cumsum() / size.sum(), place).clip(max=len(size) - 1)
    folded = u + w > 1
    u, w = np.where(folded, 1 - u, u), np.where(folded, 1 - w, w)
    a, b, c = mesh.corners()[face].transpose(1, 0, 2)
    position = a + u[:, None] * (b - a) + w[:, None] * (c - a)
    return np.concatenate([position, areas[face] / size[face, None]], axis=1)


def _sharp(mesh: MeshData, count: int, generator: torch.Generator) -> np.ndarray:
    """Points on sharp edges with blended normals, float64 `[count, 6]`; uniform ones where no edge is sharp."""
    solid = to_trimesh(mesh)
    edges = SharpEdges.of(solid, vertex_sharpness(solid))
    if len(edges) == 0:
        return _uniform(mesh, count, generator)
    places, weights = torch.rand(2, count, generator=generator, dtype=torch.float64).numpy()
    return edges.points(places, weights)


def _picks(points: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Farthest points of `points [1, P, 3]` from a random start, int64 `[1, count]`."""
    start = int(torch.randint(points.shape[1], (1,), generator=generator))
    return farthest_points(points, count, start=start)
