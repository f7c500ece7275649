# SPDX-License-Identifier: GPL-3.0-or-later
"""Dual volume packing: the graph's invariants, contacts, grouping, stitching, whole scenes."""

import time

import networkx as nx
import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.contract import BadInput
from backend.geometry.packing.contact import find_contacts
from backend.geometry.packing.graph import build_adjacency, color_two_volumes, find_odd_cycle
from backend.geometry.packing.grouping import box_overlap
from backend.geometry.packing.pack import PackOptions, pack, stitch_part
from backend.geometry.packing.parts import PackedPart, clean_part, connected_parts


@st.composite
def contact_graphs(draw, most: int = 9):
    count = draw(st.integers(0, most))
    pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    depths = draw(st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), min_size=len(chosen), max_size=len(chosen)))
    keys = draw(st.lists(st.floats(0, 1), min_size=count, max_size=count))
    return dict(zip(chosen, depths, strict=True)), keys


def to_networkx(contacts, count: int) -> nx.Graph:
    graph = nx.Graph()
    graph.add_nodes_from(range(count))
    graph.add_edges_from(contacts)
    return graph


@given(contact_graphs())
def test_contacts_are_in_one_group_or_in_different_volumes(graph):
    contacts, keys = graph
    group_of, volume_of_group = color_two_volumes(contacts, keys)
    assert len(group_of) == len(keys)
    assert set(volume_of_group) <= {0, 1}
    assert sorted(set(group_of)) == list(range(len(volume_of_group)))
    for first, second in contacts:
        a, b = group_of[first], group_of[second]
        assert a == b or volume_of_group[a] != volume_of_group[b]


@given(contact_graphs())
def test_only_graphs_with_odd_cycles_are_contracted_and_groups_hang_together(graph):
    contacts, keys = graph
    group_of, _ = color_two_volumes(contacts, keys)
    drawn = to_networkx(contacts, len(keys))
    assert nx.is_bipartite(drawn) == (len(set(group_of)) == len(keys))
    for group in set(group_of):
        assert nx.is_connected(drawn.subgraph([node for node, owner in enumerate(group_of) if owner == group]))


@given(contact_graphs())
def test_odd_cycle_is_one(graph):
    contacts, keys = graph
    cycle = find_odd_cycle(build_adjacency(len(keys), contacts), range(len(keys)))
    assert (cycle is None) == nx.is_bipartite(to_networkx(contacts, len(keys)))
    if cycle is not None:
        assert len(cycle) % 2 == 1
        assert len(set(cycle)) == len(cycle)
        edges = {frozenset(pair) for pair in contacts}
        assert all(frozenset(pair) in edges for pair in zip(cycle, cycle[1:] + cycle[:1], strict=True))


@given(st.integers(1, 4).map(lambda half: 2 * half + 1), st.data())
def test_an_odd_ring_loses_its_deepest_edge_only(size, data):
    depths = data.draw(st.permutations([0.01 * (i + 1) for i in range(size)]))
    contacts = {(i, (i + 1) % size): depth for i, depth in enumerate(depths)}
    deepest = max(contacts, key=contacts.get)
    group_of, _ = color_two_volumes(contacts, [0.0] * size)
    assert len(set(group_of)) == size - 1
    assert group_of[deepest[0]] == group_of[deepest[1]]


def test_loose_parts_alternate_in_order():
    group_of, volumes = color_two_volumes({}, [0.4, 0.1, 0.3, 0.2])
    assert [volumes[group] for group in group_of] == [1, 0, 0, 1]


def test_complete_graph_of_300_parts_is_quick():
    contacts = {(i, j): (7 * i + 13 * j) % 101 / 100 for i in range(300) for j in range(i)}
    began = time.perf_counter()
    group_of, volumes = color_two_volumes(contacts, [0.0] * 300)
    assert time.perf_counter() - began < 10
    assert sorted(volumes) == [0, 1]
    assert len(set(group_of)) == 2


@pytest.mark.parametrize("pair", [(0, 0), (0, 3), (-1, 1)])
def test_impossible_contacts_are_refused(pair):
    with pytest.raises(ValueError, match="contact"):
        color_two_volumes({pair: 1.0}, [0.0, 0.0, 0.0])


def cube(center, side=1.0) -> trimesh.Trimesh:
    box = trimesh.creation.box(extents=np.broadcast_to(side, 3))
    return box.apply_translation(center)


def named(meshes: dict[str, trimesh.Trimesh]) -> list[PackedPart]:
    return [PackedPart((name,), clean_part(mesh)) for name, mesh in meshes.items()]


def assignment(packing) -> set[frozenset[tuple[str, ...]]]:
    return {frozenset(group.members for group in volume) for volume in packing.volumes}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3, st.sampled_from([0.5, 0.999, 1.0, 1.2])), min_size=1, max_size=9))
def test_packing_of_random_boxes(boxes):
    parts = named({f"b{i}": cube(center, side) for i, (*center, side) in enumerate(boxes)})
    packing = pack(parts)
    members = sorted(name for volume in packing.volumes for group in volume for name in group.members)
    assert members == sorted(f"b{i}" for i in range(len(boxes)))
    place = {
        name: (volume, group)
        for volume, groups in enumerate(packing.volumes)
        for group, part in enumerate(groups)
        for name in part.members
    }
    for i, j in packing.contacts:
        first, second = place[packing.parts[i].members[0]], place[packing.parts[j].members[0]]
        assert first == second or first[0] != second[0]
    again = pack(parts[::-1])
    assert [[g.members for g in v] for v in again.volumes] == [[g.members for g in v] for v in packing.volumes]


def test_chain_of_touching_boxes_alternates():
    packing = pack(named({f"p{i}": cube((i, 0, 0)) for i in range(5)}))
    assert assignment(packing) == {frozenset({("p0",), ("p2",), ("p4",)}), frozenset({("p1",), ("p3",)})}
    assert len(packing.contacts) == 4


def test_boards_that_all_cross_become_two_groups():
    board = trimesh.creation.box((1.0, 0.01, 1.0))
    turns = [trimesh.transformations.rotation_matrix(np.pi * i / 11, (0, 0, 1)) for i in range(11)]
    boards = named({f"b{i:02d}": board.copy().apply_transform(turn) for i, turn in enumerate(turns)})
    packing = pack(boards, PackOptions(group=False))
    assert len(packing.contacts) == 55
    assert [len(volume) for volume in packing.volumes] == [1, 1]


def test_of_equally_deep_contacts_the_parts_that_overlap_more_are_merged():
    spokes = [trimesh.transformations.rotation_matrix(2 * np.pi * i / 5, (0, 0, 1)) for i in range(5)]
    side = cube((1.0, 0, 0), (0.2, 1.5, 0.5))
    meshes = {f"p{i}": side.copy().apply_transform(turn) for i, turn in enumerate(spokes)}
    packing = pack(named(meshes))
    assert np.ptp(list(packing.contacts.values())) < 1e-6
    overlap = {pair: box_overlap(*(packing.parts[i].mesh for i in pair)) for pair in packing.contacts}
    most = max(overlap.values())
    (merged,) = [group.members for volume in packing.volumes for group in volume if len(group.members) > 1]
    assert overlap[int(merged[0][1:]), int(merged[1][1:])] == pytest.approx(most)
    assert min(overlap.values()) < most - 0.01


def test_positions_are_kept_up_to_the_normalizing_map():
    meshes = {"a": cube((5, 1, 2), (2, 1, 1)), "b": cube((8, 1, 2))}
    packing = pack(named(meshes))
    for part in packing.parts:
        original = meshes[part.members[0]]
        assert packing.normalization.invert(part.mesh.bounds) == pytest.approx(original.bounds)
    corners = np.concatenate([part.mesh.bounds for part in packing.parts])
    assert corners.min(axis=0) == pytest.approx(-corners.max(axis=0))
    assert np.ptp(corners, axis=0).max() == pytest.approx(0.95)


def test_one_part_leaves_the_second_volume_empty():
    packing = pack(named({"only": cube((0, 0, 0))}))
    assert [[len(group.mesh.faces) for group in volume] for volume in packing.volumes] == [[12], []]


def test_small_and_flat_parts_join_what_they_touch():
    corners = [[0.2, 0.2, 0.5], [0.4, 0.2, 0.5], [0.4, 0.4, 0.5], [0.2, 0.4, 0.5]]
    sheet = trimesh.Trimesh(corners, [[0, 1, 2], [0, 2, 3]])
    meshes = {"body": cube((0, 0, 0)), "screw": cube((0.51, 0, 0), 0.04), "decal": sheet, "far": cube((5, 0, 0))}
    grouped = {part.members for part in pack(named(meshes)).parts}
    assert grouped == {("body", "decal", "screw"), ("far",)}
    assert len(pack(named(meshes), PackOptions(group=False)).parts) == 4


def test_contacts_of_solids_and_surfaces():
    ball = trimesh.creation.icosphere(2, 0.2)
    assert find_contacts([cube((0, 0, 0)), ball]).keys() == {(0, 1)}  # a convex part is solid
    ring = trimesh.creation.torus(1.0, 0.4)
    inside = ball.copy().apply_translation((1.0, 0, 0))
    assert find_contacts([ring, inside]) == {}  # any other part is its surface
    depth = find_contacts([cube((0, 0, 0)), cube((0.9, 0, 0))])[0, 1]
    assert depth == pytest.approx(0.1, abs=1e-6)


def test_open_box_is_closed_outward_and_a_sheet_is_not():
    whole = cube((0, 0, 0))
    lidless = trimesh.Trimesh(whole.vertices, whole.faces[whole.face_normals[:, 2] < 0.5], process=False)
    closed = stitch_part(lidless)
    assert closed.is_watertight
    assert closed.volume == pytest.approx(1.0)
    sheet = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [[0, 1, 2], [0, 2, 3]], process=False)
    assert stitch_part(sheet) is sheet


def test_connected_parts_of_one_mesh():
    two = trimesh.util.concatenate([cube((0, 0, 0)), cube((3, 0, 0))])
    assert [len(part.mesh.faces) for part in connected_parts(two)] == [12, 12]


def test_pieces_with_coinciding_borders_are_one_part():
    ball = trimesh.creation.icosphere(3)
    upper = ball.triangles_center[:, 2] > 0
    halves = [trimesh.Trimesh(ball.vertices, ball.faces[side], process=False) for side in (upper, ~upper)]
    fin = trimesh.Trimesh(*_fin_on_border(halves[0]), process=False)
    parts = connected_parts(trimesh.util.concatenate([*halves, fin, cube((5, 0, 0))]))
    assert 12 in [len(part.mesh.faces) for part in parts]
    assert max(len(part.mesh.faces) for part in parts) >= len(ball.faces)


def _fin_on_border(half: trimesh.Trimesh):
    """A skirt along the half's border: its edges then have three faces, which parts the halves."""
    outline = half.outline().discrete[0]
    outer = outline * [1.3, 1.3, 1.0]
    count = len(outline) - 1
    vertices = np.concatenate([outline[:-1], outer[:-1]])
    here = np.arange(count)
    after = (here + 1) % count
    quads = np.stack([here, after, after + count, here + count], axis=1)
    return vertices, np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]])


@pytest.mark.parametrize(
    ("meshes", "why"),
    [
        ({}, "no parts"),
        ({"a": trimesh.Trimesh([[0, 0, 0]], np.zeros((0, 3), int), process=False)}, "no faces"),
        ({"a": trimesh.Trimesh([[0, 0, 0]] * 3, [[0, 1, 2]], process=False)}, "extent"),
    ],
)
def test_what_cannot_be_packed_is_refused_in_clear_words(meshes, why):
    with pytest.raises(BadInput, match=why):
        pack([PackedPart((name,), mesh) for name, mesh in meshes.items()])


def test_two_parts_of_one_name_are_refused():
    with pytest.raises(BadInput, match="name"):
        pack([PackedPart(("a",), cube((0, 0, 0))), PackedPart(("a",), cube((2, 0, 0)))])
