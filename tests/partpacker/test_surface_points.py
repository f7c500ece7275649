# SPDX-License-Identifier: GPL-3.0-or-later
"""Encoder inputs from meshes, broken ones included."""

import numpy as np
import pytest
import torch
import trimesh

from backend.contract import BadInput, MeshData
from backend.geometry.trimesh_conversion import from_trimesh, to_trimesh
from backend.pipelines.partpacker.surface_points import (
    normalize_mesh,
    prepare_surface,
    salient_edges,
    salient_points,
)

SIZES = {"uniform": 600, "salient": 300, "queries": 64, "salient_queries": 32}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def box() -> MeshData:
    mesh = trimesh.creation.box(extents=[4.0, 2.0, 1.0])
    return MeshData(mesh.vertices + np.array([10.0, 0.0, -3.0]), mesh.faces)


def test_box_is_normalized_sampled_and_can_be_put_back():
    surface = prepare_surface(box(), generator=seeded(), **SIZES)
    assert surface.points.shape == (1, 600, 3)
    assert surface.salient_points.shape == (1, 300, 3)
    assert surface.query_index.shape == (1, 64)
    assert surface.salient_query_index.shape == (1, 32)
    assert surface.points.dtype == torch.float32
    extent = surface.points[0].amax(dim=0) - surface.points[0].amin(dim=0)
    assert extent.tolist() == pytest.approx([1.9, 0.95, 0.475], abs=0.03)
    back = surface.normalization.invert(surface.points[0].numpy())
    distance = trimesh.proximity.closest_point_naive(to_trimesh(box()), back)[1]
    assert distance.max() < 1e-5


def test_same_seed_same_points():
    first, second = (prepare_surface(box(), generator=seeded(5), **SIZES) for _ in range(2))
    assert torch.equal(first.points, second.points)
    assert torch.equal(first.salient_points, second.salient_points)
    other = prepare_surface(box(), generator=seeded(6), **SIZES)
    assert not torch.equal(first.points, other.points)


def test_queries_are_the_farthest_points_of_the_points():
    surface = prepare_surface(box(), generator=seeded(), **SIZES)
    picks, cloud = [0], surface.points[0]
    while len(picks) < 64:
        offset = cloud[:, None] - cloud[picks][None]
        picks.append(int((offset * offset).sum(-1).amin(dim=1).argmax()))
    assert surface.query_index[0].tolist() == picks


def test_salient_points_lie_on_the_box_edges():
    mesh, _ = normalize_mesh(box())
    assert len(salient_edges(mesh)) == 12
    half = mesh.bounds[1]
    points = salient_points(mesh, 200, generator=seeded()).numpy()
    assert len(points) == 200
    assert ((np.abs(np.abs(points) - half) < 1e-6).sum(axis=1) >= 2).all()


def test_few_salient_points_are_a_farthest_subset_of_the_corners():
    points = salient_points(box(), 8, generator=seeded())
    assert len(np.unique(points.numpy().round(4), axis=0)) == 8


def test_smooth_mesh_has_uniform_points_in_the_place_of_salient_ones():
    smooth = from_trimesh(trimesh.creation.icosphere(4))
    assert len(salient_points(smooth, 64, generator=seeded())) == 0
    surface = prepare_surface(smooth, generator=seeded(), **SIZES)
    assert torch.equal(surface.salient_points, surface.points[:, : SIZES["salient"]])
    queries = surface.salient_query_index[0]
    assert len(queries.unique()) == SIZES["salient_queries"]
    assert queries.max() < SIZES["salient"]


@pytest.mark.parametrize(("degrees", "salient"), [(14, 0), (16, 1)])
def test_threshold_is_fifteen_degrees(degrees, salient):
    tilt = np.radians(degrees)
    hinge = MeshData(
        [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, -np.cos(tilt), np.sin(tilt)]], [[0, 1, 2], [1, 0, 3]]
    )
    assert len(salient_edges(hinge)) == salient


def test_third_face_of_an_edge_is_ignored():
    flat_then_fin = MeshData(
        [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1]], [[0, 1, 2], [1, 0, 3], [0, 1, 4]]
    )
    assert len(salient_edges(flat_then_fin)) == 0
    fin_first = MeshData(flat_then_fin.vertices, flat_then_fin.faces[[2, 1, 0]])
    assert len(salient_edges(fin_first)) == 1


def test_autoencoder_takes_the_points_of_sharp_and_smooth_meshes(tiny_autoencoder):
    smooth = from_trimesh(trimesh.creation.icosphere(4))
    for mesh in (box(), smooth):
        surface = prepare_surface(mesh, generator=seeded(), **SIZES)
        posterior = tiny_autoencoder.encode(
            surface.points, surface.salient_points, surface.query_index, surface.salient_query_index
        )
        assert posterior.mean.shape == (1, SIZES["queries"] + SIZES["salient_queries"], 4)
        assert posterior.mean.isfinite().all()


def broken(name: str) -> MeshData:
    mesh = box()
    vertices = mesh.vertices.copy()
    if name == "empty":
        return MeshData.empty()
    if name == "nan":
        vertices[3] = np.nan
    elif name == "point":
        vertices[:] = 1.0
    elif name == "line":
        vertices[:, 1:] = 0.0
    else:
        vertices[:, 1:] *= 1e-6
    return MeshData(vertices, mesh.faces)


@pytest.mark.parametrize(
    ("name", "why"),
    [("empty", "faces"), ("nan", "invalid vertex positions"), ("point", "area"), ("line", "area"), ("needle", "area")],
)
def test_broken_meshes_are_refused_in_clear_words(name, why):
    with pytest.raises(BadInput, match=why) as caught:
        prepare_surface(broken(name), generator=seeded(), **SIZES)
    assert caught.value.report.advice


def test_stray_vertices_do_not_count():
    mesh = box()
    stray = MeshData(np.vstack([mesh.vertices, [[np.nan, 0, 0], [1e6, 0, 0]]]), mesh.faces)
    expected = prepare_surface(mesh, generator=seeded(), **SIZES)
    assert torch.equal(prepare_surface(stray, generator=seeded(), **SIZES).points, expected.points)
