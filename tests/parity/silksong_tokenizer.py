# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh Silksong's tokenizer and mesh repair against golden numbers: integers are equal, not only close."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from backend.contract import BadInput, MeshData
from backend.geometry.manifold_repair import repair
from backend.geometry.manifold_repair.mesh_repair import normalize
from backend.pipelines.silksong.mesh_cleaning import clean_mesh
from backend.pipelines.silksong.tokenizer import decode, encode
from backend.pipelines.silksong.tokenizer.encode import WoundMesh, prepare
from backend.pipelines.silksong.tokenizer.rings import sorted_components, vertex_layers, vertex_rings
from backend.pipelines.silksong.tokenizer.small_holes import close_small_holes

from .comparison import Comparison
from .golden import Golden
from .kinds import kind
from .published.silksong import (
    published_decode,
    published_tokens,
    tokenizer_manifold,
    tool_manifold,
    tool_positions,
)

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
    mesh = raw_mesh(golden)
    yield exact("normalised", normalize(mesh.vertices).apply(mesh.vertices), golden.output("normalised"))
    if golden.has_output("clean_faces"):
        surface = tokenizer_manifold(mesh)
        yield exact("quantised_vertices", surface.split.vertices, golden.output("quantised_vertices"))
        yield exact("clean_faces", surface.faces, golden.output("clean_faces"))
    yield from _refused(golden, mesh) if "error" in golden.info else _encoded(golden, mesh)


def _refused(golden: Golden, mesh: RawMesh) -> Iterator[Comparison]:
    """Surfaces with one side are refused by the published tokenizer and cut open by ours; the rest both refuse."""
    error = golden.info["error"]
    one_sided = re.search(r"mobius.*?(\d+) faces", error)
    if one_sided:
        contradictions = tokenizer_manifold(mesh).contradictions
        yield exact("faces that contradict their neighbors", contradictions, int(one_sided[1]))
        yield exact("ours is cut open", [note for note in encode(mesh).notes if "cut open" in note] != [], True)
        return
    for name, tokenize in (("published", published_tokens), ("ours", lambda mesh: encode(mesh).ids)):
        try:
            outcome = f"{len(tokenize(mesh))} tokens"
        except BadInput:
            outcome = "refused"
        yield exact(f"{name}: {error}", outcome, "refused")


def _encoded(golden: Golden, mesh: RawMesh) -> Iterator[Comparison]:
    tokens = golden.output("tokens")
    yield exact("contradictions", tokenizer_manifold(mesh).contradictions, 0)
    yield exact("tokens, published", published_tokens(mesh), tokens)
    yield exact("tokens, ours", encode(mesh).ids, tokens)
    _, ours = prepare(mesh)
    yield exact("quantised_vertices, ours", ours.mesh.vertices, golden.output("quantised_vertices"))
    yield exact("clean_faces, ours", ours.mesh.faces, golden.output("clean_faces"))
    yield from _noted(golden, ours)
    yield from _decoded(golden, tokens.numpy())


def _noted(golden: Golden, surface: WoundMesh) -> Iterator[Comparison]:
    """What the file's notes say of components and their layers."""
    kept = [layers for layers in golden.info["layers"] if layers]
    components = sorted_components(surface.mesh)
    yield exact("components", len(components.faces) + components.dropped, len(golden.info["component_kept"]))
    yield exact("kept components", len(components.faces), sum(golden.info["component_kept"]))
    for number, (faces, layers) in enumerate(zip(components.faces, kept, strict=True)):
        rings = vertex_rings(faces)
        yield exact(f"layers of component {number}", vertex_layers(layers[0][0], rings), layers)
    yield exact("token_length", len(golden.output("tokens")), golden.info["token_length"])
    trip = golden.info["round_trip"]
    yield exact("faces_decoded", len(golden.output("decoded_faces")), trip["faces_decoded"])
    yield exact("faces_after_repair", len(golden.output("fixed_faces")), trip["faces_after_repair"])


def _decoded(golden: Golden, tokens: np.ndarray) -> Iterator[Comparison]:
    """The published decoder keeps all vertices; ours drops unused ones, so corners are compared."""
    published, ours = published_decode(tokens), decode(tokens)
    vertices, cells = golden.output("decoded_vertices"), golden.output("decoded_quantised")
    yield exact("decoded_vertices", published.vertices, vertices)
    yield exact("decoded_quantised", published.cells, cells)
    yield exact("notes, ours", ours.notes, ())
    faces = {"decoded_faces": published.faces, "fixed_faces": close_small_holes(published.faces)}
    our_faces = {"decoded_faces": ours.faces, "fixed_faces": close_small_holes(ours.faces)}
    for name, actual in faces.items():
        expected = golden.output(name)
        yield exact(name, actual, expected)
        yield exact(f"{name}, ours", ours.cells[our_faces[name]], cells[expected.long()])
        yield exact(f"{name}, ours, positions", ours.vertices[our_faces[name]], vertices[expected.long()])


@kind("silksong", "decode_malformed")
def decode_malformed(golden: Golden) -> Iterator[Comparison]:
    """What the published decoder makes of damaged sequences; ours makes something of every one."""
    verdicts = golden.info
    for case, tokens in golden.with_prefix("in.").items():
        ours = decode(tokens.numpy())
        yield exact(f"{case}, ours is whole", bool((ours.faces < len(ours.cells)).all()), True)
        try:
            decoded = published_decode(tokens.numpy())
        except IndexError:
            yield exact(case, INDEX_ERROR, verdicts[case])
            continue
        counts = f"{len(decoded.cells)} vertices, {len(decoded.faces)} faces"
        yield exact(case, counts, verdicts[case])
        yield exact(f"{case}, vertices", decoded.cells, golden.output(f"vertices.{case}"))
        yield exact(f"{case}, faces", decoded.faces, golden.output(f"faces.{case}"))


@kind("silksong", "mesh_cleaning")
def mesh_cleaning(golden: Golden) -> Iterator[Comparison]:
    """Faces are compared as sets of corner positions: their order is not specified."""
    mesh = clean_mesh(MeshData(golden.input("vertices").numpy(), golden.input("faces").numpy()))
    expected = MeshData(golden.output("vertices").numpy(), golden.output("faces").numpy())
    yield exact("vertices", mesh.vertices, expected.vertices)
    yield exact("faces", _face_set(mesh), _face_set(expected))


@kind("silksong", "manifold_tool")
def manifold_tool(golden: Golden) -> Iterator[Comparison]:
    """The published tool's two results, and the colors that it gives to parts; the file's name ends in the bins."""
    bins = re.search(r"manifold_tool_(\d+)", golden.case)
    resolution = int(golden.config.get("quant_resolution", bins[1] if bins else 1024))
    for name, verdict in golden.info.items():
        given, expected = golden.with_prefix(f"in.{name}."), golden.with_prefix(f"out.{name}.")
        vertices, faces = given["vertices_normalised"].numpy(), given["faces"].numpy()
        tool = tool_manifold(vertices, faces, resolution)
        yield exact(f"{name}, failed", tool.contradictions, verdict["faces_that_could_not_be_oriented"])
        yield exact(f"{name}, written", ["M2"] if tool.contradictions else ["M2", "M2f"], verdict["written"])
        positions = tool_positions(tool.split, resolution, vertices)
        colors = np.zeros_like(positions)
        parts = np.unique(tool.labels, return_inverse=True)[1]
        colors[tool.split.faces] = (PART_COLORS[parts % len(PART_COLORS)] / 255)[:, None]
        results = {"split": tool.split.faces, "split_and_oriented": tool.faces}
        for result in [result for result in results if f"{result}.faces" in expected]:
            yield exact(f"{name}, {result}, faces", results[result], expected[f"{result}.faces"])
            yield Comparison(f"{name}, {result}, vertices", positions, expected[f"{result}.vertices"], 1e-15)
            yield Comparison(f"{name}, {result}, colors", colors, expected[f"{result}.colours"], 1e-15)
        yield from _our_repair(name, vertices, faces, resolution)


def _our_repair(name: str, vertices: np.ndarray, faces: np.ndarray, resolution: int) -> Iterator[Comparison]:
    """Ours keeps vertices where they are."""
    ours = repair(vertices, faces, resolution=resolution)
    moved = [position for position in ours.vertices.tolist() if position not in vertices.tolist()]
    yield exact(f"{name}, vertices that ours moved", moved, [])


def _face_set(mesh: MeshData) -> list:
    return sorted(sorted(map(tuple, corners)) for corners in mesh.corners().tolist())
