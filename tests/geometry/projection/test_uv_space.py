# SPDX-License-Identifier: GPL-3.0-or-later
"""The mesh in its texture: coverage, overlap and tiles."""

import pytest
import torch

from backend.geometry.projection import UVMesh, dilate, rasterize_uvs, uv_coverage, wrap_uvs

from .meshes import globe, joined, quad


def placed(u, v, side=0.5):
    """A square whose chart is a square with the lower left corner at (u, v)."""
    mesh = quad()
    return mesh.with_uvs(mesh.uvs * side + torch.tensor([u, v]))


def test_coverage_of_a_good_layout():
    coverage = uv_coverage(joined(placed(0.0, 0.0), placed(0.5, 0.5)), 101)
    assert coverage.covered == pytest.approx(0.5, abs=0.02)
    assert (coverage.overlapping, coverage.outside, coverage.degenerate) == (0.0, 0.0, 0.0)
    assert uv_coverage(globe(), 257).overlapping == 0.0


def test_overlap_is_a_share_of_the_covered_texels():
    coverage = uv_coverage(joined(placed(0.0, 0.0), placed(0.25, 0.0)), 400)
    assert coverage.overlapping == pytest.approx(1 / 3, abs=0.01)


def test_mirrored_halves_on_one_chart_overlap():
    assert uv_coverage(joined(placed(0.0, 0.0), placed(0.0, 0.0)), 100).overlapping == 1.0


def test_faces_outside_and_without_area():
    mesh = joined(placed(0.0, 0.0), placed(0.8, 0.0), placed(0.2, 0.2, side=0.0), placed(0.0, 0.5))
    coverage = uv_coverage(mesh, 64)
    assert coverage.outside == 0.25
    assert coverage.degenerate == 0.25
    barely = uv_coverage(placed(0.5 + 1e-6, 0.5), 64)
    assert barely.outside == 0.0, "an exporter's rounding"


def test_every_face_on_the_whole_texture():
    """What *Reset* makes of an unwrapped mesh: 10,000 textures' worth of faces are measured in a moment."""
    mesh = globe(rows=50, columns=100)
    whole = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    reset = mesh.with_uvs(whole, torch.tensor([[0, 1, 2]], dtype=torch.int32).expand(len(mesh.faces), 3).contiguous())
    coverage = uv_coverage(reset)
    assert coverage.covered == pytest.approx(0.5, abs=0.02)
    assert coverage.overlapping == 1.0


def test_all_coordinates_at_one_point():
    coverage = uv_coverage(placed(0.3, 0.3, side=0.0), 64)
    assert (coverage.covered, coverage.overlapping, coverage.degenerate) == (0.0, 0.0, 1.0)


def test_wrapping_moves_whole_faces():
    mesh = joined(placed(3.25, -2.5, side=0.25), placed(0.5, 0.5), placed(0.9, 0.0, side=0.5))
    wrapped = wrap_uvs(mesh)
    torch.testing.assert_close(wrapped.corner_uvs()[:2], placed(0.25, 0.5, side=0.25).corner_uvs())
    torch.testing.assert_close(wrapped.corner_uvs()[2:4], mesh.corner_uvs()[2:4])
    assert uv_coverage(wrapped, 64).outside == pytest.approx(1 / 3), "faces over a tile's border stay outside"
    assert torch.equal(wrapped.vertices, mesh.vertices)
    assert torch.equal(wrapped.faces, mesh.faces)


def test_texels_know_their_point_of_the_surface():
    """Barycentrics in the texture lead to the position of the texel's center, also in a texture taller than wide."""
    mesh = quad((0.0, 2.0), (-1.0, 3.0))
    fragments = rasterize_uvs(mesh, (24, 6))
    corners = mesh.vertices[mesh.faces.long()[fragments.face[0].clamp(min=0).long()]]
    position = (fragments.barycentric[0][..., None] * corners).sum(dim=2)
    row, column = torch.meshgrid(torch.arange(24), torch.arange(6), indexing="ij")
    expected = torch.stack([2 * (column + 0.5) / 6, 3 - 4 * (row + 0.5) / 24, 0.0 * row], dim=-1)
    shown = fragments.mask[0]
    assert shown.float().mean() > 0.9
    torch.testing.assert_close(position[shown], expected[shown], atol=1e-5, rtol=0)


def test_dilation_by_one_texel_in_all_directions():
    mask = torch.zeros(2, 7, 9, dtype=torch.bool)
    mask[0, 0, 0] = mask[1, 3, 4] = True
    expected = torch.zeros_like(mask)
    expected[0, :2, :2] = True
    expected[1, 2:5, 3:6] = True
    assert torch.equal(dilate(mask), expected)


def test_mesh_keeps_its_surface_with_other_coordinates():
    mesh = globe()
    other = mesh.with_uvs(mesh.uvs.flip(1).contiguous())
    assert isinstance(other, UVMesh)
    assert torch.equal(other.vertices, mesh.vertices)
    assert torch.equal(other.normals, mesh.normals)
    assert not torch.equal(other.uvs, mesh.uvs)
