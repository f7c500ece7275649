# SPDX-License-Identifier: GPL-3.0-or-later
"""From a mesh to the points that the autoencoder encodes (docs/algorithms/partpacker.md, section 7)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...contract import MeshData
from ...geometry.cleaning import merge_close_vertices, remove_unreferenced_vertices
from ...geometry.components import directed_edges, edge_runs
from ...geometry.farthest_point import farthest_points
from ...geometry.normalization import Normalization
from ...geometry.surface_sampling import stratified_surface_points
from ..common.encodable_mesh import check_area, check_encodable

LONGEST_SIDE = 1.9
"""Longest side of an encoded shape; the field lives in the cube [-1, 1]^3."""
MERGE_SIDE, MERGE_DISTANCE = 1.98, 1e-4
"""Vertices nearer than the distance are merged while the longest side is scaled to the first number."""
UNIFORM_CANDIDATES = 200_000
"""Uniform points drawn before farthest-point sampling."""
SALIENT_ANGLE = 15.0
"""Degrees between two face normals above which their edge is salient."""


@dataclass(frozen=True)
class SurfacePoints:
    """The encoder's inputs, batch of one, in the normalized frame; int64 indices.

    A mesh without a salient edge, a smooth sphere, has uniform points in the place of the salient ones, as in our
    training (the published code fails there). With the starter weights the reconstructions of smooth solids then have
    these intersections over unions with the solids, against those without any salient points: sphere 0.67 (0.55),
    torus 0.69 (0.67), thin torus 0.37 (0.37), ellipsoid 0.81 (0.82), capsule 0.97 (0.90).
    """

    points: Tensor
    """float32 [1, N, 3], uniform by area."""
    salient_points: Tensor
    """float32 [1, S, 3], on edges with a sharp angle; the first of ``points`` for a mesh that has none."""
    query_index: Tensor
    """[1, n] into ``points``."""
    salient_query_index: Tensor
    """[1, M] into ``salient_points``."""
    normalization: Normalization
    """Maps the mesh's own frame to the encoded one; ``invert`` puts a reconstruction back in place."""


def prepare_surface(
    mesh: MeshData,
    *,
    generator: torch.Generator,
    uniform: int = 32768,
    salient: int = 16384,
    queries: int = 1024,
    salient_queries: int = 1024,
    device: torch.device | str = "cpu",
) -> SurfacePoints:
    """Normalize a mesh and sample it.

    Args:
        mesh: best watertight; it keeps its own axes. For the denoiser's axes convert with ``frame`` before.
        generator: a CPU generator; the same seed gives the same points on one device.
        uniform: uniform points N, at most 200,000.
        salient: the most salient points.
        queries: uniform query points n, at most ``uniform``.
        salient_queries: the most salient query points M.
        device: where farthest-point sampling runs and the result lies.

    Raises:
        BadInput: the mesh has no faces, no area, or positions that are not finite.
    """
    mesh, normalization = normalize_mesh(mesh)
    candidates, _ = stratified_surface_points(mesh, UNIFORM_CANDIDATES, generator=generator)
    candidates = candidates.to(device)[None]
    points = candidates[:, farthest_points(candidates, uniform)[0]]
    edges = salient_points(mesh, salient, generator=generator).to(device)[None]
    if edges.shape[1] == 0:
        edges = points[:, :salient]
    return SurfacePoints(
        points=points,
        salient_points=edges,
        # The points are in farthest-point order already, so that their first ones are the farthest-point queries.
        query_index=torch.arange(queries, device=points.device)[None],
        salient_query_index=farthest_points(edges, min(salient_queries, edges.shape[1])),
        normalization=normalization,
    )


def normalize_mesh(mesh: MeshData) -> tuple[MeshData, Normalization]:
    """Scale and center a mesh for the encoder and merge its nearly equal vertices. Raises BadInput as above."""
    mesh = remove_unreferenced_vertices(mesh)
    check_encodable(mesh)
    first = Normalization.to_box(mesh.bounds, MERGE_SIDE)
    merged = merge_close_vertices(MeshData(first.apply(mesh.vertices), mesh.faces), MERGE_DISTANCE)
    check_area(merged)
    second = Normalization.to_box(merged.bounds, LONGEST_SIDE)
    return MeshData(second.apply(merged.vertices), merged.faces), first.then(second)


def salient_points(mesh: MeshData, count: int, *, generator: torch.Generator) -> Tensor:
    """Return points on the salient edges, float32 [at most ``count``, 3]; [0, 3] where there are none.

    First both ends of every salient edge; more of them than ``count`` are thinned by farthest-point sampling from the
    first, fewer are filled up along the edges in proportion to length.
    """
    edges = salient_edges(mesh)
    start, end = torch.from_numpy(mesh.vertices[edges]).unbind(1)
    ends = torch.stack([start, end], dim=1).view(-1, 3)
    if len(ends) >= count or len(ends) == 0:
        return ends[farthest_points(ends[None], min(count, len(ends)))[0]]
    length = torch.linalg.norm((end - start).double(), dim=1)
    share = torch.ceil((count - len(ends)) * length / length.sum()).long()
    edge = torch.repeat_interleave(share)
    step = torch.arange(len(edge)) - (share.cumsum(0) - share)[edge]
    weight = ((step + 1) / (share[edge] + 1))[:, None]
    points = torch.cat([ends, start[edge] + weight * (end - start)[edge]])
    if len(points) > count:
        points = points[torch.randperm(len(points), generator=generator)[:count]]
    return points


def salient_edges(mesh: MeshData) -> NDArray[np.int64]:
    """Return the edges, int64 [E, 2], whose two face normals differ by more than 15 degrees.

    Border edges are never salient. Of an edge of three and more faces the first two count. Normals are taken as wound;
    a face without area has none, and so none of its edges is salient.
    """
    edges = directed_edges(mesh.faces)
    order, start, count = edge_runs(edges)
    shared = start[count >= 2]
    normals = mesh.area_vectors()
    size = np.linalg.norm(normals, axis=1)
    left, right = order[shared] // 3, order[shared + 1] // 3
    scale = size[left] * size[right]
    sharp = np.einsum("ij,ij->i", normals[left], normals[right]) < np.cos(np.radians(SALIENT_ANGLE)) * scale
    return edges[order[shared[sharp & (scale > 0)]]]
