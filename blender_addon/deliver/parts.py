# SPDX-License-Identifier: GPL-3.0-or-later
"""The mesh artifacts of a job folder, read and looked over once."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..backend.contract import Artifact, JobFolder, MeshwrightError, Remedy, Result, read_mesh
from .mesh import bounds


@dataclass(frozen=True)
class Part:
    """One mesh artifact: vertices float32 [V, 3], faces int32 [F, 3], its bounds [3] each."""

    artifact: Artifact
    vertices: np.ndarray
    faces: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def center(self) -> np.ndarray:
        """Middle of the bounds, float64 [3]."""
        return (self.low + self.high) / 2


def read_parts(folder: JobFolder, result: Result) -> list[Part]:
    """All mesh artifacts in the result's order, which is the largest first. Raises MeshwrightError for a bad file."""
    return [_read(folder, artifact) for artifact in result.artifacts if artifact.kind == "mesh"]


def combined_bounds(parts: list[Part]) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest corner, float64 [3] each, of all parts together."""
    return np.min([part.low for part in parts], axis=0), np.max([part.high for part in parts], axis=0)


def _read(folder: JobFolder, artifact: Artifact) -> Part:
    vertices, faces = read_checked(folder.outputs / Path(artifact.file).name, artifact.name)
    return Part(artifact, vertices, faces, *bounds(vertices))


def read_checked(path: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """(vertices float32 [V, 3], faces int32 [F, 3]) of a mesh file, fit for Blender. Raises MeshwrightError."""
    vertices, faces = read_mesh(path)
    shaped = vertices.ndim == faces.ndim == 2 and vertices.shape[1] == faces.shape[1] == 3 and len(faces) > 0
    # An index outside the vertices would crash Blender, so this is looked at although our own worker wrote it.
    if not (shaped and np.isfinite(vertices).all() and faces.min() >= 0 and faces.max() < len(vertices)):
        raise MeshwrightError(f"The mesh {name} is damaged.", f"{path.name} holds no usable triangle mesh.",
                              "Start the job again.", Remedy.RETRY)
    return vertices, faces
