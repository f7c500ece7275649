# SPDX-License-Identifier: GPL-3.0-or-later
"""From two fields to colored parts, and the coordinate frames."""

import time

import numpy as np
import pytest
import torch
import trimesh

from backend.contract import MeshData
from backend.geometry.isosurface import extract_isosurface
from backend.pipelines.partpacker.palette import PALETTE, part_color
from backend.pipelines.partpacker.parts import extract_parts


def balls(*centers_and_radii) -> MeshData:
    axis = torch.linspace(-1, 1, 65)
    points = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1)
    fields = [radius - (points - torch.tensor(center)).norm(dim=-1) for *center, radius in centers_and_radii]
    return extract_isosurface(torch.stack(fields).amax(dim=0))


def test_parts_of_both_volumes_in_order():
    first = balls((-0.5, 0.0, 0.0, 0.3), (0.5, 0.0, 0.0, 0.25))
    second = balls((0.0, 0.0, 0.0, 0.21))
    parts = extract_parts([first, second])
    assert [part.volume_index for part in parts] == [0, 0, 1]
    assert [round(float(part.mesh.bounds.mean(axis=0)[0]), 2) for part in parts] == [-0.5, 0.5, 0.0]
    assert [part.color for part in parts] == [(*color, 255) for color in PALETTE[:3]]
    assert all(part.watertight and part.mesh.volume > 0 for part in parts)


def test_a_crumb_is_no_part():
    assert len(extract_parts([balls((0.0, 0.0, 0.0, 0.6), (0.8, 0.8, 0.8, 0.04))])) == 1


def test_volumes_without_surface_have_no_parts():
    assert extract_parts([MeshData.empty(), MeshData.empty()]) == []
    assert [part.volume_index for part in extract_parts([MeshData.empty(), balls((0.0, 0.0, 0.0, 0.5))])] == [1]


def test_face_target_counts_per_volume():
    volumes = [balls((-0.4, 0.0, 0.0, 0.4)), balls((0.4, 0.0, 0.0, 0.4))]
    parts = extract_parts(volumes, face_target=300)
    assert [len(part.mesh.faces) <= 300 for part in parts] == [True, True]
    assert sum(len(part.mesh.faces) for part in parts) > 300
    exact = 4 / 3 * np.pi * 0.4**3
    assert [part.mesh.volume for part in parts] == pytest.approx([exact, exact], rel=0.06)


class GaveUpError(Exception):
    """What a check raises for a cancelled job."""


def test_every_step_can_be_given_up():
    volume = balls((-0.5, 0.0, 0.0, 0.3), (0.5, 0.0, 0.0, 0.25))
    checks = iter(range(1000))
    whole = extract_parts([volume], face_target=1000, check=lambda: next(checks))
    count = next(checks)
    assert len(whole) == 2
    assert count >= 15  # twice cleaned, once split

    for allowed in range(count):
        left = iter(range(allowed))

        def check(left=left):
            if next(left, None) is None:
                raise GaveUpError

        with pytest.raises(GaveUpError):
            extract_parts([volume], face_target=1000, check=check)


def test_no_step_on_a_million_faces_takes_long():
    ball = trimesh.creation.icosphere(8)
    mesh = MeshData(ball.vertices, ball.faces[:1_000_000])
    times = [time.process_time()]
    extract_parts([mesh], check=lambda: times.append(time.process_time()))
    assert np.diff(times).max() < 1


def test_a_part_cut_by_the_border_is_open():
    (part,) = extract_parts([balls((0.9, 0.0, 0.0, 0.5))])
    assert not part.watertight


def test_colors_repeat_after_the_palette():
    assert part_color(29) == part_color(0) == (141, 211, 199, 255)
