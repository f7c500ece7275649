# SPDX-License-Identifier: GPL-3.0-or-later
"""The repair of meshes: manifold afterward, in its place, in bounded time."""

import time

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.contract import BadInput
from backend.geometry.components import directed_edges
from backend.geometry.manifold_repair import repair
from backend.geometry.manifold_repair.vertex_fans import non_manifold_edges, split_fans
from tests.geometry.random_meshes import KINDS, closed_surface
from tests.parity.published.silksong import tool_manifold

PROPERTY = settings(max_examples=40, deadline=None, derandomize=True)


def assert_manifold(faces, vertex_count):
    """At most two faces on an edge, running opposite ways, and one fan at every vertex."""
    faces = faces.astype(np.int64)
    assert len(non_manifold_edges(faces)) == 0
    edges = directed_edges(faces)
    assert len(np.unique(edges, axis=0)) == len(edges)
    assert len(split_fans(faces, vertex_count)[1]) == 0


def corner_positions(vertices, faces):
    return sorted(sorted(map(tuple, corners)) for corners in np.asarray(vertices, np.float64)[faces].tolist())


def soup(vertex_count, face_count):
    rng = np.random.default_rng(0)
    faces = np.array([rng.choice(vertex_count, 3, replace=False) for _ in range(face_count)])
    return rng.normal(size=(vertex_count, 3)), faces


@PROPERTY
@given(st.integers(0, 2**32 - 1), st.sampled_from(KINDS))
def test_result_is_manifold_and_in_place(seed, kind):
    mesh = kind(np.random.default_rng(seed))
    repaired = repair(mesh.vertices, mesh.faces)
    assert_manifold(repaired.faces, len(repaired.vertices))
    assert len(repaired.parts) == len(repaired.faces)
    given_corners = {tuple(map(tuple, face)) for face in corner_positions(mesh.vertices, mesh.faces)}
    came = [tuple(map(tuple, face)) for face in corner_positions(repaired.vertices, repaired.faces)]
    assert set(came) <= given_corners


@PROPERTY
@given(st.integers(0, 2**32 - 1))
def test_clean_mesh_is_left_alone(seed):
    mesh = closed_surface(np.random.default_rng(seed))
    repaired = repair(mesh.vertices, mesh.faces)
    assert repaired.notes == ()
    assert len(repaired.vertices) == len(mesh.vertices)
    assert corner_positions(repaired.vertices, repaired.faces) == corner_positions(mesh.vertices, mesh.faces)


@pytest.mark.parametrize(("vertex_count", "face_count"), [(20, 600), (60, 6000)])
def test_dense_soup_ends_in_time_and_says_what_was_left(vertex_count, face_count):
    vertices, faces = soup(vertex_count, face_count)
    start = time.monotonic()
    repaired = repair(vertices, faces, time_limit_s=1.0)
    assert time.monotonic() - start < 15.0
    assert_manifold(repaired.faces, len(repaired.vertices))
    assert any("not reached in time" in note or "best of the cycles" in note for note in repaired.notes)


def test_two_boxes_on_one_edge_become_two_parts():
    box = trimesh.creation.box((1, 1, 1))
    other = box.copy().apply_translation([1, 1, 0])
    both = trimesh.util.concatenate([box, other])
    both.merge_vertices()
    repaired = repair(both.vertices, both.faces)
    assert_manifold(repaired.faces, len(repaired.vertices))
    assert len(repaired.faces) == 24
    assert len(repaired.vertices) == 16
    assert repaired.parts.max() == 1


def test_coarser_grid_merges_more():
    sphere = trimesh.creation.icosphere(4)
    assert len(repair(sphere.vertices, sphere.faces).vertices) == len(sphere.vertices)
    assert len(repair(sphere.vertices, sphere.faces, resolution=16).vertices) < len(sphere.vertices) / 2


def test_fans_that_the_published_tool_refuses_are_kept():
    cone = trimesh.creation.cone(1.0, 1.0, sections=120)
    with pytest.raises(BadInput, match="100 faces"):
        tool_manifold(cone.vertices, cone.faces, 1024)
    assert len(repair(cone.vertices, cone.faces).faces) == len(cone.faces)


def test_mesh_without_extent_is_refused():
    with pytest.raises(BadInput, match="no extent"):
        repair(np.zeros((3, 3)), np.array([[0, 1, 2]]))
