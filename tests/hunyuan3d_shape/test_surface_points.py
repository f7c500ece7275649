# SPDX-License-Identifier: GPL-3.0-or-later
"""What is drawn from a mesh for the encoder."""

import numpy as np
import pytest
import torch
import trimesh

from backend.contract import BadInput, MeshData
from backend.pipelines.hunyuan3d_shape.sharp_edges import SharpEdges, vertex_sharpness
from backend.pipelines.hunyuan3d_shape.surface_points import POINTS_PER_TOKEN, prepare_surface


def data(mesh: trimesh.Trimesh) -> MeshData:
    return MeshData(mesh.vertices, mesh.faces)


def box() -> trimesh.Trimesh:
    mesh = trimesh.creation.box((2.0, 1.0, 0.5))
    mesh.apply_translation([5, -3, 2])
    return mesh


def drawn(mesh: trimesh.Trimesh, sharp_share: float = 0.5, seed: int = 0):
    return prepare_surface(
        data(mesh), 10, sharp_share=sharp_share, generator=torch.Generator().manual_seed(seed), device="cpu"
    )


def test_points_lie_on_the_normalized_surface_with_its_normals():
    surface = drawn(box(), sharp_share=0.0)
    points, normals = surface.points[0].numpy(), surface.features[0, :, :3].numpy()
    assert points.shape == (10 * POINTS_PER_TOKEN, 3)
    assert surface.features[0, :, 3].abs().max() == 0
    sides = np.array([0.9999, 0.49995, 0.249975])
    distance = np.abs(np.abs(points) - sides)
    axis = distance.argmin(axis=1)
    assert distance.min(axis=1).max() < 1e-3
    assert (np.abs(points) <= sides + 1e-3).all()
    outward = np.sign(points[np.arange(len(points)), axis])
    assert (normals[np.arange(len(points)), axis] == outward).mean() > 0.98  # a point on an edge has two nearest faces
    assert np.allclose(surface.normalization.invert(points).mean(axis=0), [5, -3, 2], atol=0.15)


def test_sharp_points_lie_on_edges_and_come_last():
    surface = drawn(box())
    label = surface.features[0, :, 3]
    half = len(label) // 2
    assert not label[:half].any()
    assert label[half:].all()
    sides = np.array([0.9999, 0.49995, 0.249975])
    on_side = np.abs(np.abs(surface.points[0, half:].numpy()) - sides) < 1e-3
    # The diagonals of the faces connect sharp vertices too, as in the original.
    assert (on_side.sum(axis=1) >= 1).all()
    assert (on_side.sum(axis=1) >= 2).mean() > 0.5
    assert surface.query_index.shape == (1, 10)
    assert (label[surface.query_index[0]] == torch.tensor([0.0] * 5 + [1.0] * 5)).all()


def test_a_smooth_surface_has_uniform_points_in_that_place():
    sphere = trimesh.creation.icosphere(4)
    assert len(SharpEdges.of(sphere, vertex_sharpness(sphere))) == 0
    surface = drawn(sphere)
    assert surface.features[0, :, 3].sum() == surface.points.shape[1] // 2
    assert torch.allclose(surface.points.norm(dim=-1), torch.ones(()), atol=0.01)


def test_the_seed_decides():
    assert torch.equal(drawn(box(), seed=1).points, drawn(box(), seed=1).points)
    assert not torch.equal(drawn(box(), seed=1).points, drawn(box(), seed=2).points)


def test_large_faces_get_more_points():
    surface = drawn(box(), sharp_share=0.0)
    upward = (surface.features[0, :, :3].abs().argmax(dim=1) == 2).float().mean()
    assert abs(float(upward) - 2 * 2 / (2 * (2 + 1 + 0.5))) < 0.12


@pytest.mark.parametrize(
    ("vertices", "faces"),
    [
        (np.zeros((0, 3)), np.zeros((0, 3))),
        (np.full((3, 3), np.nan), [[0, 1, 2]]),
        ([[0, 0, 0], [1, 0, 0], [2, 0, 0]], [[0, 1, 2]]),
        (np.zeros((3, 3)), [[0, 1, 2]]),
    ],
    ids=["no faces", "not numbers", "no area", "one point"],
)
def test_a_mesh_without_a_surface_is_refused(vertices, faces):
    with pytest.raises(BadInput, match="cannot be encoded"):
        prepare_surface(
            MeshData(np.asarray(vertices, np.float32), np.asarray(faces, np.int32)), 10, sharp_share=0.0,
            generator=torch.Generator(), device="cpu",
        )
