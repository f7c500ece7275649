# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh Silksong's tokenizer and mesh repair against golden numbers: integers are equal, not only close."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from backend.contract import BadInput
from backend.geometry.manifold_repair import repair
from backend.geometry.manifold_repair.mesh_repair import normalize
from backend.geometry.mesh import TriangleMesh
from backend.pipelines.silksong.mesh_cleaning import clean_mesh
from backend.pipelines.silksong.tokenizer import decode, encode
from backend.pipelines.silksong.tokenizer.encode import prepare

from .comparison import Comparison
from .golden import Golden
from .kinds import kind

INDEX_ERROR = "raises IndexError"

# fmt: off
PART_COLORS = np.array([
    (135, 206, 250), (144, 238, 144), (255, 182, 193), (210, 180, 140), (218, 112, 214),
    (255, 215, 0), (255, 99, 71), (240, 128, 128), (173, 216, 230), (152, 251, 152),
])
# fmt: on


@dataclass
class RawMesh:
    """A mesh of the golden file, float64 as it was recorded."""

    vertices: np.ndarray
    faces: np.ndarray


def exact(name: str, actual: object, expected: object) -> Comparison:
    return Comparison(name, actual, expected, 0.0)


def raw_mesh(golden: Golden) -> RawMesh:
    return RawMesh(golden.input("vertices").numpy(), golden.input("faces").numpy())


@kind("silksong", "tok_")
def tokenized(golden: Golden) -> Iterator[Comparison]:
    """A mesh to tokens and back, or how it is refused."""
    return refused(golden) if "error" in golden.info else encoded(golden)


def refused(golden: Golden) -> Iterator[Comparison]:
    mesh = raw_mesh(golden)
    yield exact("normalised", normalize(mesh.vertices).apply(mesh.vertices), golden.output("normalised"))
    try:
        why = f"encoded as {len(encode(mesh, reference=True).ids)} tokens"
    except BadInput as error:
        why = error.report.why
    if "mobius" in golden.info["error"]:
        contradicting = golden.info["error"].split()[3]
        yield exact("refusal", f" {contradicting} faces" in why, True)
    else:
        yield exact("refusal", "No part of the mesh" in why, True)


def encoded(golden: Golden) -> Iterator[Comparison]:
    mesh = raw_mesh(golden)
    normalization, surface = prepare(mesh, reference=True)
    yield exact("normalised", normalization.apply(mesh.vertices), golden.output("normalised"))
    yield exact("quantised_vertices", surface.mesh.vertices, golden.output("quantised_vertices"))
    yield exact("clean_faces", surface.mesh.faces, golden.output("clean_faces"))
    for mode in (True, False):
        yield exact(f"tokens, reference={mode}", encode(mesh, reference=mode).ids, golden.output("tokens"))
        decoded = decode(golden.output("tokens").numpy(), salvage=mode)
        yield exact(f"decoded_vertices, salvage={mode}", decoded.vertices, golden.output("decoded_vertices"))
        yield exact(f"decoded_quantised, salvage={mode}", decoded.cells, golden.output("decoded_quantised"))
        yield exact(f"decoded_faces, salvage={mode}", decoded.faces, golden.output("decoded_faces"))
        yield exact(f"notes, salvage={mode}", decoded.notes, ())
        closed = decode(golden.output("tokens").numpy(), salvage=mode, close_holes=True)
        yield exact(f"fixed_faces, salvage={mode}", closed.faces, golden.output("fixed_faces"))


@kind("silksong", "decode_malformed")
def decode_malformed(golden: Golden) -> Iterator[Comparison]:
    verdicts = golden.info
    for case, tokens in golden.with_prefix("in.").items():
        try:
            decoded = decode(tokens.numpy(), salvage=False)
        except IndexError:
            yield exact(case, INDEX_ERROR, verdicts[case])
            continue
        yield exact(f"{case}, vertices", decoded.cells, golden.output(f"vertices.{case}"))
        yield exact(f"{case}, faces", decoded.faces, golden.output(f"faces.{case}"))


@kind("silksong", "mesh_cleaning")
def mesh_cleaning(golden: Golden) -> Iterator[Comparison]:
    """Faces are compared as sets of corner positions: their order is not specified."""
    mesh = clean_mesh(TriangleMesh(golden.input("vertices").numpy(), golden.input("faces").numpy()))
    expected = TriangleMesh(golden.output("vertices").numpy(), golden.output("faces").numpy())
    yield exact("vertices", mesh.vertices, expected.vertices)
    yield exact("faces", _face_set(mesh), _face_set(expected))


@kind("silksong", "manifold_tool")
def manifold_tool(golden: Golden) -> Iterator[Comparison]:
    """The published tool's two results, and the colors that it gives to parts."""
    for name, verdict in golden.info.items():
        given = golden.with_prefix(f"in.{name}.")
        expected = golden.with_prefix(f"out.{name}.")
        repaired = repair(given["vertices_normalised"], given["faces"], reference=True)
        contradicting = [note for note in repaired.notes if "contradict" in note]
        failed = int(contradicting[0].split()[0]) if contradicting else 0
        yield exact(f"{name}, failed", failed, verdict["faces_that_could_not_be_oriented"])
        result = "split" if failed else "split_and_oriented"
        yield exact(f"{name}, faces", repaired.faces, expected[f"{result}.faces"])
        unwound = np.sort(expected["split.faces"].numpy(), axis=1)
        yield exact(f"{name}, faces before winding", np.sort(repaired.faces, axis=1), unwound)
        yield Comparison(f"{name}, vertices", repaired.vertices, expected[f"{result}.vertices"], 1e-15)
        colors = np.zeros_like(repaired.vertices)
        colors[repaired.faces] = (PART_COLORS[repaired.parts % len(PART_COLORS)] / 255)[:, None]
        yield Comparison(f"{name}, colors", colors, expected["split.colours"], 1e-15)


def _face_set(mesh: TriangleMesh) -> list:
    return sorted(sorted(map(tuple, corners)) for corners in mesh.corners().tolist())
