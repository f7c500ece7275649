# SPDX-License-Identifier: GPL-3.0-or-later
"""The analytic distances against closest points on finely meshed solids."""

import dataclasses

import numpy as np
import pytest
import torch
import trimesh

from backend.procedural import shapes
from backend.procedural.assembly import assemble, stack
from backend.procedural.primitives import FAR, ObjectBatch, signed_distance, union_distance
from backend.procedural.shapes import Sketch
from backend.procedural.surface import farthest_points, sample_salient, sample_surface

TILT = shapes.rotation_to([0.3, -0.5, 0.8])
SECTIONS = 160


def _revolved(profile: list[tuple[float, float]]) -> trimesh.Trimesh:
    return trimesh.creation.revolve(np.array(profile), sections=SECTIONS)


CASES = {
    "box": (shapes.box((0.1, 0.2, -0.1), (0.8, 0.5, 0.3), rotation=TILT), trimesh.creation.box((0.8, 0.5, 0.3))),
    "frustum": (
        shapes.frustum((0.0, 0.1, 0.2), 0.5, 0.2, 0.9, rotation=TILT),
        _revolved([(0, -0.45), (0.5, -0.45), (0.2, 0.45), (0, 0.45)]),
    ),
    "cone": (
        shapes.frustum((0.0, 0.1, 0.2), 0.4, 0.0, 0.8, rotation=TILT),
        _revolved([(0, -0.4), (0.4, -0.4), (0, 0.4)]),
    ),
    "sphere": (shapes.sphere((0.2, 0.0, 0.1), 0.4), trimesh.creation.icosphere(4, 0.4)),
    "ring": (
        dataclasses.replace(shapes.tube((0.1, 0.0, 0.0), 0.6, 0.2, 0.5), rotation=TILT),
        trimesh.creation.annulus(0.4, 0.6, 0.5, sections=SECTIONS),
    ),
    "torus": (
        shapes.arc((0.0, 0.0, 0.1), 0.5, 0.3, 360.0, TILT),
        trimesh.creation.torus(0.5, 0.15, major_sections=96, minor_sections=48),
    ),
    "wedge": (
        shapes.wedge((0.0, 0.1, 0.0), (0.9, 0.7, 0.5), rotation=TILT),
        trimesh.convex.convex_hull(
            [[x, y, z] for x in (-0.45, 0.45) for y, z in ((-0.35, -0.25), (0.35, -0.25), (0, 0.25))]
        ),
    ),
}


def _alone(primitive: shapes.ShapePrimitive) -> ObjectBatch:
    """One primitive as an object, not normalized."""
    sketch = Sketch()
    sketch.add("only", (0.5, 0.5, 0.5), primitive)
    arrays = assemble(sketch, 0)
    low, high = sketch.bounds()
    scale, middle = 1.9 / (high - low).max(), (low + high) / 2
    slot = int(np.flatnonzero(arrays.volume >= 0)[0])
    assert np.allclose(arrays.center[slot], (primitive.center - middle) * scale, atol=1e-6)
    arrays.center[slot], arrays.size[slot] = primitive.center, primitive.size
    return ObjectBatch.from_arrays(stack([arrays]))


def _meshed_distance(mesh: trimesh.Trimesh, points: np.ndarray) -> np.ndarray:
    """Distance to the nearest triangle, negative where the triangles' solid angles add up to a full turn."""
    result = []
    for point in points:
        nearest = trimesh.triangles.closest_point(mesh.triangles, np.tile(point, (len(mesh.faces), 1)))
        a, b, c = np.moveaxis(mesh.triangles - point, 1, 0)
        x, y, z = (np.linalg.norm(side, axis=1) for side in (a, b, c))
        volume = np.einsum("ij,ij->i", a, np.cross(b, c))
        dots = [np.einsum("ij,ij->i", *pair) for pair in ((a, b), (b, c), (c, a))]
        angle = 2 * np.arctan2(volume, x * y * z + dots[0] * z + dots[1] * x + dots[2] * y).sum()
        distance = np.linalg.norm(nearest - point, axis=1).min()
        result.append(-distance if abs(angle) > 2 * np.pi else distance)
    return np.array(result)


@pytest.mark.parametrize("name", CASES)
def test_distance_is_that_to_the_meshed_solid(name: str) -> None:
    primitive, mesh = CASES[name]
    placed = mesh.copy()
    placed.vertices = mesh.vertices @ primitive.rotation.T + primitive.center
    points = np.random.default_rng(0).uniform(-1, 1, (60, 3))
    expected = _meshed_distance(placed, points)
    distances = signed_distance(_alone(primitive), torch.tensor(points[None], dtype=torch.float32))[0]
    slot = int(distances.amin(dim=0).argmin())
    assert (distances[:, [index for index in range(distances.shape[1]) if index != slot]] == FAR).all()
    assert np.abs(distances[:, slot].numpy() - expected).max() < 2e-3  # what the meshes' facets are off by


def test_a_bent_rod_ends_in_balls() -> None:
    rod = shapes.arc((0.0, 0.0, 0.0), 0.5, 0.2, 90.0, np.eye(3))
    end = 0.5 * np.array([np.cos(np.pi / 4), np.sin(np.pi / 4), 0.0])
    beyond = end + 0.3 * np.array([-np.sin(np.pi / 4), np.cos(np.pi / 4), 0.0])
    points = torch.tensor(np.array([[end, beyond, [0.5, 0.0, 0.4], [-0.5, 0.0, 0.0]]]), dtype=torch.float32)
    expected = [-0.1, 0.2, 0.3, np.linalg.norm(end - [-0.5, 0, 0]) - 0.1]
    assert np.allclose(union_distance(_alone(rod), points)[0], expected, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_bounds_are_tight(name: str) -> None:
    primitive, mesh = CASES[name]
    placed = mesh.vertices @ primitive.rotation.T + primitive.center
    assert np.abs(primitive.bounds() - [placed.min(axis=0), placed.max(axis=0)]).max() < 5e-3


def test_rounding_keeps_the_extent() -> None:
    sharp, rounded = shapes.box((0, 0, 0), (0.8, 0.5, 0.3)), shapes.box((0, 0, 0), (0.8, 0.5, 0.3), 0.1)
    assert np.allclose(sharp.bounds(), rounded.bounds())
    corner = torch.tensor([[[0.4, 0.25, 0.15]]])
    assert union_distance(_alone(sharp), corner).item() == pytest.approx(0.0, abs=1e-6)
    assert union_distance(_alone(rounded), corner).item() == pytest.approx(0.1 * (3**0.5 - 1), abs=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_sampled_points_lie_on_the_surface_and_cover_it(name: str) -> None:
    primitive, mesh = CASES[name]
    batch = _alone(primitive)
    points = sample_surface(batch, 2000, torch.Generator().manual_seed(0))
    assert union_distance(batch, points).abs().max() < 1e-4
    reference = trimesh.sample.sample_surface(mesh, 500, seed=0)[0] @ primitive.rotation.T + primitive.center
    gaps = torch.cdist(torch.tensor(reference, dtype=torch.float32), points[0]).amin(dim=1)
    assert gaps.max() < 0.15


def test_salient_points_lie_on_edges() -> None:
    batch = _alone(shapes.box((0, 0, 0), (0.8, 0.5, 0.3)))
    generator = torch.Generator().manual_seed(0)
    edges = sample_salient(batch, 300, generator, sample_surface(batch, 300, generator))[0]
    at_face = (edges.abs() - torch.tensor([0.4, 0.25, 0.15])).abs() < 1e-5
    assert (at_face.sum(dim=1) >= 2).all()
    assert at_face.any(dim=0).all()


def test_a_smooth_object_gets_surface_points_for_salient_ones() -> None:
    batch = _alone(shapes.sphere((0, 0, 0), 0.4))
    generator = torch.Generator().manual_seed(0)
    surface = sample_surface(batch, 300, generator)
    assert torch.equal(sample_salient(batch, 200, generator, surface), surface[:, :200])


def test_points_inside_another_primitive_are_left_out() -> None:
    sketch = Sketch()
    sketch.add("both", (1, 1, 1), shapes.sphere((0, 0, 0), 0.4), shapes.sphere((0.4, 0, 0), 0.4))
    batch = ObjectBatch.from_arrays(stack([assemble(sketch, 0)]))
    points = sample_surface(batch, 1000, torch.Generator().manual_seed(0))
    assert union_distance(batch, points).abs().max() < 1e-3


def test_farthest_points_are_the_greedy_ones() -> None:
    points = torch.rand(3, 60, 3, generator=torch.Generator().manual_seed(0))
    chosen = farthest_points(points, 10)
    for row, cloud in zip(chosen.tolist(), points, strict=True):
        for count in range(1, 10):
            nearest = torch.cdist(cloud, cloud[row[:count]]).amin(dim=1)
            assert nearest[row[count]] == nearest.max()
