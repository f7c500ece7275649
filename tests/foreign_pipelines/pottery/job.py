# SPDX-License-Identifier: GPL-3.0-or-later
"""What the worker calls: `load` for the weights, `run` for a request. Everything is a prism, a box or one color.

Colors are digests of what was given, so that a test sees which inputs arrived.
"""

import hashlib
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...contract import Artifact, JobFolder, MeshData, Progress, Request, Resources, Result, WeightSet

TEXTURE_SIDE = 64
BOX = np.array([(0, 2, 1), (1, 2, 3), (4, 5, 6), (5, 7, 6), (0, 1, 4), (1, 5, 4),
                (2, 6, 3), (3, 6, 7), (0, 4, 2), (2, 4, 6), (1, 3, 5), (3, 7, 5)], np.int32)


@dataclass(frozen=True)
class Potter:
    """The model: it knows the name of its weights."""

    weights: str


def load(weights: WeightSet, folder: Path, resources: Resources, progress: Progress) -> Potter:
    """The model of one set of weights, read from `folder`."""
    for file in weights.files:
        progress.loading(file.local)
        np.load(folder / file.local)
    return Potter(weights.name)


def run(model: Potter | None, request: Request, folder: JobFolder, resources: Resources, progress: Progress) -> Result:
    """Do a validated request; its results are files in `folder.outputs`."""
    progress.stage("shape", 0, 1)
    artifacts = tuple(_TASKS[request.task](model, request, folder, resources, progress))
    progress.stage("shape", 1, 1)
    progress.stage("fire", 1, 1)
    return Result(artifacts, notes=(f"{request.task} in mode {resources.memory_mode}",))


def _throw(model: Potter | None, request: Request, folder: JobFolder, resources: Resources,
           progress: Progress) -> Iterable[Artifact]:
    assert model is not None
    sides, height = int(request.parameters["sides"]), float(request.parameters["height"])
    for side in range(sides):
        progress.stage("shape", side, sides)
        time.sleep(float(request.parameters["pace"]))
    clay = resources.components.get("clay")
    color = np.load(clay / "clay.npy") if clay else _color(request, folder)
    prism = _prism(sides, height * _irregular(request), lid=bool(request.parameters["closed"]))
    colors = np.tile(np.array([*color, 1.0], np.float32), (len(prism.vertices), 1))
    MeshData(prism.vertices, prism.faces, colors=colors).write(folder.outputs / "pot.npz")
    yield Artifact(request.subject, "mesh", "pot.npz", "mesh",
                   properties={"weights": model.weights, "handles": request.parameters["keys"]})


def _shards(_model: Potter | None, request: Request, folder: JobFolder, _resources: Resources,
            _progress: Progress) -> Iterable[Artifact]:
    for number in range(int(request.parameters["count"])):
        shard = _box((number, 0, 0), (number + 0.9, 1, 0.1 * _irregular(request)))
        shard.write(folder.outputs / f"shard.{number:02d}.npz")
        yield Artifact(f"shard {number}", "mesh", f"shard.{number:02d}.npz", "mesh", color=_color(request, folder))


def _remesh(_model: Potter | None, request: Request, folder: JobFolder, _resources: Resources,
            _progress: Progress) -> Iterable[Artifact]:
    low, high = _meshes(request, folder, "mesh")[0].bounds
    _box(low, high).write(folder.outputs / "box.npz")
    yield Artifact(request.subject, "mesh", "box.npz", "mesh", target=request.inputs["mesh"][0])


def _shelve(_model: Potter | None, request: Request, folder: JobFolder, _resources: Resources,
            _progress: Progress) -> Iterable[Artifact]:
    for number, mesh in enumerate(_meshes(request, folder, "meshes")):
        width, depth, height = mesh.bounds[1] - mesh.bounds[0]
        mesh.write(folder.outputs / f"{number}.npz")
        yield Artifact(f"{request.subject} {number}", "mesh", f"{number}.npz", "mesh",
                       group="tall" if height > max(width, depth) else "flat")


def _glaze(_model: Potter | None, request: Request, folder: JobFolder, _resources: Resources,
           progress: Progress) -> Iterable[Artifact]:
    for number, (name, mesh) in enumerate(zip(request.inputs["mesh"], _meshes(request, folder, "mesh"), strict=True)):
        assert mesh.uvs is not None
        color = _color(request, folder)
        if request.parameters["base"] == "current":
            assert mesh.texture is not None
            color = tuple(mesh.texture.reshape(-1, 3).mean(axis=0) / 255.0)
        rough = (0.25 * _irregular(request),) * 3
        for role, values in (("base_color", color), ("metallic", (0.0,) * 3), ("roughness", rough)):
            _write_png(folder.outputs / f"{role}.{number}.png", values)
            yield Artifact(role, "image", f"{role}.{number}.png", role, target=name)
        progress.preview(f"base_color.{number}.png")


def _appraise(_model: Potter | None, request: Request, folder: JobFolder, _resources: Resources,
              _progress: Progress) -> Iterable[Artifact]:
    mesh = _meshes(request, folder, "mesh")[0]
    (folder.outputs / "caption.txt").write_text(f"a pot of {len(mesh.faces)} faces", "utf-8")
    yield Artifact("caption", "text", "caption.txt", "caption", target=request.inputs["mesh"][0])


_TASKS: Mapping[str, Callable[[Potter | None, Request, JobFolder, Resources, Progress], Iterable[Artifact]]] = {
    "throw": _throw, "shards": _shards, "remesh": _remesh, "shelve": _shelve, "glaze": _glaze, "appraise": _appraise,
}


def _irregular(request: Request) -> float:
    """A factor near one, which the seed decides."""
    return 1 + 0.02 * (request.seed % 10)


def _color(request: Request, folder: JobFolder) -> tuple[float, ...]:
    """sRGB in [0, 1]: a digest of the prompt and of all images, by the names of their slots."""
    digest = hashlib.sha256(str(request.parameters.get("prompt", "")).encode())
    for slot, files in sorted(request.inputs.items()):
        for file in files:
            if not file.endswith(".npz"):
                digest.update(slot.encode() + (folder.inputs / file).read_bytes())
    return tuple(byte / 255.0 for byte in digest.digest()[:3])


def _meshes(request: Request, folder: JobFolder, slot: str) -> list[MeshData]:
    return [MeshData.read(folder.inputs / name) for name in request.inputs[slot]]


def _box(low: Iterable[float], high: Iterable[float]) -> MeshData:
    corners = np.array([(x, y, z) for z in (0, 1) for y in (0, 1) for x in (0, 1)], np.float32)
    first, last = np.array(tuple(low), np.float32), np.array(tuple(high), np.float32)
    return MeshData(first + corners * (last - first), BOX)


def _prism(sides: int, height: float, lid: bool) -> MeshData:
    """A prism of width 1 with `4 · sides - 4` triangles, or without the `sides - 2` on top."""
    angles = np.arange(sides) * 2 * np.pi / sides
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=1) / 2
    vertices = np.concatenate([np.column_stack([ring, np.full(sides, z)]) for z in (0.0, height)])
    here, following = np.arange(sides), (np.arange(sides) + 1) % sides
    fan = np.stack([np.zeros(sides - 2, int), here[1:-1], here[2:]], axis=1)
    faces = np.concatenate([fan[:, ::-1], *([fan + sides] if lid else []),
                            np.stack([here, following, following + sides], axis=1),
                            np.stack([here, following + sides, here + sides], axis=1)])
    return MeshData(vertices, faces)


def _write_png(path: Path, color: Iterable[float]) -> None:
    """A square image of one color."""
    pixel = bytes(round(value * 255) for value in color)
    rows = (b"\x00" + pixel * TEXTURE_SIDE) * TEXTURE_SIDE
    header = struct.pack(">IIBBBBB", TEXTURE_SIDE, TEXTURE_SIDE, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    written = (struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
               for kind, data in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(written))
