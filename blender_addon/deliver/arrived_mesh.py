# SPDX-License-Identifier: GPL-3.0-or-later
"""The mesh artifacts of a job folder, read and checked once, with the material maps that belong to each."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..backend.contract import MATERIAL_ROLES, Artifact, JobFolder, MeshData, MeshwrightError, Remedy, Result, Role


@dataclass(frozen=True)
class ArrivedMesh:
    """One mesh artifact, its bounds float64 [3] each, and the artifacts of its material maps."""

    artifact: Artifact
    mesh: MeshData
    low: np.ndarray
    high: np.ndarray
    maps: Mapping[Role, Artifact]

    @property
    def center(self) -> np.ndarray:
        """Middle of the bounds, float64 [3]."""
        return (self.low + self.high) / 2


def read_meshes(folder: JobFolder, result: Result) -> list[ArrivedMesh]:
    """All mesh artifacts in the result's order. Raises MeshwrightError for a bad file, or when there is none."""
    steps = reading_meshes(folder, result)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: list[ArrivedMesh] = end.value
            return found


def reading_meshes(folder: JobFolder, result: Result) -> Generator[None, None, list[ArrivedMesh]]:
    """`read_meshes` in steps of one file."""
    found = []
    for artifact in result.artifacts:
        if artifact.kind == "mesh":
            found.append(_read(folder, artifact, result))
            yield
    if not found:
        raise MeshwrightError("This job has no mesh.", "Its result names none.", "Start it again.", Remedy.RETRY)
    return found


def maps_for(result: Result, target: str) -> dict[Role, Artifact]:
    """The material maps of the file `target`, in the order of `MATERIAL_ROLES`."""
    return {role: artifact for role in MATERIAL_ROLES for artifact in result.artifacts
            if artifact.role == role and artifact.target == target}


def combined_bounds(meshes: list[ArrivedMesh]) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest corner, float64 [3] each, of all meshes together."""
    return np.min([mesh.low for mesh in meshes], axis=0), np.max([mesh.high for mesh in meshes], axis=0)


def read_checked(path: Path, name: str) -> MeshData:
    """A mesh file that is fit for Blender. Raises MeshwrightError."""
    mesh = MeshData.read(path)
    fits = not mesh.is_empty and np.isfinite(mesh.vertices).all()
    # An index outside the vertices would crash Blender, so this is checked although our own worker wrote it.
    fits = fits and mesh.faces.min() >= 0 and mesh.faces.max() < len(mesh.vertices)
    fits = fits and (mesh.uvs is None or (len(mesh.uvs) == len(mesh.faces) and np.isfinite(mesh.uvs).all()))
    fits = fits and (mesh.colors is None or (len(mesh.colors) == len(mesh.vertices) and np.isfinite(mesh.colors).all()))
    if not fits:
        raise MeshwrightError(f"The mesh {name} is damaged.", f"{path.name} holds no usable triangle mesh.",
                              "Start the job again.", Remedy.RETRY)
    return mesh


def _read(folder: JobFolder, artifact: Artifact, result: Result) -> ArrivedMesh:
    mesh = read_checked(folder.outputs / Path(artifact.file).name, artifact.name)
    low, high = mesh.bounds.astype(np.float64)
    maps = maps_for(result, artifact.file) if mesh.uvs is not None else {}
    return ArrivedMesh(artifact, mesh, low, high, maps if "base_color" in maps else {})
