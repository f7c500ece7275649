# SPDX-License-Identifier: GPL-3.0-or-later
"""What no view shows is filled over the surface: close to the truth, across seams, and seams do not show."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor
from torch.nn.functional import grid_sample

from backend.geometry.projection import UVMesh, rasterize_uvs
from backend.painting.pull_push import pull_push
from backend.painting.seams import Seams
from backend.painting.surface_fill import fill_surface
from backend.painting.texel_graph import TexelGraph
from backend.painting.view_bake import BakeSettings, bake_views
from tests.parity.published.paint_fill import inpainted, propagated

from .colored_views import POSES, Colored, laid_out, psnr, space_color, table, torus


def baked(colored: Colored) -> tuple[Tensor, Tensor]:
    return bake_views(colored.mesh, colored.cameras, colored.shown, colored.images, [1.0] * len(POSES), colored.layout,
                      BakeSettings(margin=1))


def seam_steps(mesh: UVMesh, texture: Tensor) -> Tensor:
    """Color step, in levels of 255, at points along every seam edge, as a renderer interpolates on both sides."""
    uv, _ = Seams.of(mesh).samples(0.5 / len(texture))
    place = torch.stack([uv[..., 0] * 2 - 1, 1 - uv[..., 1] * 2], dim=-1)[None]
    colors = grid_sample(texture.permute(2, 0, 1)[None], place, padding_mode="border", align_corners=False)[0]
    return (colors[..., 0] - colors[..., 1]).abs().mean(dim=0) * 255


@pytest.mark.parametrize("make", [torus, table])
def test_seams_do_not_show(make):
    colored = Colored.of(make(), 256, 512)
    filled = fill_surface(colored.mesh, *baked(colored), colored.layout)
    steps = seam_steps(colored.mesh, filled)
    assert len(steps) > 500
    assert steps.mean() < 2.0
    assert seam_steps(colored.mesh, pull_push(colored.truth, colored.covered)).mean() > 2 * steps.mean()


def original_fill(mesh: UVMesh, colors: Tensor, known: Tensor) -> Tensor:
    """The published fill, which is given vertices cut along the seams."""
    corners, places = np.unique(
        np.concatenate([mesh.uvs.numpy()[mesh.face_uvs.reshape(-1).long()],
                        mesh.vertices.numpy()[mesh.faces.reshape(-1).long()]], axis=1), axis=0, return_inverse=True)
    faces = torch.from_numpy(places.reshape(-1, 3))
    cut = torch.from_numpy(corners[:, 2:]), torch.from_numpy(corners[:, :2])
    return inpainted(*propagated(colors, known.int() * 255, *cut, faces, faces)).float() / 255


@pytest.mark.parametrize(("make", "least_gain"), [(torus, 6.0), (table, 10.0)])
def test_holes_are_closer_to_the_truth_than_the_originals(make, least_gain):
    colored = Colored.of(make(), 256, 256)
    texture, known = baked(colored)
    holes = colored.covered & ~known
    assert holes.sum() > 200
    ours = fill_surface(colored.mesh, texture, known, colored.layout)
    assert torch.equal(ours[known], texture[known])
    published = original_fill(colored.mesh, texture, known)
    gain = psnr(ours[holes], colored.truth[holes]) - psnr(published[holes], colored.truth[holes])
    assert gain > least_gain, gain


def test_where_the_original_is_right_ours_is_the_same():
    """Holes of single texels: nothing has to cross a seam."""
    colored = Colored.of(torus(), 64, 256)
    known = colored.covered & (torch.rand(256, 256, generator=torch.Generator().manual_seed(0)) > 0.05)
    texture = colored.truth * known[..., None]
    ours = fill_surface(colored.mesh, texture, known, colored.layout)
    assert psnr(ours[colored.covered], original_fill(colored.mesh, texture, known)[colored.covered]) > 35


def test_a_chart_without_any_color_takes_it_from_across_its_seams():
    """One side of a cube is unknown, and is a chart of its own."""
    cube = laid_out(trimesh.creation.box((1, 1, 1)))
    colored = Colored.of(cube, 64, 512)
    chart = Seams.of(cube).chart[colored.layout.face[0].clamp(min=0).long()]
    lost = colored.covered & (chart == chart[colored.covered][0])
    known = colored.covered & ~lost
    smooth = space_color(TexelGraph.of(cube, Seams.of(cube), 512, colored.layout).position, 1.0)
    filled = fill_surface(cube, smooth * known[..., None], known, colored.layout)
    assert psnr(filled[lost], smooth[lost]) > 30
    assert seam_steps(cube, filled).mean() < 2


def test_a_part_without_any_color_takes_the_nearest_in_space():
    near = trimesh.creation.icosphere(2, 0.3)
    far = near.copy()
    near.apply_translation((-0.6, 0, 0))
    far.apply_translation((0.6, 0, 0))
    mesh = laid_out(trimesh.util.concatenate([near, far]))
    layout = rasterize_uvs(mesh, (128, 128), layers=1)
    graph = TexelGraph.of(mesh, Seams.of(mesh), 128, layout)
    left = graph.position[..., 0] < 0
    known = graph.covered & left
    colors = space_color(graph.position, 1.0) * known[..., None]
    filled = fill_surface(mesh, colors, known, layout)
    right = graph.covered & ~left
    assert filled[right].std(dim=0).max() < 0.1
    assert (filled[right] > 0.01).all()


def test_neighbors_lie_on_the_surface_next_to_each_other():
    mesh = torus()
    graph = TexelGraph.of(mesh, Seams.of(mesh), 256)
    texels = graph.covered.flatten().nonzero()[:, 0]
    neighbors, position = graph.neighbors(texels), graph.position.flatten(0, 1)
    row, which = (neighbors >= 0).nonzero().unbind(1)
    distance = (position[texels[row]] - position[neighbors[row, which]]).norm(dim=1)
    within = distance[which < 4].mean()
    assert (distance[which >= 4].max()) < 6 * within
    alone = ((neighbors[:, :4] < 0).any(dim=1) & (neighbors[:, 4:] < 0).all(dim=1)).float().mean()
    assert alone < 0.01  # a closed surface has no border


def test_seams_are_found_by_place_and_not_by_index():
    """The same mesh with vertices of its own for every face."""
    mesh = torus()
    cut = UVMesh.of_corners(mesh.vertices[mesh.faces.long()].reshape(-1, 3),
                            torch.arange(3 * len(mesh.faces)).view(-1, 3), mesh.corner_uvs())
    whole, other = Seams.of(mesh), Seams.of(cut)
    assert len(whole.ends) == len(other.ends) > 20
    assert int(whole.chart.max()) == int(other.chart.max())


def test_an_open_or_branching_mesh_is_filled_too():
    fan = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0.5, 1, 0], [0.5, -1, 0.2], [0.5, 0.3, 1]],
                          [[0, 1, 2], [1, 0, 3], [0, 1, 4]], process=False)
    colored = Colored.of(laid_out(fan), 64, 64)
    known = colored.covered & (torch.arange(64) % 3 == 0)
    filled = fill_surface(colored.mesh, colored.truth * known[..., None], known, colored.layout)
    assert torch.isfinite(filled).all()
    assert psnr(filled[colored.covered], colored.truth[colored.covered]) > 25


def test_nothing_known_stays_nothing_and_a_cancel_ends_it():
    colored = Colored.of(torus(), 32, 32)
    nothing = torch.zeros(32, 32, dtype=torch.bool)
    assert not fill_surface(colored.mesh, colored.truth, nothing, colored.layout).any()

    def check():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill_surface(colored.mesh, colored.truth, colored.covered, colored.layout, check)


def test_sizes_need_not_be_powers_of_two():
    colored = Colored.of(torus(), 64, 90)
    part = replace(colored, layout=colored.layout)
    texture, known = baked(part)
    assert torch.isfinite(fill_surface(part.mesh, texture, known, part.layout)).all()


@pytest.mark.parametrize("size", [(1, 1), (5, 9), (64, 64)])
def test_pull_push_keeps_the_known_and_stays_between(size):
    generator = torch.Generator().manual_seed(0)
    colors = torch.rand(*size, 3, generator=generator)
    known = torch.rand(size, generator=generator) > 0.8
    known[0, 0] = True
    filled = pull_push(colors, known)
    assert torch.equal(filled[known], colors[known])
    assert filled.min() >= colors[known].min() - 1e-6
    assert filled.max() <= colors[known].max() + 1e-6
