# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever takes meshes apart or puts them together loses nothing that they carry."""

from dataclasses import replace

import numpy as np
import trimesh

from backend.contract import MeshData
from backend.geometry.cleaning import merge_close_vertices
from backend.geometry.components import fill_small_holes, keep_faces, split_components
from backend.geometry.joining import joined
from backend.geometry.trimesh_conversion import from_trimesh


def dressed(mesh: MeshData, seed: int = 0) -> MeshData:
    """The mesh with random UVs, colors, selection and texture."""
    draw = np.random.default_rng(seed)
    return replace(
        mesh, uvs=draw.random((len(mesh.faces), 3, 2)), colors=draw.random((len(mesh.vertices), 4)),
        selection=draw.random(len(mesh.faces)) < 0.5, texture=draw.integers(0, 256, (4, 4, 3), np.uint8),
    )


def ball(center: float = 0.0) -> MeshData:
    return from_trimesh(trimesh.creation.icosphere(1).apply_translation([center, 0, 0]))


def corners_of(mesh: MeshData) -> np.ndarray:
    """Every corner's position, UV, color and selection, sorted: what must stay, in whatever order."""
    selection = np.broadcast_to(mesh.selected[:, None, None], (len(mesh.faces), 3, 1))
    rows = np.concatenate([mesh.corners(), mesh.uvs, mesh.colors[mesh.faces], selection], axis=2).reshape(-1, 10)
    return rows[np.lexsort(rows.T)]


def test_joined_and_split_again_each_part_has_its_own() -> None:
    first, second = dressed(ball(-2), 1), dressed(ball(2), 2)
    second = replace(second, texture=first.texture)
    whole = joined([first, second])
    assert np.array_equal(whole.texture, first.texture)
    parts = split_components(whole)
    for part, given in zip(parts, (first, second), strict=True):
        assert np.array_equal(corners_of(part), corners_of(given))


def test_what_only_some_carry_is_made_up_for_the_others() -> None:
    whole = joined([dressed(ball(-2)), ball(2)])
    half = len(whole.faces) // 2
    assert not whole.uvs[half:].any() and whole.selection[half:].all()
    assert (whole.colors[len(whole.vertices) // 2 :] == 1).all()
    assert joined([ball(), ball(3)]).uvs is None
    assert joined([]).is_empty


def test_chosen_faces_keep_all() -> None:
    given = dressed(ball())
    kept = np.arange(len(given.faces)) % 3 == 0
    found = keep_faces(given, kept)
    assert np.array_equal(found.uvs, given.uvs[kept]) and np.array_equal(found.selection, given.selection[kept])
    assert np.array_equal(found.colors[found.faces], given.colors[given.faces[kept]])


def test_merging_vertices_keeps_the_corners_uvs() -> None:
    whole = dressed(ball())
    soup = replace(whole, vertices=whole.corners().reshape(-1, 3), colors=whole.colors[whole.faces].reshape(-1, 4),
                   faces=np.arange(3 * len(whole.faces)).reshape(-1, 3))
    merged = merge_close_vertices(soup, 1e-5)
    assert len(merged.vertices) == len(whole.vertices)
    assert np.array_equal(corners_of(merged), corners_of(whole))


def test_a_filled_hole_has_uvs_of_its_border_and_is_not_selected() -> None:
    given = dressed(ball())
    filled = fill_small_holes(keep_faces(given, np.arange(len(given.faces)) > 0))
    assert len(filled.faces) == len(given.faces) and filled.selection[-1] == np.False_
    corner = filled.faces[-1, 0]
    assert any(np.array_equal(filled.uvs[-1, 0], uv) for uv in filled.uvs[:-1][filled.faces[:-1] == corner])
