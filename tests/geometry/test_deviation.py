# SPDX-License-Identifier: GPL-3.0-or-later
"""Distances between surfaces, against geometry that has an answer and against brute force."""

import time

import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree

from backend.contract import MeshData
from backend.geometry.deviation import COVERING, deviations, face_points, sliver_points
from backend.geometry.trimesh_conversion import from_trimesh, to_trimesh


def plane(height: float, side: float = 1.0, cells: int = 1) -> MeshData:
    """A square at z = height, cells x cells quadrilaterals in two triangles each."""
    line = np.linspace(0, side, cells + 1)
    x, y = (values.ravel() for values in np.meshgrid(line, line))
    low = (np.arange(cells)[:, None] * (cells + 1) + np.arange(cells)).ravel()
    right, up, across = low + 1, low + cells + 1, low + cells + 2
    faces = np.concatenate([np.stack([low, right, across], 1), np.stack([low, across, up], 1)])
    return MeshData(np.stack([x, y, np.full_like(x, height)], axis=1), faces)


def ball(subdivisions: int, radius: float = 1.0) -> MeshData:
    return from_trimesh(trimesh.creation.icosphere(subdivisions, radius))


def soup(count: int, seed: int) -> MeshData:
    """Loose triangles of all sizes, every fifth of them a sliver."""
    random = np.random.default_rng(seed)
    corners = random.normal(size=(count, 3, 3)) * random.exponential(0.5, size=(count, 1, 1)) + random.normal(
        size=(count, 1, 3))
    corners[::5, 2] = corners[::5, :2].mean(axis=1) + 1e-4 * random.normal(size=(len(corners[::5]), 3))
    return MeshData(corners.reshape(-1, 3), np.arange(3 * count).reshape(-1, 3))


def brute_force(points: np.ndarray, mesh: MeshData) -> np.ndarray:
    """Distance of each point to the nearest of all triangles, one point at a time, in float64."""
    corners = mesh.corners()
    found = []
    for point in points.astype(np.float64):
        nearest = trimesh.triangles.closest_point(corners, np.tile(point, (len(corners), 1)))
        found.append(np.linalg.norm(nearest - point, axis=1).min())
    return np.array(found)


def test_parallel_planes() -> None:
    found, = deviations(plane(0.0), [plane(0.1, cells=7)], 2000)
    distances = [found.mean_to_other, found.mean_to_original, found.largest_to_other, found.largest_to_original]
    assert np.array(distances) * np.sqrt(2) == pytest.approx([0.1] * 4, rel=1e-5)


def test_a_surface_lies_on_itself() -> None:
    found, = deviations(ball(3), [ball(3)], 2000)
    assert found.hausdorff < 1e-6


def test_both_directions_count() -> None:
    # The half square lies on the whole; the whole's other half is up to 0.5 away, 0.125 on average over all of it.
    half = plane(0.0)
    half = MeshData(half.vertices * [0.5, 1, 1], half.faces)
    found, = deviations(plane(0.0), [half], 20_000)
    assert 0 <= found.mean_to_original <= found.largest_to_original < 1e-6
    assert found.hausdorff * np.sqrt(2) == pytest.approx(0.5, rel=1e-5)
    assert found.mean_to_other * np.sqrt(2) == pytest.approx(0.125, rel=1e-3)
    assert found.mean == pytest.approx(found.mean_to_other / 2)


def test_concentric_balls() -> None:
    found, = deviations(ball(5), [ball(5, 1.1)], 20_000)
    diagonal = ball(5).diagonal
    assert found.mean * diagonal == pytest.approx(0.1, rel=0.01)
    assert found.hausdorff * diagonal == pytest.approx(0.1, rel=0.02)


def test_a_coarse_ball_against_a_fine_one() -> None:
    # The farthest points of the fine ball stand over the middles of the coarse one's faces.
    coarse, fine = ball(1), ball(6)
    found, = deviations(fine, [coarse], 50_000)
    sagitta = 1 - np.linalg.norm(coarse.corners().mean(axis=1), axis=1).min()
    assert found.hausdorff * fine.diagonal == pytest.approx(sagitta, rel=0.01)


def test_brute_force_finds_the_same() -> None:
    first, second = soup(60, 1), soup(40, 2)
    count = 300
    found, = deviations(first, [second], count)
    scale = 1 / first.diagonal
    there, back = (brute_force(face_points(a, count)[0], b) * scale for a, b in ((first, second), (second, first)))
    assert found.mean_to_other == pytest.approx(there.mean(), rel=1e-4)
    assert found.mean_to_original == pytest.approx(back.mean(), rel=1e-4)
    corners = max(brute_force(a.vertices, b).max() * scale for a, b in ((first, second), (second, first)))
    assert found.hausdorff >= max(there.max(), back.max(), corners) - 1e-5


def test_errors_are_as_stated() -> None:
    first, second = soup(60, 3), ball(2)
    rough, = deviations(first, [second], 2_000)
    fine, = deviations(first, [second], 400_000)
    assert abs(rough.mean - fine.mean) < 3 * rough.mean_error
    assert fine.hausdorff - rough.largest_error < rough.hausdorff <= fine.hausdorff + 1e-6
    assert fine.mean_error < rough.mean_error / 10 and fine.largest_error < rough.largest_error / 10


@pytest.mark.parametrize("mesh", [ball(1), ball(5), soup(200, 4), from_trimesh(
    trimesh.creation.cylinder(1, 6, sections=200))], ids=["coarse", "dense", "soup", "slivers"])
def test_no_point_is_far_from_a_sample(mesh: MeshData) -> None:
    faces, spacing = face_points(mesh, 5000)
    edges, spacing = sliver_points(mesh, spacing, 20_000)
    everywhere = trimesh.sample.sample_surface(to_trimesh(mesh), 100_000, seed=1)[0]
    middles = (mesh.corners() + mesh.corners()[:, [1, 2, 0]]).reshape(-1, 3) / 2
    samples = cKDTree(np.concatenate([faces, edges, mesh.vertices]))
    assert samples.query(np.concatenate([everywhere, middles]))[0].max() < COVERING * spacing


def test_size_and_place_do_not_matter() -> None:
    first, second = ball(3), soup(20, 5)
    found, = deviations(first, [second], 1000)
    moved = [MeshData(mesh.vertices.astype(np.float64) * 64 + [128, -256, 0], mesh.faces)
             for mesh in (first, second)]
    again, = deviations(moved[0], [moved[1]], 1000)
    assert again.mean == pytest.approx(found.mean, rel=1e-4) and again.hausdorff == pytest.approx(found.hausdorff, 1e-4)


def test_what_is_no_surface_does_not_count() -> None:
    clean = ball(2)
    far = [[50, 50, 50], [50, 50, 50], [60, 60, 60], [70, 70, 70]]
    count = len(clean.vertices)
    littered = MeshData(np.concatenate([clean.vertices, far]),
                            np.concatenate([clean.faces, [[count, count + 2, count + 3]]]))
    assert deviations(littered, [clean], 500) == deviations(clean, [littered], 500) == deviations(clean, [clean], 500)
    with pytest.raises(ValueError, match="without area"):
        deviations(clean, [MeshData(far, [[0, 2, 3]])])


def test_the_distances_are_repeatable_and_can_be_given_up() -> None:
    meshes = ball(3), [soup(30, 6), soup(20, 7)]
    assert deviations(*meshes, 3000) == deviations(*meshes, 3000)

    def stop() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        deviations(*meshes, 3000, stop)


def test_a_cancel_is_looked_for_where_all_faces_are_about_as_near() -> None:
    """From the middle of a ball no part of it can be left out of the search: milliseconds a point."""
    looks = [time.process_time()]
    deviations(ball(5), [ball(1, radius=1e-3)], 1000, check=lambda: looks.append(time.process_time()))
    assert len(looks) > 5 and max(np.diff(looks[1:])) < 1.5
