# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh data type, cleaning, components, holes, decimation."""

import numpy as np
import pytest
import trimesh

from backend.contract import MeshData
from backend.geometry.cleaning import clean_mesh, merge_close_vertices, remove_duplicate_faces, remove_zero_area_faces
from backend.geometry.components import border_loops, fill_small_holes, is_watertight, split_components
from backend.geometry.normalization import Normalization
from backend.geometry.simplification import decimate


def box(side: float = 1.0, center=(0.0, 0.0, 0.0)) -> MeshData:
    mesh = trimesh.creation.box(extents=[side] * 3)
    return MeshData(mesh.vertices + center, mesh.faces)


def ball(radius: float = 1.0, center=(0.0, 0.0, 0.0), subdivisions: int = 2) -> MeshData:
    mesh = trimesh.creation.icosphere(subdivisions, radius)
    return MeshData(mesh.vertices + center, mesh.faces)


def joined(*meshes: MeshData) -> MeshData:
    offsets = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes[:-1]])
    return MeshData(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.faces + offset for mesh, offset in zip(meshes, offsets, strict=True)]),
    )


def test_measures():
    mesh = box(2.0, (1.0, 0.0, 0.0))
    assert mesh.volume == pytest.approx(8.0)
    assert mesh.diagonal == pytest.approx(12**0.5)
    assert mesh.bounds.tolist() == [[0, -1, -1], [2, 1, 1]]
    assert np.linalg.norm(mesh.area_vectors(), axis=1).sum() == pytest.approx(24.0)


def test_triangle_soup_is_merged_to_a_closed_mesh():
    whole = ball()
    soup = MeshData(whole.corners().reshape(-1, 3), np.arange(3 * len(whole.faces)))
    cleaned = clean_mesh(soup)
    assert is_watertight(cleaned)
    assert (len(cleaned.vertices), len(cleaned.faces)) == (len(whole.vertices), len(whole.faces))


def test_vertices_beyond_the_distance_stay():
    mesh = MeshData([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1e-3]], [[0, 1, 2], [3, 2, 1]])
    assert len(merge_close_vertices(mesh, 0.9e-3).vertices) == 4
    merged = merge_close_vertices(mesh, 1.1e-3)
    assert len(merged.vertices) == 3
    assert merged.faces.tolist() == [[0, 1, 2], [0, 2, 1]]
    assert remove_duplicate_faces(merged).faces.tolist() == [[0, 1, 2]]


def test_zero_area_faces_go():
    mesh = MeshData([[0, 0, 0], [1, 0, 0], [2, 0, 0], [0, 1, 0]], [[0, 1, 2], [0, 1, 3]])
    assert remove_zero_area_faces(mesh).faces.tolist() == [[0, 1, 2]]


def test_floating_crumbs_go_by_size_and_by_face_count():
    body = ball(1.0, subdivisions=3)
    small = ball(0.04, (2.0, 0.0, 0.0))  # below 5 % of the diagonal
    coarse = box(0.8, (-2.0, 0.0, 0.0))  # 12 faces
    kept = ball(0.3, (0.0, 2.0, 0.0))
    cleaned = clean_mesh(joined(body, small, coarse, kept))
    assert [len(part.faces) for part in split_components(cleaned)] == [len(body.faces), len(kept.faces)]


@pytest.mark.parametrize("faces", [24, 25])
def test_component_of_25_faces_stays(faces):
    points = np.array([[np.cos(a), np.sin(a), 0.0] for a in np.linspace(0, 6, faces + 1)])
    fan = MeshData(np.vstack([[0, 0, 0], points]), [[0, i + 1, i + 2] for i in range(faces)])
    cleaned = clean_mesh(joined(ball(1.0, (5.0, 0.0, 0.0)), fan))
    assert len(split_components(cleaned)) == (2 if faces == 25 else 1)


def test_nothing_left_is_an_empty_mesh():
    assert clean_mesh(MeshData.empty()).is_empty
    assert clean_mesh(box()).is_empty  # 12 faces
    assert split_components(MeshData.empty()) == []


def test_an_edge_of_three_faces_does_not_connect():
    fin = MeshData([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1]], [[0, 1, 2], [1, 0, 3], [0, 1, 4]])
    parts = split_components(fin)
    assert [len(part.faces) for part in parts] == [1, 1, 1]
    assert all(len(part.vertices) == 3 for part in parts)


def test_splitting_keeps_positions_and_order():
    parts = split_components(joined(ball(0.5, (3, 0, 0)), ball(1.0), ball(0.25, (0, 3, 0))))
    assert [part.bounds.mean(axis=0).round(3).tolist() for part in parts] == [[3, 0, 0], [0, 0, 0], [0, 3, 0]]
    assert all(is_watertight(part) for part in parts)


def test_small_holes_are_filled_outward_and_larger_ones_stay():
    whole = ball()
    for removed, filled in (([0], True), (neighbors_of(whole, 0)[:2], True), (list(range(0, 4)), None)):
        open_mesh = MeshData(whole.vertices, np.delete(whole.faces, removed, axis=0))
        closed = fill_small_holes(open_mesh)
        if filled:
            assert is_watertight(closed)
            assert closed.volume == pytest.approx(whole.volume, rel=0.01)
    cap = MeshData(whole.vertices, whole.faces[whole.vertices[whole.faces].mean(axis=1)[:, 2] < 0.5])
    assert len(fill_small_holes(cap).faces) == len(cap.faces)


def neighbors_of(mesh: MeshData, face: int) -> list[int]:
    """`face` and the faces that share two vertices with it."""
    shared = np.isin(mesh.faces, mesh.faces[face]).sum(axis=1)
    return [face, *np.flatnonzero(shared == 2).tolist()]


def test_sheets_are_not_doubled():
    triangle = MeshData([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]])
    square = MeshData([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [[0, 1, 2], [0, 2, 3]])
    assert len(fill_small_holes(triangle).faces) == 1
    assert len(fill_small_holes(square).faces) == 2


def test_border_loops_follow_the_faces_and_part_where_they_touch():
    square = MeshData([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [[0, 1, 2], [0, 2, 3]])
    (loop,) = border_loops(square.faces)
    assert np.roll(loop, -loop.tolist().index(0)).tolist() == [0, 1, 2, 3]
    bow_tie = np.array([[0, 1, 2], [0, 3, 4]])
    assert sorted(sorted(loop.tolist()) for loop in border_loops(bow_tie)) == [[0, 1, 2], [0, 3, 4]]
    assert border_loops(box().faces) == []


def test_decimation_reaches_its_target_and_keeps_the_shape():
    fine = ball(subdivisions=4)
    coarse = decimate(fine, 500)
    assert len(coarse.faces) <= 500
    assert coarse.volume == pytest.approx(fine.volume, rel=0.02)
    assert decimate(coarse, 500) is coarse
    with pytest.raises(ValueError, match="target"):
        decimate(fine, 3)


def test_normalization_and_its_inverse():
    bounds = [[1.0, 2.0, 3.0], [5.0, 4.0, 4.0]]
    normalization = Normalization.to_box(bounds, 1.9).then(Normalization(np.array([0.1, 0.0, 0.0]), 2.0))
    assert normalization.apply(bounds) == pytest.approx(np.array([[-2.1, -0.95, -0.475], [1.7, 0.95, 0.475]]))
    assert normalization.invert(normalization.apply(bounds)) == pytest.approx(np.array(bounds))
    with pytest.raises(ValueError, match="extent"):
        Normalization.to_box([[1, 1, 1], [1, 1, 1]], 1.9)
