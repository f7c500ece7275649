# SPDX-License-Identifier: GPL-3.0-or-later
"""The points that PartPacker's autoencoder encodes, against golden numbers."""

import re
from collections.abc import Iterator
from unittest.mock import patch

import numpy as np
import torch
import trimesh
from scipy.spatial import cKDTree

from backend.contract import MeshData
from backend.geometry.farthest_point import farthest_points
from backend.geometry.normalization import Normalization
from backend.geometry.surface_sampling import stratified_surface_points
from backend.geometry.trimesh_conversion import to_trimesh
from backend.pipelines.partpacker import surface_points
from backend.pipelines.partpacker.surface_points import LONGEST_SIDE, salient_edges, salient_points

from .comparison import Comparison
from .golden import Golden
from .kinds import kind

EXACT = 0.0
SALIENT = 2e-7
"""Two implementations each round the three coordinates of a point in [-1, 1] to float32."""
ON_SURFACE = 3e-7


@kind("partpacker", "points")
def points(golden: Golden) -> Iterator[Comparison]:
    """Farthest points of clouds; normalized boxes, salient and uniform points of meshes."""
    for key in [name for name in golden.outputs if re.fullmatch(r".+\.fps\d*", name)]:
        cloud, picks = golden.input(key.rpartition(".")[0]), golden.output(key)
        yield Comparison(key, farthest_points(cloud[None], len(picks), start=int(picks[0]))[0], picks, EXACT)
    with patch.object(surface_points, "SALIENT_ANGLE", golden.config["thresh_bihedral"]):
        for name in sorted(key.removesuffix(".box_normalized") for key in golden.outputs if "box_normalized" in key):
            yield from _mesh(golden, name)


def _mesh(golden: Golden, name: str) -> Iterator[Comparison]:
    vertices, faces = golden.input(f"{name}.vertices").numpy(), golden.input(f"{name}.faces").numpy()
    bounds = [vertices.min(axis=0), vertices.max(axis=0)]
    normalized = Normalization.to_box(bounds, LONGEST_SIDE).apply(vertices)
    yield Comparison(f"{name} normalized", normalized, golden.output(f"{name}.box_normalized"), 4e-16)
    mesh = MeshData(normalized, faces)
    for key in [key for key in golden.outputs if key.startswith(f"{name}.")]:
        what = key.removeprefix(f"{name}.")
        if asked := re.fullmatch(r"salient_n_of_(\d+)", what):
            found = salient_points(mesh, int(asked[1]), generator=torch.Generator().manual_seed(0))
            yield Comparison(key, len(found), int(golden.output(key)))
        elif re.fullmatch(r"salient\d*", what):
            yield from _salient(golden, key, mesh)
        elif re.fullmatch(r"uniform\d*", what):
            yield from _uniform(golden, key, mesh)


def _number(key: str, otherwise: int) -> int:
    """The number at the end of a name, or the configured one."""
    digits = re.search(r"\d+$", key)
    return int(digits[0]) if digits else otherwise


def _salient(golden: Golden, key: str, mesh: MeshData) -> Iterator[Comparison]:
    """The random subset cannot be drawn again: every golden point must be one that we could draw, ours among them."""
    expected = golden.output(key).numpy()
    count = _number(key, golden.config["salient"])
    ours = salient_points(mesh, count, generator=torch.Generator().manual_seed(0))
    yield Comparison(f"{key} number", len(ours), len(expected))
    if len(expected):
        candidates = cKDTree(_salient_candidates(mesh, count))
        for owner, samples in (("golden", expected), ("ours", ours.numpy())):
            distance, _ = candidates.query(samples)
            yield Comparison(f"{key} candidates, {owner}", distance, np.zeros(len(samples)), SALIENT)


def _salient_candidates(mesh: MeshData, count: int) -> np.ndarray:
    """All points from which a random subset is taken, as a plain loop."""
    start, end = mesh.vertices[salient_edges(mesh)].transpose(1, 0, 2).astype(np.float64)
    length = np.linalg.norm(end - start, axis=1)
    candidates = [start, end]
    for a, b, share in zip(start, end, (count - 2 * len(start)) * length / length.sum(), strict=True):
        steps = max(int(np.ceil(share)), 0)
        candidates.append(np.array([a + (j + 1) / (steps + 1) * (b - a) for j in range(steps)]).reshape(-1, 3))
    return np.concatenate(candidates)


def _uniform(golden: Golden, key: str, mesh: MeshData) -> Iterator[Comparison]:
    """Uniform points lie on the surface, as many as asked for, and ours with them."""
    expected = golden.output(key)
    count = _number(key, golden.config["uniform"])
    ours, _ = stratified_surface_points(mesh, count, generator=torch.Generator().manual_seed(0))
    yield Comparison(f"{key} number", len(ours), len(expected))
    for owner, samples in (("golden", expected), ("ours", ours)):
        distance = trimesh.proximity.closest_point_naive(to_trimesh(mesh), samples.numpy())[1]
        yield Comparison(f"{key} on the surface, {owner}", distance, np.zeros(len(samples)), ON_SURFACE)
