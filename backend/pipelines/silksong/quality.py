# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics of generated meshes, for the artist's quality report, and which of several variants is the best."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...contract import MeshData
from ...contract.mesh_metrics import (
    COMPONENTS,
    FACES,
    HAUSDORFF_DISTANCE,
    MEAN_DISTANCE,
    NON_MANIFOLD_EDGES,
    OPEN_EDGES,
)
from ...contract.parameter import Value
from ...geometry.components import directed_edges, edge_runs, face_labels
from ...geometry.deviation import Deviation, deviations
from .variants import Variant

logger = logging.getLogger(__name__)

AS_NEAR = 1.5
"""Variants whose mean distance is at most this many times the smallest one's are equally good likenesses."""


@dataclass(frozen=True)
class Topology:
    """How the faces of a mesh hang together; vertices at the same place are different ones, as in Blender."""

    open_edges: int
    """Edges of one face."""
    non_manifold_edges: int
    """Edges of three or more faces."""
    components: int
    """Surfaces that share no edge."""

    @classmethod
    def of(cls, faces: NDArray[np.integer]) -> "Topology":
        """Of faces int [F, 3]."""
        count = edge_runs(directed_edges(faces))[2]
        labels = face_labels(faces, through_manifold_edges=False)
        return cls(int((count == 1).sum()), int((count > 2).sum()), int(labels.max(initial=-1)) + 1)


def best_first(
    variants: Sequence[Variant],
    original: MeshData,
    *,
    closed: bool,
    check: Callable[[], None],
    warn: Callable[[str], None],
) -> list[Variant]:
    """Give the variants their metrics, and put the best first.

    1. Complete ones come before those that were cut off or had to be salvaged: these lack an unknown piece.
    2. Then those about as near to the original as the nearest (`AS_NEAR`), by mean distance: a variant without a leg
       may well be free of holes.
    3. Among equally near ones, those with the fewest non-manifold edges and, where the original is `closed`, open
       edges: such faults cost the artist more work than a slightly larger distance. An open original has open edges
       by right.
    4. Then the smaller mean distance.

    `original` is in the variants' frame. `check` may raise to give up. No mesh is lost where warp cannot
    compile or keep its kernels: then they are ordered without distances, and `warn` is called.
    """
    topologies = [Topology.of(variant.faces) for variant in variants]
    meshes = [MeshData(variant.vertices.astype(np.float32), variant.faces) for variant in variants]
    try:
        distances: Sequence[Deviation | None] = deviations(original, meshes, check=check)
    except (OSError, RuntimeError) as error:
        logger.exception("the distance to the original was not measured")
        warn(f"The distance to the original could not be measured: {error}")
        distances = [None] * len(variants)
    ranked = sorted(range(len(variants)), key=_rank(variants, topologies, distances, closed))
    return [replace(variants[number], properties=metrics(
        variants[number], topologies[number], distances[number], len(original.faces))) for number in ranked]


def metrics(
    variant: Variant, topology: Topology, distance: Deviation | None, original_faces: int
) -> dict[str, Value]:
    """The properties of the variant's artifact; distances in percent of the original's bounding-box diagonal."""
    known: dict[str, Value] = {
        **variant.properties,
        FACES.name: len(variant.faces),
        OPEN_EDGES.name: topology.open_edges,
        NON_MANIFOLD_EDGES.name: topology.non_manifold_edges,
        COMPONENTS.name: topology.components,
        "complete": variant.complete,
        "original_faces": original_faces,
    }
    if distance is not None:
        known |= {
            MEAN_DISTANCE.name: _percent(distance.mean),
            HAUSDORFF_DISTANCE.name: _percent(distance.hausdorff),
            "hausdorff_error_percent": _percent(distance.largest_error),
        }
    return known


def _rank(
    variants: Sequence[Variant],
    topologies: Sequence[Topology],
    distances: Sequence[Deviation | None],
    closed: bool,
) -> Callable[[int], tuple[bool, bool, int, float]]:
    """The sort key of a variant's number; smaller is better."""
    means = [0.0 if distance is None else distance.mean for distance in distances]
    # The nearest of those that can come first; the others stand behind them whatever their distance is.
    leading = max(variant.complete for variant in variants)
    nearest = min(mean for mean, variant in zip(means, variants, strict=True) if variant.complete == leading)

    def rank(number: int) -> tuple[bool, bool, int, float]:
        topology = topologies[number]
        faults = topology.non_manifold_edges + (topology.open_edges if closed else 0)
        far = means[number] > AS_NEAR * nearest
        return not variants[number].complete, far, 0 if far else faults, means[number]

    return rank


def _percent(share: float) -> float:
    """Four digits after the point: below that is noise of float32."""
    return round(100 * share, 4)
