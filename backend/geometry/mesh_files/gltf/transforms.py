# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the nodes of a glTF file stand: their own transforms, their parents', instances, and joints."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..unreadable import Unreadable
from .accessors import floats
from .document import Document, Entry
from .primitives import Primitive

Floats = NDArray[np.float64]


def reachable(document: Document) -> tuple[list[int], list[int]]:
    """(the nodes of the default scene, else of the first, else all; those of other scenes), both in the file's order.

    Raises Unreadable.
    """
    scenes, count = document.entries("scenes"), len(document.entries("nodes"))
    if not scenes:
        return list(range(count)), []
    chosen = document.entry("scenes", document.scene.get("scene", 0))
    seen: set[int] = set()
    waiting = list(chosen.get("nodes") or ())
    while waiting:
        index = waiting.pop()
        if index not in seen:
            seen.add(index)
            waiting += document.entry("nodes", index).get("children") or ()
    return sorted(seen), [index for index in range(count) if index not in seen]


def world_matrices(document: Document) -> list[Floats]:
    """The matrix float64 [4, 4] of every node, from its own frame to the file's world. Raises Unreadable."""
    nodes = document.entries("nodes")
    parents = {child: index for index, node in enumerate(nodes) for child in node.get("children") or ()}
    found: dict[int, Floats] = {}
    for start in range(len(nodes)):
        chain: list[int] = []
        above: int | None = start
        while above is not None and above not in found:
            if above in chain:
                raise Unreadable("A node of it is its own parent.")
            chain.append(above)
            above = parents.get(above)
        for index in reversed(chain):
            own = local_matrix(document.entry("nodes", index))
            found[index] = found[parents[index]] @ own if index in parents else own
    return [found[index] for index in range(len(nodes))]


def local_matrix(node: Entry) -> Floats:
    """A node's own matrix float64 [4, 4]."""
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    return composed(node.get("translation", (0.0, 0.0, 0.0)), node.get("rotation", (0.0, 0.0, 0.0, 1.0)),
                    node.get("scale", (1.0, 1.0, 1.0)))


def composed(translation: NDArray | tuple, rotation: NDArray | tuple, scale: NDArray | tuple) -> Floats:
    """A matrix [4, 4] of a translation, a quaternion (x, y, z, w) and a scale."""
    x, y, z, w = np.asarray(rotation, np.float64) / max(float(np.linalg.norm(rotation)), 1e-30)
    matrix = np.eye(4)
    matrix[:3, :3] = np.array([[1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                               [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                               [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]]) * scale
    matrix[:3, 3] = translation
    return matrix


def instances(document: Document, attributes: dict[str, int]) -> list[Floats]:
    """The matrices [4, 4] of a node's instances in its own frame (EXT_mesh_gpu_instancing)."""
    given = {name: floats(document, attributes[name]) for name in ("TRANSLATION", "ROTATION", "SCALE")
             if name in attributes}
    count = max((len(values) for values in given.values()), default=0)
    if any(len(values) != count for values in given.values()):
        raise Unreadable("The attributes of its instances differ in their numbers.")
    rest = {"TRANSLATION": np.zeros((count, 3)), "ROTATION": np.tile([0.0, 0, 0, 1], (count, 1)),
            "SCALE": np.ones((count, 3))}
    rows = rest | given
    return [composed(*row) for row in zip(rows["TRANSLATION"], rows["ROTATION"], rows["SCALE"], strict=True)]


def skinned(document: Document, skin: Entry, primitive: Primitive, placed: Floats, worlds: list[Floats]) -> Floats:
    """The positions [V, 3] as the joints place them in the file's world. Raises Unreadable."""
    joints = np.array([worlds[index] for index in skin["joints"]])
    if "inverseBindMatrices" in skin:
        bound = floats(document, skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
        if len(bound) < len(joints):
            raise Unreadable("A skin has fewer bind matrices than joints.")
        joints = joints @ bound[: len(joints)]
    moved, total = np.zeros_like(placed), np.zeros(len(placed))
    homogeneous = np.column_stack([placed, np.ones(len(placed))])
    for number, weights in enumerate(primitive.sets("WEIGHTS")):
        which, _ = primitive.attributes.get(f"JOINTS_{number}", (None, False))
        if which is None or (which[weights > 0] >= len(joints)).any():
            raise Unreadable("A skinned mesh names joints that its skin does not have.")
        for column in range(weights.shape[1]):
            share = weights[:, column]
            used = share != 0
            matrices = joints[which[used, column].astype(np.int64)]
            moved[used] += share[used, None] * np.einsum("vij,vj->vi", matrices, homogeneous[used])[:, :3]
            total += share
    loose = total == 0
    moved[~loose] /= total[~loose, None]
    moved[loose] = placed[loose]
    return moved
