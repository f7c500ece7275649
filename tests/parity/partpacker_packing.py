# SPDX-License-Identifier: GPL-3.0-or-later
"""PartPacker's dual volume packing against golden numbers: scenes, and unit values of its tests."""

import json
import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import trimesh

from backend.geometry.packing.grouping import box_overlap, is_single_layer_plane
from backend.geometry.packing.pack import DualVolumePacking, pack, stitch_part
from backend.geometry.packing.parts import PackedPart, clean_part, merge_parts
from backend.geometry.packing.stitching import is_coplanar_and_convex

from .comparison import Comparison
from .golden import Golden
from .kinds import companion, kind
from .published.packing import Volumes, contact_depths, is_skipped, prepared_parts, published_volumes

companion("partpacker", "bipartite_expected")

DEPTH = 6e-7
"""Depths are recorded with six decimals."""
EQUAL_DISTANCE = 1e-9
"""Groups nearer to one distance than this come in any order."""
MOST_SEEDS = 400
"""Orders of equal contacts that are tried to find a recorded answer."""

Scene = dict[str, Any]
Answer = tuple[tuple[tuple[str, ...], ...], ...]
"""An assignment with its volumes, groups and names in order: the volumes are exchangeable."""


@kind("partpacker", "bipartite")
def bipartite(golden: Golden) -> Iterator[Comparison]:
    """The scenes and unit values of the packing tool; the expectations lie in the JSON file that the metadata names."""
    file = golden.path.with_name(golden.metadata.get("results", "bipartite_expected.json"))
    expected = json.loads(file.read_text(encoding="utf-8"))
    for name, scene in expected["cases"].items():
        parts = [_part(golden, name, part) for part in scene["parts"]]
        for comparison in (*_published_scene(parts, scene), *_our_scene(parts, scene)):
            yield comparison.renamed(f"{name} {comparison.name}")
    yield from _units(golden, expected["units"])


def _part(golden: Golden, scene: str, part: str) -> PackedPart:
    vertices, faces = (golden.input(f"{scene}.{part}.{name}") for name in ("vertices", "faces"))
    return PackedPart((part,), clean_part(trimesh.Trimesh(vertices, faces)))


def _published_scene(parts: list[PackedPart], scene: Scene) -> Iterator[Comparison]:
    """The published tool's steps: groups, contacts and their depths, what it skips, and every answer it gave."""
    prepared = _in_order(prepared_parts(parts), scene["order_seen"])
    names = ["_".join(part.members) for part in prepared]
    yield Comparison("grouped parts", sorted(names), sorted(map(_sorted_name, scene["order_seen"])))
    depths = contact_depths(prepared)
    recorded = [_sorted_pair(pair) for pair in scene["contacts_dilated"]]
    yield Comparison("contacts", sorted(_pair(names, pair) for pair in depths), sorted(recorded))
    last = {pair: of_pair[-1] for pair, of_pair in depths.items()}
    yield from _depths("last", names, last, scene.get("contact_depth_last", {}))
    yield Comparison("contraction skipped", is_skipped(last), scene["log_contains_skip"])
    if "reference_fails" in scene:
        sizes = sorted(map(len, published_volumes(prepared, last, seed=0)))
        yield Comparison("all in one group", sizes, [0, 1])
        return
    observed = {_answer(volumes) for volumes in scene["volumes_observed"]}
    reached, seed = set(), 0
    while not observed <= reached and seed < MOST_SEEDS:
        reached.add(_answer(published_volumes(prepared, last, seed)))
        seed += 1
    yield Comparison("recorded answers that no order of ties gives", observed - reached, set())
    distances = np.array([_distance(prepared, name) for name in scene.get("distance_order", [])])
    yield Comparison("groups by distance", np.sort(distances), distances, EQUAL_DISTANCE)
    if "contacts_left_in_one_volume_max" in scene:
        left = max(_contacts_inside(volumes, recorded) for volumes in scene["volumes_observed"])
        yield Comparison("contacts left in a volume", left, scene["contacts_left_in_one_volume_max"])


def _distance(parts: list[PackedPart], name: str) -> float:
    """Distance from the origin of a group, which is named by its members."""
    members = set(name.split("_"))
    group = merge_parts([part for part in parts if set(part.members) <= members])
    return float(np.linalg.norm(group.mesh.bounds.mean(axis=0)))


def _our_scene(parts: list[PackedPart], scene: Scene) -> Iterator[Comparison]:
    """Our own packing has the same contacts, at their deepest, and leaves none of them inside a volume."""
    packing = pack(parts)
    names = ["_".join(part.members) for part in packing.parts]
    recorded = [_sorted_pair(pair) for pair in scene["contacts_dilated"]]
    yield Comparison("our contacts", sorted(_pair(names, pair) for pair in packing.contacts), sorted(recorded))
    deepest = next((scene[key] for key in ("contact_depth_deepest", "contact_depth_max") if key in scene), None)
    if deepest is not None:
        yield from _depths("deepest", names, packing.contacts, deepest)
    members = sorted(name for volume in packing.volumes for group in volume for name in group.members)
    yield Comparison("our parts, each once", members, sorted(scene["parts"]))
    yield Comparison("our contacts left in a volume", _contacts_inside(_volumes(packing), recorded), 0)


def _in_order(parts: list[PackedPart], order: list[str]) -> list[PackedPart]:
    """Parts in the recorded order, which decides which contact of a pair is reported last."""
    place = {_sorted_name(name): position for position, name in enumerate(order)}
    return sorted(parts, key=lambda part: place.get("_".join(part.members), len(place)))


def _depths(
    which: str, names: list[str], ours: dict[tuple[int, int], float], recorded: dict[str, float]
) -> Iterator[Comparison]:
    if recorded:
        by_name = {_pair(names, pair): depth for pair, depth in ours.items()}
        actual = np.array([by_name.get(_sorted_pair(pair.split("|")), np.inf) for pair in recorded])
        yield Comparison(f"{which} depths", actual, np.array(list(recorded.values())), DEPTH)


def _volumes(packing: DualVolumePacking) -> Volumes:
    return [[group.members for group in volume] for volume in packing.volumes]


def _contacts_inside(volumes: Any, contacts: list[str]) -> int:
    """How many contacts lie between two groups of one volume; groups are lists of part names."""
    touching = {tuple(pair.split("|")) for pair in contacts}
    return sum(
        any(
            tuple(sorted((first, second))) in touching
            for first in _packed_names(one, touching) for second in _packed_names(other, touching)
        )
        for volume in volumes for one, other in combinations(volume, 2)
    )


def _packed_names(group: Any, touching: set[tuple[str, ...]]) -> list[str]:
    """The names in `touching` of which all members are in the group: smart groups are named by their members."""
    members = set(group)
    return [name for name in {name for pair in touching for name in pair} if set(name.split("_")) <= members]


def _pair(names: list[str], pair: tuple[int, int]) -> str:
    return "|".join(sorted((names[pair[0]], names[pair[1]])))


def _sorted_pair(pair: list[str]) -> str:
    return "|".join(sorted(map(_sorted_name, pair)))


def _sorted_name(name: str) -> str:
    """A merged part's name in our spelling, its members in order."""
    return "_".join(sorted(name.split("_")))


def _answer(volumes: Any) -> Answer:
    return tuple(sorted(tuple(sorted(tuple(sorted(group)) for group in volume)) for volume in volumes))


def _units(golden: Golden, units: dict[str, Any]) -> Iterator[Comparison]:
    """Every unit value, each by the test that its name names."""
    for key, expected in units.items():
        test, _, rest = key.partition(".")
        if test == "is_coplanar_and_convex":
            yield Comparison(key, is_coplanar_and_convex(_open_polygon(golden, rest)), expected)
        elif plane := re.fullmatch(r"single_layer_plane_([\d.e-]+)\.(.+)", key):
            yield Comparison(key, is_single_layer_plane(_unit_mesh(golden, plane[2]), float(plane[1])), expected)
        elif test == "stitch":
            stitched = stitch_part(_unit_mesh(golden, rest))
            yield Comparison(f"{key} faces", len(stitched.faces), expected["faces_after"])
            yield Comparison(f"{key} watertight", bool(stitched.is_watertight), expected["watertight_after"])
            yield Comparison(f"{key} open", not stitched.is_watertight, expected["still_open_flag"])
            yield Comparison(f"{key} faces before", len(_unit_mesh(golden, rest).faces), expected["faces_before"])
        elif key == "bbox_iou":
            yield from _overlaps(expected, units.get("bbox_iou_boxes"))
        elif key != "bbox_iou_boxes":
            yield Comparison(f"{key}: no test has this name", False, True)


def _open_polygon(golden: Golden, name: str) -> np.ndarray:
    """The polygon's points; a last one that repeats the first is dropped."""
    points = golden.input(f"unit.polygon.{name}").numpy()
    return points[:-1] if np.array_equal(points[0], points[-1]) else points


def _unit_mesh(golden: Golden, name: str) -> trimesh.Trimesh:
    vertices, faces = (golden.input(f"unit.mesh.{name}.{part}") for part in ("vertices", "faces"))
    return trimesh.Trimesh(vertices, faces, process=False)


def _overlaps(expected: dict[str, list[float]], boxes: Any) -> Iterator[Comparison]:
    """Shared and united volume of pairs of boxes: listed under the same names, or given by the names themselves."""
    for key, (shared, united) in expected.items():
        pair = boxes.get(key) if isinstance(boxes, dict) else boxes
        first, second = (_bounds_named(key) if pair is None else _bounds_listed(pair)).values()
        meshes = [trimesh.creation.box(bounds=bounds) for bounds in (first, second)]
        yield Comparison(f"box overlap {key}", np.array(box_overlap(*meshes)), np.array(shared / united), 1e-12)


def _bounds_listed(pair: Any) -> dict[str, np.ndarray]:
    """Two boxes, each as [low, high] or six numbers, in a list or under names."""
    given = list(pair.values()) if isinstance(pair, dict) else pair
    return {name: np.asarray(box, dtype=float).reshape(2, 3) for name, box in zip("ab", given, strict=True)}


def _bounds_named(key: str) -> dict[str, np.ndarray]:
    """Boxes written as products of intervals: `a=[0,1]^3,b=[0.5,1.5]x[0,1]^2`."""
    boxes = {}
    for name, product in re.findall(r"(\w)=([^=]*?)(?=,\w=|$)", key):
        factors = re.findall(r"\[([^\],]+),([^\]]+)\](?:\^(\d))?", product)
        sides = [(float(low), float(high)) for low, high, power in factors for _ in range(int(power or 1))]
        boxes[name] = np.array(sides).T
    return boxes
