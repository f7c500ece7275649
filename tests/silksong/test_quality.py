# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics of the quality card, and which variant comes first."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import trimesh

from backend.contract import Cancelled, MeshData
from backend.geometry import deviation
from backend.pipelines.silksong.quality import Topology, best_first
from backend.pipelines.silksong.variants import OUT_OF_TOKENS, Variant, ran_out

BALL = trimesh.creation.icosphere(3)


def variant(mesh: trimesh.Trimesh, size: float = 1.0, complete: bool = True) -> Variant:
    return Variant(mesh.vertices * size, np.asarray(mesh.faces), () if complete else (OUT_OF_TOKENS,), complete)


def with_hole(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """Without its first face."""
    return trimesh.Trimesh(mesh.vertices, mesh.faces[1:], process=False)


def with_fin(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """With a third face at one edge, so small that it hardly changes the distance."""
    a, b = mesh.faces[0][:2]
    tip = mesh.vertices[[a, b]].mean(axis=0) * 1.001
    return trimesh.Trimesh([*mesh.vertices, tip], [*mesh.faces, [a, b, len(mesh.vertices)]], process=False)


def ranked(variants: Sequence[Variant], original: trimesh.Trimesh = BALL, *, closed: bool = True,
           warnings: list[str] | None = None) -> list[int]:
    """Numbers of the variants in their order."""
    given = [Variant(item.vertices, item.faces, item.notes, item.complete, {"number": number})
             for number, item in enumerate(variants)]
    told: list[str] = [] if warnings is None else warnings
    ordered = best_first(given, MeshData(original.vertices, original.faces), closed=closed, check=lambda: None,
                         warn=told.append)
    assert sorted(item.properties["number"] for item in ordered) == list(range(len(given))), "none is lost"
    return [item.properties["number"] for item in ordered]


def properties(item: Variant) -> dict[str, Any]:
    ordered = best_first([item], MeshData(BALL.vertices, BALL.faces), closed=True, check=lambda: None, warn=print)
    return dict(ordered[0].properties)


def test_topology_of_hand_made_meshes() -> None:
    box = trimesh.creation.box()
    two = np.concatenate([box.faces, box.faces + 8])
    book = np.array([[0, 1, 2], [0, 1, 3], [0, 1, 4], [5, 6, 7], [7, 8, 9]])  # three pages; two that share a corner
    assert Topology.of(box.faces) == Topology(0, 0, 1)
    assert Topology.of(box.faces[1:]) == Topology(3, 0, 1)
    assert Topology.of(two) == Topology(0, 0, 2)
    assert Topology.of(book) == Topology(12, 1, 3)
    assert Topology.of(np.zeros((0, 3), int)) == Topology(0, 0, 0)


def test_metrics() -> None:
    found = properties(variant(BALL, 1.1))
    diagonal = MeshData(BALL.vertices, BALL.faces).diagonal
    assert found["mean_distance_percent"] == pytest.approx(10 / diagonal, rel=0.02)
    assert found["hausdorff_percent"] == pytest.approx(10 / diagonal, rel=0.02)
    assert 0 < found["hausdorff_error_percent"] < 3
    assert found | {"mean_distance_percent": 0, "hausdorff_percent": 0, "hausdorff_error_percent": 0} == {
        "faces": 1280, "open_edges": 0, "non_manifold_edges": 0, "components": 1, "complete": True,
        "original_faces": 1280, "mean_distance_percent": 0, "hausdorff_percent": 0, "hausdorff_error_percent": 0}
    assert {type(value) for value in found.values()} == {int, float, bool}, "plain values, for JSON"
    assert properties(variant(with_fin(BALL)))["non_manifold_edges"] == 1


def test_the_nearer_one_comes_first() -> None:
    assert ranked([variant(BALL, 1.2), variant(BALL, 1.02), variant(BALL, 1.1)]) == [1, 2, 0]


def test_what_was_cut_off_comes_last() -> None:
    assert ranked([variant(BALL, 1.0, complete=False), variant(BALL, 1.3)]) == [1, 0]
    assert ranked([variant(BALL, 1.3, complete=False), variant(BALL, 1.1, complete=False)]) == [1, 0]


def test_faults_decide_between_equally_near_ones() -> None:
    holed, finned, whole = with_hole(BALL), with_fin(BALL), BALL
    assert ranked([variant(holed, 1.10), variant(whole, 1.11)]) == [1, 0]
    assert ranked([variant(holed, 1.10), variant(finned, 1.10), variant(whole, 1.11)]) == [2, 1, 0]


def test_a_hole_is_better_than_a_wrong_shape() -> None:
    assert ranked([variant(BALL, 1.2), variant(with_hole(BALL), 1.02)]) == [1, 0]


def test_a_piece_that_is_missing_tells_by_the_distance() -> None:
    pair = trimesh.util.concatenate([BALL, BALL.copy().apply_translation([3, 0, 0])])
    assert ranked([variant(BALL), variant(with_hole(pair), 1.01)], pair) == [1, 0]


def test_an_open_original_has_open_edges_by_right() -> None:
    cap = trimesh.Trimesh(BALL.vertices, BALL.faces[BALL.triangles_center[:, 2] > 0])
    nearer, sewn_up = variant(cap, 1.10), variant(trimesh.convex.convex_hull(cap), 1.101)
    assert ranked([nearer, variant(with_fin(cap), 1.11)], cap, closed=False) == [0, 1]
    assert ranked([sewn_up, nearer], cap, closed=False)[0] == 1


def test_meshes_are_kept_where_nothing_can_be_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(deviation.wp, "launch", broken)
    warnings: list[str] = []
    assert ranked([variant(with_hole(BALL)), variant(BALL)], warnings=warnings) == [1, 0]
    assert len(warnings) == 1 and "No space left" in warnings[0]


def test_a_cancel_is_heard() -> None:
    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        best_first([variant(BALL)], MeshData(BALL.vertices, BALL.faces), closed=True, check=stop, warn=print)


def test_running_out_of_tokens() -> None:
    assert not ran_out(np.zeros(500, np.int64), 512)
    assert ran_out(np.zeros(512, np.int64), 512), "without the grammar"
    assert ran_out(np.zeros(505, np.int64), 512), "with it: no component fits any more"
