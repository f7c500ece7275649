# SPDX-License-Identifier: GPL-3.0-or-later
"""Token sequences of one surface to meshes in its place, and these to a result."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...contract import VARIANT_GROUP, Artifact, JobFolder, MeshData, MeshwrightError, Remedy, Result
from ...contract.parameter import Value
from ...contract.reports import CountReport
from ...geometry.components import is_watertight
from ...geometry.manifold_repair.orientation import wind_outward
from .grammar import MIN_TOKENS
from .tokenizer import close_parts, decode

MESH_FILE = "mesh.npz"
OUT_OF_TOKENS = "The tokens ran out, so that the mesh may lack a part: raise Max Faces, or split the object first."


@dataclass(frozen=True)
class Variant:
    """One generated mesh in the input's place and frame; `properties` are metrics for the artist."""

    vertices: NDArray[np.floating]
    faces: NDArray[np.int32]
    notes: tuple[str, ...] = ()
    complete: bool = True
    """Whether the sequence ended by itself and was intact."""
    properties: dict[str, Value] = field(default_factory=dict)


def mesh_variants(
    sequences: Sequence[NDArray[np.int64]],
    max_tokens: int,
    placed: Callable[[NDArray[np.floating]], NDArray[np.floating]],
    closed: bool,
    report: CountReport,
) -> list[Variant]:
    """The meshes of the sequences that make any surface, in their order.

    `max_tokens` is how long they could become; `placed` brings float [V, 3] from the tokens' frame to the input's.
    Where the input was `closed`, parts that a small repair closes are repaired.
    `report` is called with `(done, of)`. Raises MeshwrightError when there is none.
    """
    variants = []
    for number, sequence in enumerate(sequences, 1):
        decoded = decode(sequence)
        if MeshData(decoded.vertices, decoded.faces).area_vectors().any():
            outward = wind_outward(decoded.vertices, close_parts(decoded.faces) if closed else decoded.faces)
            notes = (*decoded.notes, OUT_OF_TOKENS) if ran_out(sequence, max_tokens) else decoded.notes
            variants.append(Variant(placed(decoded.vertices), outward, notes, complete=not notes))
        report(number, len(sequences))
    if not variants:
        raise MeshwrightError("No mesh was generated.", "The sampled tokens contain no face.",
                              "Try another seed or a lower temperature.", Remedy.RETRY)
    return variants


def ran_out(sequence: NDArray[np.int64], max_tokens: int) -> bool:
    """Whether it was the length that ended the sequence. The grammar closes the last component in time and leaves too
    few tokens for another one."""
    return len(sequence) > max_tokens - MIN_TOKENS


def result_of(
    variants: Sequence[Variant], wanted: int, subject: str, folder: JobFolder, prefix: str = ""
) -> Result:
    """Write the variants, the best first, and report on them. `wanted` is how many were asked for; `prefix` begins
    the names of the files."""
    artifacts, notes = [], []
    for number, variant in enumerate(variants, 1):
        name, file = (subject, MESH_FILE) if number == 1 else (f"{subject}.v{number}", f"variant.{number}.npz")
        file = prefix + file
        MeshData(variant.vertices, variant.faces).write(folder.outputs / file)
        mesh = MeshData(variant.vertices.astype(np.float32), variant.faces)
        properties = {"faces": len(variant.faces), "watertight": is_watertight(mesh), **variant.properties}
        artifacts.append(Artifact(name, "mesh", file, "mesh", group=VARIANT_GROUP, properties=properties))
        notes += [f"Variant {number}: {note}" if len(variants) > 1 else note for note in variant.notes]
    if len(variants) < wanted:
        notes.append(f"{wanted - len(variants)} of {wanted} variants came out empty.")
    return Result(tuple(artifacts), notes=tuple(notes))
