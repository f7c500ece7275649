# SPDX-License-Identifier: GPL-3.0-or-later
"""Drawn low-poly objects: closed part by part, wound outward, the same ones always, of the sizes they should have."""

import numpy as np
import pytest

from backend.geometry.components import is_watertight
from backend.procedural.dataset import Split
from backend.procedural.dense import FEWEST_FACES, densified
from backend.procedural.draw import Draw
from backend.procedural.low_poly import low_poly_object
from backend.procedural.low_poly_families import ARRANGEMENTS, FAMILIES
from backend.procedural.low_poly_shapes import PolygonMesh, box, circle, ears, icosphere, torus, triangulated
from backend.procedural.low_poly_solids import LETTERS, SOLIDS, stairs, star_outline


def _parts(name: str, seed: int) -> list[PolygonMesh]:
    draw = Draw(np.random.default_rng(seed))
    return [SOLIDS[name](draw)] if name in SOLIDS else {**FAMILIES, **ARRANGEMENTS}[name](draw)


@pytest.mark.parametrize("name", dict.fromkeys([*SOLIDS, *FAMILIES, *ARRANGEMENTS]))
def test_every_part_is_closed_and_wound_outward(name: str) -> None:
    for seed in range(15):
        for part in _parts(name, seed):
            mesh = triangulated([part])
            assert is_watertight(mesh), seed
            assert mesh.volume > 0, seed


def test_volumes_of_known_solids() -> None:
    assert triangulated([box((1, 2, 3), (4, 5, 6))]).volume == pytest.approx(6.0, rel=1e-5)
    assert triangulated([stairs(3, 1.0, 1.0, 2.0)]).volume == pytest.approx(12.0, rel=1e-5)
    assert triangulated([icosphere(False)]).volume == pytest.approx(2.53615, rel=1e-4)
    assert triangulated([torus(1.0, 0.25, 200, 200)]).volume == pytest.approx(2 * np.pi**2 / 16, rel=1e-2)


@pytest.mark.parametrize("outline", [*map(np.array, LETTERS.values()), star_outline(6, 0.4), circle(9)])
def test_ears_fill_an_outline_exactly(outline: np.ndarray) -> None:
    x, y = outline.T
    area = 0.5 * (x @ np.roll(y, -1) - y @ np.roll(x, -1))
    corners = outline[np.array(ears(outline))]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    pieces = 0.5 * (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])
    assert (pieces > 0).all()
    assert pieces.sum() == pytest.approx(area)


def test_an_outline_that_crosses_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="crosses itself"):
        ears(np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]]))  # clockwise


def test_triangulation_follows_from_the_shape_alone() -> None:
    part = box((1.0, 2.0, 3.0)).rotated(2, 0.7)
    quads = part.polygons[0]
    turned = PolygonMesh(part.vertices, (np.roll(quads, 1, axis=1), *part.polygons[1:]))
    first, second = triangulated([part]), triangulated([turned])
    assert {frozenset(face) for face in first.faces.tolist()} == {frozenset(face) for face in second.faces.tolist()}


def test_objects_are_the_same_always_and_differ_between_splits() -> None:
    first, again, held_out = (low_poly_object(split, 5) for split in (Split.TRAINING, Split.TRAINING, Split.HELD_OUT))
    assert np.array_equal(first.vertices, again.vertices)
    assert first.vertices.shape != held_out.vertices.shape or not np.array_equal(first.vertices, held_out.vertices)


def test_objects_have_the_sizes_that_the_starter_weights_know() -> None:
    faces = np.array([len(low_poly_object(Split.TRAINING, number).faces) for number in range(300)])
    assert 40 < np.median(faces) < 120
    assert faces.max() < 450


@pytest.mark.parametrize("smooth", [False, True])
def test_a_dense_version_is_closed_and_near(smooth: bool) -> None:
    mesh = triangulated([box((1.0, 2.0, 3.0))])
    dense = densified(mesh, seed=1, smooth=smooth)
    assert len(dense.faces) >= FEWEST_FACES
    assert is_watertight(dense)
    assert dense.volume == pytest.approx(mesh.volume, rel=0.05)
    outside = np.abs(dense.vertices) - np.array([0.5, 1.0, 1.5])
    assert 0.002 < outside.max() < 0.1
