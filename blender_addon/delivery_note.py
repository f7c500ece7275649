# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a result goes, as plain data: `delivery.json` in the job folder. Written by capture, read by deliver.

Datablocks are named by `session_uid`, which survives renaming and undo, and by name for another session of Blender.
Coordinates are Blender's world frame, meters.
"""

import uuid
from dataclasses import dataclass
from typing import Literal

import bpy
import numpy as np

from .backend.contract import JobFolder
from .backend.contract.json_form import from_json, to_json

Mode = Literal["place", "replace", "groups", "texture"]
MeshSource = Literal["EVALUATED", "BASE"]
_FILE = "delivery.json"
_SESSION = uuid.uuid4().hex


@dataclass(frozen=True)
class Reference:
    """One datablock of one session of Blender."""

    name: str
    uid: int
    session: str = _SESSION

    def find(self, collection: bpy.types.bpy_prop_collection) -> bpy.types.ID | None:
        """The datablock, or None when it has gone. In another session the name decides."""
        if self.session != _SESSION:
            return collection.get(self.name)
        return next((datablock for datablock in collection if datablock.session_uid == self.uid), None)


@dataclass(frozen=True)
class Target:
    """An object as it was at capture: world bounds (low, high) and world matrix, row by row.

    `standing` [3, 3], row by row, took its mesh from its own frame to the one that it was captured in: as it stands in
    the scene, turned and scaled, but not moved.
    """

    reference: Reference
    low: tuple[float, ...]
    high: tuple[float, ...]
    matrix: tuple[float, ...]
    standing: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)

    def as_it_stands(self, vertices: np.ndarray) -> np.ndarray:
        """Vertices [V, 3] of the object's own frame in that of the captured mesh."""
        standing: np.ndarray = vertices @ self._standing.T
        return standing.astype(np.float32)

    def own(self, vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A mesh in the frame of the captured one (vertices [V, 3], faces [F, 3]) in the object's own, facing alike."""
        faces = faces[:, ::-1] if np.linalg.det(self._standing) < 0 else faces
        return (vertices @ np.linalg.inv(self._standing).T).astype(np.float32), faces

    @property
    def _standing(self) -> np.ndarray:
        return np.reshape(np.array(self.standing, np.float64), (3, 3))


@dataclass(frozen=True)
class Paint:
    """How a target takes its texture: the UV layer's name, the file of a new one (npy [L, 2] in the job's inputs), the
    material slots that change, whether the old look stays where the image is transparent, what the artist should read
    with the result, and a checksum of the mesh's corners, which a new UV layer must fit."""

    uv_layer: str
    new_uvs: str = ""
    slots: tuple[int, ...] = (0,)
    masked: bool = False
    remark: str = ""
    corners: int = 0


@dataclass(frozen=True)
class Transfer:
    """What a mesh takes over from the one whose place it takes: materials face by face, UV maps, vertex groups with
    their weights. `source` is the form in which that one was captured."""

    materials: bool = True
    uvs: bool = False
    weights: bool = False
    source: MeshSource = "EVALUATED"


@dataclass(frozen=True)
class DeliveryNote:
    """How to deliver one job.

    "place" stands the result at the cursor (`size` is its largest extent) or, with `fit`, inside the targets' bounds.
    "replace" puts a new object where the target is, with what `transfer` says of it, and hides the target.
    "groups" keeps the world frame, makes one collection a group and hides the targets.
    "texture" gives each target a new look, painted as the entry of `paints` of the same index says.
    `superseded` is an earlier result's empty, whose objects are hidden. `rerolled` is the job whose paint a texture
    of some faces only lies in the place of, not on top of.
    """

    mode: Mode = "place"
    scene: Reference | None = None
    cursor: tuple[float, ...] = (0.0, 0.0, 0.0)
    size: float = 1.0
    fit: bool = False
    targets: tuple[Target, ...] = ()
    paints: tuple[Paint, ...] = ()
    image: str = ""
    superseded: Reference | None = None
    transfer: Transfer = Transfer()
    rerolled: str = ""

    def write(self, folder: JobFolder) -> None:
        """Raises MeshwrightError when the folder cannot be written."""
        folder.write_note(_FILE, to_json(self))

    @classmethod
    def read(cls, folder: JobFolder) -> "DeliveryNote":
        """The folder's note; a job that was made outside Blender is placed at the origin. Raises BadInput."""
        return from_json(cls, folder.read_note(_FILE), "delivery")


def reference(datablock: bpy.types.ID) -> Reference:
    """How to find this datablock again."""
    return Reference(datablock.name, datablock.session_uid)
