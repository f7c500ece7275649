# SPDX-License-Identifier: GPL-3.0-or-later
"""The one form in which a mesh travels: between Blender and the worker, between pipelines, from and to files."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .error import MeshwrightError, Remedy, unwritable_folder
from .whole_file import replace_whole

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class MeshData:
    """Triangles, and what they carry where it is known. Arrays are converted to these types and made contiguous.

    In a job folder a mesh is in Blender's frame (Z up, right-handed, the object's front toward -Y), in meters; else in
    the frame of its owner. Faces wind counter-clockwise seen from outside, so a closed mesh has a positive volume.

    Attributes:
        vertices: float32 [V, 3].
        faces: int32 [F, 3], indices of vertices.
        uvs: float32 [F, 3, 2] a corner, v up; the unit square is the texture.
        colors: float32 [V, 4], sRGB and alpha in [0, 1].
        selection: bool [F], the faces that a task is to work on; the others only stand in the way of views.
        texture: uint8 [H, W, 3], what the UVs show so far: sRGB, the first row on top (v = 1).
    """

    vertices: FloatArray
    faces: IntArray
    uvs: FloatArray | None = None
    colors: FloatArray | None = None
    selection: NDArray[np.bool_] | None = None
    texture: NDArray[np.uint8] | None = None

    if TYPE_CHECKING:
        # What it is made from is wider than what it has; the dataclass's own constructor would ask for the same.
        def __init__(
            self, vertices: NDArray[np.floating], faces: NDArray[np.integer], uvs: NDArray[np.floating] | None = None,
            colors: NDArray[np.floating] | None = None, selection: NDArray[np.bool_] | None = None,
            texture: NDArray[np.uint8] | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        for name, (dtype, shape) in _FORMS.items():
            value = getattr(self, name)
            if value is not None:
                array: np.ndarray = np.ascontiguousarray(value, dtype=dtype)
                object.__setattr__(self, name, array.reshape(shape) if shape else array)

    @classmethod
    def empty(cls) -> MeshData:
        """A mesh without vertices and faces."""
        return cls(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))

    @property
    def is_empty(self) -> bool:
        """Whether it has no faces."""
        return len(self.faces) == 0

    @property
    def bounds(self) -> FloatArray:
        """Lowest and highest corner, float32 [2, 3]; zeros for a mesh without vertices."""
        if len(self.vertices) == 0:
            return np.zeros((2, 3), np.float32)
        return np.stack([self.vertices.min(axis=0), self.vertices.max(axis=0)])

    @property
    def diagonal(self) -> float:
        """Length of the bounding box's diagonal."""
        low, high = self.bounds.astype(np.float64)
        return float(np.linalg.norm(high - low))

    @property
    def volume(self) -> float:
        """Signed enclosed volume; meaningful for closed meshes."""
        corners = self.corners()
        return float(np.einsum("ij,ij->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6.0)

    @property
    def selected(self) -> NDArray[np.bool_]:
        """The selection, bool [F]; all faces where there is none."""
        return np.ones(len(self.faces), bool) if self.selection is None else self.selection

    def corners(self) -> NDArray[np.float64]:
        """The positions of every face's corners, float64 [F, 3, 3]."""
        return self.vertices.astype(np.float64)[self.faces]

    def area_vectors(self) -> NDArray[np.float64]:
        """Every face's normal scaled by its area, float64 [F, 3]."""
        x, y, z = np.ascontiguousarray(self.vertices.T, dtype=np.float64)
        a, b, c = np.ascontiguousarray(self.faces.T)
        ux, uy, uz = x[b] - x[a], y[b] - y[a], z[b] - z[a]
        wx, wy, wz = x[c] - x[a], y[c] - y[a], z[c] - z[a]
        # Contiguous columns: several times faster than np.cross over rows.
        return np.stack([uy * wz - uz * wy, uz * wx - ux * wz, ux * wy - uy * wx], axis=1) / 2.0

    def with_vertices(self, vertices: NDArray[np.floating]) -> MeshData:
        """The same mesh with its vertices, [V, 3], elsewhere."""
        return replace(self, vertices=vertices)

    def mirrored(self) -> MeshData:
        """The same surface with its faces turned round, as a mirroring transform needs it."""
        return replace(self, faces=self.faces[:, ::-1], uvs=None if self.uvs is None else self.uvs[:, ::-1])

    def write(self, path: Path) -> None:
        """Write an uncompressed npz, which is there whole or not at all. Raises MeshwrightError."""
        present = {name: getattr(self, name) for name in _FORMS if getattr(self, name) is not None}
        try:
            with replace_whole(path) as draft, draft.open("wb") as file:
                np.savez(file, **present)
        except OSError as error:
            raise unwritable_folder(path.parent, error) from error

    @classmethod
    def read(cls, path: Path) -> MeshData:
        """What `write` wrote; nothing is unpickled. Raises MeshwrightError for a file that holds no such mesh."""
        try:
            with np.load(path, allow_pickle=False) as data:
                return cls(**{name: data[name] for name in data.files if name in _FORMS})
        except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise MeshwrightError(f"The mesh file {path.name} cannot be read.", str(error), "Start the job again.",
                                  Remedy.RETRY) from error


_FORMS: dict[str, tuple[type, tuple[int, ...] | None]] = {
    "vertices": (np.float32, (-1, 3)), "faces": (np.int32, (-1, 3)), "uvs": (np.float32, (-1, 3, 2)),
    "colors": (np.float32, (-1, 4)), "selection": (np.bool_, (-1,)), "texture": (np.uint8, None),
}
"""The type and the shape of each array, by its name in the class and in the file."""
assert set(_FORMS) == {field.name for field in fields(MeshData)}
