# SPDX-License-Identifier: GPL-3.0-or-later
"""Winding, and surfaces with only one side."""

import numpy as np
import pytest
import trimesh

from backend.contract import BadInput, MeshData
from backend.geometry.components import border_loops, directed_edges, face_labels, is_watertight
from backend.geometry.manifold_repair.grid_mesh import snap
from backend.geometry.manifold_repair.orientation import cut_open, repair_winding, wind_outward
from backend.pipelines.silksong.tokenizer import decode, encode
from tests.geometry.random_meshes import KINDS, closed_surface
from tests.parity.published.silksong import published_tokens, tokenizer_manifold


def band(steps, rows, *, twisted):
    """A ring of ``steps`` quads, ``rows`` wide, with a half twist or without."""
    angle, across = np.meshgrid(2 * np.pi * np.arange(steps) / steps, np.linspace(-0.4, 0.4, rows + 1), indexing="ij")
    half = angle / 2 if twisted else angle * 0
    radius = 1 + across * np.cos(half)
    vertices = np.stack(
        [radius * np.cos(angle), across * np.sin(half) + 0.3 * (across if not twisted else 0), radius * np.sin(angle)],
        axis=-1,
    )
    corner = np.arange(steps * (rows + 1)).reshape(steps, rows + 1)
    following = np.concatenate([corner[1:], corner[:1, ::-1] if twisted else corner[:1]])
    a, b, c, d = corner[:, :-1], corner[:, 1:], following[:, 1:], following[:, :-1]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    return MeshData(vertices.reshape(-1, 3), faces)


def runs_twice(faces):
    edges = directed_edges(faces)
    return len(edges) - len(np.unique(edges, axis=0))


def test_turned_faces_are_turned_back():
    sphere = trimesh.creation.icosphere(2)
    faces = np.array(sphere.faces, np.int64)
    faces[np.random.default_rng(0).random(len(faces)) < 0.3] = faces[:, [0, 2, 1]][
        np.random.default_rng(0).random(len(faces)) < 0.3
    ]
    assert runs_twice(faces)
    wound, contradictions = repair_winding(faces)
    assert contradictions == 0
    assert runs_twice(wound) == 0


@pytest.mark.parametrize("rows", [1, 2, 4])
def test_moebius_band_is_cut_across_once(rows):
    """The shortest seam of a band is one edge for every row; afterward it is a strip with one border."""
    mesh = band(24, rows, twisted=True)
    assert tokenizer_manifold(mesh).contradictions > 0
    tokens = encode(mesh)
    assert [note for note in tokens.notes if "cut open" in note] == [
        f"A surface with only one side was cut open along {rows} edges."
    ]
    decoded = decode(tokens.ids)
    assert len(decoded.faces) >= len(mesh.faces) - 2 * rows
    snapped = snap(tokens.normalization.apply(mesh.vertices), mesh.faces, 128)
    opened, seam = cut_open(snapped)
    assert seam == rows
    wound, contradictions = repair_winding(opened.faces)
    assert contradictions == 0
    assert runs_twice(wound) == 0
    assert len(border_loops(wound)) == 1
    assert len(opened.vertices) == len(mesh.vertices) + rows + 1


def test_only_the_one_sided_part_is_cut():
    plain, moebius = band(24, 2, twisted=False), band(24, 2, twisted=True)
    both = MeshData(
        np.concatenate([plain.vertices, moebius.vertices + np.array([4, 0, 0])]),
        np.concatenate([plain.faces, moebius.faces + len(plain.vertices)]),
    )
    opened, seam = cut_open(snap(both.vertices / 8, both.faces, 1024))
    assert seam == 2
    labels = face_labels(opened.faces, through_manifold_edges=True)
    assert labels.max() == 1
    assert np.array_equal(opened.faces[labels == 0], plain.faces)


def test_what_the_original_accepts_stays_the_same_and_nothing_is_refused_for_its_one_side():
    refused = 0
    for seed in range(150):
        mesh = KINDS[seed % len(KINDS)](np.random.default_rng(seed))
        try:
            one_sided = tokenizer_manifold(mesh).contradictions > 0
            tokens = encode(mesh)
        except BadInput:
            continue
        if one_sided:
            refused += 1
            assert tokens.notes
        else:
            assert np.array_equal(tokens.ids, published_tokens(mesh))
    assert refused > 0


@pytest.mark.parametrize("seed", range(8))
def test_decoded_closed_surface_is_wound_outward(seed):
    mesh = closed_surface(np.random.default_rng(seed))
    decoded = decode(encode(mesh).ids)
    faces = decoded.faces.copy()
    faces[::3] = faces[::3][:, [0, 2, 1]]
    wound = wind_outward(decoded.vertices, faces)
    assert wound.dtype == np.int32
    assert runs_twice(wound) == 0
    if is_watertight(MeshData(decoded.vertices, wound)):
        assert MeshData(decoded.vertices, wound).volume > 0


def test_a_box_inside_out_is_turned_and_a_plane_keeps_the_winding_of_most():
    box = trimesh.creation.box()
    assert np.array_equal(wind_outward(box.vertices, box.faces[:, [0, 2, 1]]), box.faces)
    plane = band(12, 2, twisted=False)
    mixed = plane.faces.copy()
    mixed[:5] = mixed[:5][:, [0, 2, 1]]
    assert np.array_equal(wind_outward(plane.vertices, mixed), plane.faces)


def test_faces_that_share_one_edge_in_three_are_wound_part_by_part():
    vertices = np.array([[0, 0, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0], [-1, 0, 0]], float)
    faces = np.array([[0, 1, 2], [0, 1, 3], [0, 1, 4]])
    assert np.array_equal(wind_outward(vertices, faces), faces)
    assert wind_outward(vertices, faces[:0]).shape == (0, 3)
