# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh that gets a texture, as it travels in a job folder."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .error import MeshwrightError, Remedy


@dataclass(frozen=True)
class PaintedMesh:
    """Triangles in Blender's frame (Z up, right-handed), world space, meters.

    `vertices` float32 [V, 3], `faces` int32 [F, 3], `uvs` float32 [F, 3, 2] a corner (v up, the unit square is the
    texture), `painted` bool [F]: faces that get new color; the others only stand in the way of views. `texture` uint8
    [H, W, 3] is what all faces show so far, sRGB, the first row on top (v 1); None where nobody asked for it.
    """

    vertices: np.ndarray
    faces: np.ndarray
    uvs: np.ndarray
    painted: np.ndarray
    texture: np.ndarray | None = None

    def write(self, path: Path) -> None:
        """Write an uncompressed npz. Raises MeshwrightError."""
        further = {} if self.texture is None else {"texture": self.texture}
        try:
            np.savez(path, vertices=self.vertices, faces=self.faces, uvs=self.uvs, painted=self.painted, **further)
        except OSError as error:
            raise MeshwrightError(f"The folder {path.parent} cannot be written.", error.strerror or str(error),
                                  "Free some space, or choose another folder in the preferences.",
                                  Remedy.CHOOSE_FOLDER) from error

    @classmethod
    def read(cls, path: Path) -> "PaintedMesh":
        """What `write` wrote. Raises MeshwrightError."""
        try:
            with np.load(path, allow_pickle=False) as data:
                return cls(data["vertices"], data["faces"], data["uvs"], data["painted"], data.get("texture"))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise MeshwrightError(f"The mesh file {path.name} cannot be read.", str(error), "Start the job again.",
                                  Remedy.RETRY) from error
