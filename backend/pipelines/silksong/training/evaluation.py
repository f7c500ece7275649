# SPDX-License-Identifier: GPL-3.0-or-later
"""How good weights are on held-out objects: the loss, and the meshes generated from dense versions of them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....contract import BadInput, MeshData
from ....geometry.components import is_watertight
from ....geometry.manifold_repair.mesh_repair import LONGEST_SIDE
from ....geometry.normalization import Normalization
from ....procedural.dense import densified
from ..mesh_cleaning import clean_mesh
from ..pipeline import SilksongPipeline
from ..point_sampling import sample_condition_points
from ..tokenizer import close_parts, decode
from ..tokenizer.vocabulary import COMPONENT
from .cleaning import CleaningRule, checked_tokens
from .learning import SilksongLearner
from .surface_points import sample_points

SPARE = 64
"""A sequence ends of itself when so many tokens are left: nearer to the limit, the grammar makes it end."""
SAMPLES = 8192
"""Points per surface between which distances are measured during training."""

Measure = Callable[[MeshData, MeshData], float]
"""Symmetric mean distance of a generated mesh (the second) to the given one, in diagonals of the latter."""


@dataclass(frozen=True)
class HeldOut:
    """Objects that no training sees, in the frame of the tokens."""

    tokens: list[NDArray[np.int64]]
    surfaces: list[MeshData]
    """What an artist would give: the dense mesh, normalized."""
    points: Tensor
    """Condition points float16 [N, 4096, 6]."""
    faces: list[int]
    """Triangles of the low-poly objects."""

    @classmethod
    def of(cls, meshes: Iterable[MeshData], count: int, rule: CleaningRule, dense: bool) -> HeldOut:
        """From the first ``count`` low-poly meshes, y up, that the rule takes.

        With ``dense`` it is dense versions of them that are looked at. Raises BadInput when the rule takes none.
        """
        taken = ((mesh, *checked_tokens(mesh, rule, LONGEST_SIDE)) for mesh in meshes)
        chosen = list(islice(((mesh, tokens) for mesh, tokens, reason in taken if not reason), count))
        if not chosen:
            raise BadInput("There is no mesh to evaluate with.", "All that are held out are refused.",
                           "Add meshes to the folder.")
        meshes = [mesh for mesh, _ in chosen]
        given = [densified(mesh, number, smooth=number % 2 == 1) if dense else mesh
                 for number, mesh in enumerate(meshes)]
        surfaces = [normalized(clean_mesh(mesh)) for mesh in given]
        points = [sample_condition_points(mesh.vertices, mesh.faces, number) for number, mesh in enumerate(surfaces)]
        return cls([tokens for _, tokens in chosen], surfaces, torch.stack(points),
                   [len(mesh.faces) for mesh in meshes])


def normalized(mesh: MeshData) -> MeshData:
    """The mesh in the frame of the tokens."""
    return MeshData(Normalization.to_box(mesh.bounds, LONGEST_SIDE).apply(mesh.vertices), mesh.faces)


def sampled_distance(surface: MeshData, decoded: MeshData, device: torch.device) -> float:
    """A ``Measure`` between random points of both: quick on a GPU, and too large by half the points' spacing."""
    generator = torch.Generator(device).manual_seed(0)
    first, second = (
        sample_points(
            torch.from_numpy(mesh.corners()).float().to(device)[None],
            torch.tensor([len(mesh.faces)], device=device), SAMPLES, generator,
        )[0, :, :3]
        for mesh in (surface, decoded)
    )
    between = torch.cdist(first, second)
    mean = (between.min(dim=0).values.mean() + between.min(dim=1).values.mean()) / 2
    return float(mean) / surface.diagonal


def metrics_of_one(
    sequence: NDArray[np.int64], held_out: HeldOut, number: int, most_tokens: int, measure: Measure
) -> dict[str, float]:
    """Metrics of the sequence generated for one object; made into a mesh as an artist's is."""
    decoded, components = decode(sequence), int((held_out.tokens[number] == COMPONENT).sum())
    closed = is_watertight(held_out.surfaces[number])
    mesh = MeshData(decoded.vertices, close_parts(decoded.faces) if closed else decoded.faces)
    return {
        "tokens": len(sequence),
        "ended": float(len(sequence) <= most_tokens - SPARE),
        "intact": float(not decoded.notes),
        "closed": float(is_watertight(mesh)),
        "distance": measure(held_out.surfaces[number], mesh),
        "face_ratio": len(mesh.faces) / held_out.faces[number],
        "components_exact": float((sequence == COMPONENT).sum() == components),
    }


def summary(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """The metrics of the model card."""
    distances, ratios = ([row[name] for row in rows] for name in ("distance", "face_ratio"))
    return {
        "objects": len(rows),
        **{name: float(np.mean([row[name] for row in rows])) for name in ("ended", "intact", "closed")},
        "distance_mean": float(np.mean(distances)),
        "distance_median": float(np.median(distances)),
        "distance_largest": float(np.max(distances)),
        "face_ratio_mean": float(np.mean(ratios)),
        "face_ratio_median": float(np.median(ratios)),
        "components_exact": float(np.mean([row["components_exact"] for row in rows])),
    }


@torch.no_grad()
def held_out_loss(learner: SilksongLearner, held_out: HeldOut) -> float:
    """Mean cross-entropy of all true tokens and ends."""
    device, total = learner.transformer.device, 0.0
    for points, tokens in zip(held_out.points, held_out.tokens, strict=True):
        mean = learner([(points.float().to(device)[None], torch.from_numpy(tokens).to(device)[None])])
        total += float(mean) * (len(tokens) + 1)
    return total / sum(len(tokens) + 1 for tokens in held_out.tokens)


def held_out_metrics(learner: SilksongLearner, held_out: HeldOut) -> dict[str, float]:
    """Loss and metrics of all objects, generated together with the default settings."""
    # Generation takes over the transformer's weights: it gets copies.
    pipeline = SilksongPipeline(copy.deepcopy(learner.conditioner).eval(), copy.deepcopy(learner.transformer).eval())
    measure = partial(sampled_distance, device=pipeline.transformer.device)
    rows = [
        metrics_of_one(sequence, held_out, number, pipeline.max_tokens, measure)
        for number, sequence in enumerate(pipeline(points=held_out.points))
    ]
    return {"loss_held_out": held_out_loss(learner, held_out), **summary(rows)}
