# SPDX-License-Identifier: GPL-3.0-or-later
"""Token sequences of one surface to meshes in its place, and these to a result."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...contract import Artifact, JobFolder, MeshwrightError, Remedy, Result, write_mesh
from ...contract.parameter import Value
from ...geometry.components import is_watertight
from ...geometry.mesh import TriangleMesh
from .orientation import wind_outward
from .tokenizer import decode

MESH_FILE = "mesh.npz"
GROUP = "variant"
"""Group of artifacts of which one is to be seen, the first being the best."""


@dataclass(frozen=True)
class Variant:
    """One woven mesh in the input's place and frame; `properties` are figures for the artist."""

    vertices: NDArray[np.floating]
    faces: NDArray[np.int32]
    notes: tuple[str, ...] = ()
    properties: dict[str, Value] = field(default_factory=dict)


def woven_variants(
    sequences: Sequence[NDArray[np.int64]],
    placed: Callable[[NDArray[np.floating]], NDArray[np.floating]],
    report: Callable[[int, int], None],
) -> list[Variant]:
    """The meshes of the sequences that make any face, in their order.

    `placed` brings float [V, 3] from the tokens' frame to the input's; `report` is told `(done, of)`. Raises
    MeshwrightError when there is none.
    """
    variants = []
    for number, sequence in enumerate(sequences, 1):
        woven = decode(sequence)
        if len(woven.faces):
            outward = wind_outward(woven.vertices, woven.faces)
            variants.append(Variant(placed(woven.vertices), outward, woven.notes))
        report(number, len(sequences))
    if not variants:
        raise MeshwrightError("No mesh came of this.", "The tokens that were drawn make no face.",
                              "Try another seed or a lower temperature.", Remedy.RETRY)
    return variants


def result_of(variants: Sequence[Variant], wanted: int, subject: str, folder: JobFolder) -> Result:
    """Write the variants, the best first, and tell about them. `wanted` is how many were asked for."""
    artifacts, notes = [], []
    for number, variant in enumerate(variants, 1):
        name, file = (subject, MESH_FILE) if number == 1 else (f"{subject}.v{number}", f"variant.{number}.npz")
        write_mesh(folder.outputs / file, variant.vertices, variant.faces)
        mesh = TriangleMesh(variant.vertices.astype(np.float32), variant.faces)
        properties = {"faces": len(variant.faces), "watertight": is_watertight(mesh), **variant.properties}
        artifacts.append(Artifact(name, "mesh", file, group=GROUP, properties=properties))
        notes += [f"Variant {number}: {note}" if len(variants) > 1 else note for note in variant.notes]
    if len(variants) < wanted:
        notes.append(f"{wanted - len(variants)} of {wanted} variants came out empty.")
    return Result(tuple(artifacts), notes=tuple(notes))
