# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a result goes, as plain data: `delivery.json` in the job folder. Written by capture, read by deliver.

Datablocks are named by `session_uid`, which survives renaming and undo, and by name for when the file was opened again.
Coordinates are Blender's world frame, meters.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import bpy
import numpy as np

from . import opened_file
from .backend.contract import Delivery, JobFolder, MeshData, Request
from .backend.contract.json_form import from_json, to_json
from .backend.pipelines import registry
from .opened_file import OpenedFile

MeshSource = Literal["EVALUATED", "BASE"]
_FILE = "delivery.json"


@dataclass(frozen=True)
class Reference:
    """One datablock of a blend file. `session` is the file's opening, in which `uid` holds."""

    name: str
    uid: int
    session: str = field(default_factory=opened_file.opening)

    def find(self, collection: bpy.types.bpy_prop_collection) -> bpy.types.ID | None:
        """The datablock, or None when it no longer exists. Once the file was opened again the name decides."""
        if self.session != opened_file.opening():
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

    def own(self, mesh: MeshData) -> MeshData:
        """A mesh in the frame of the captured one, in the object's own, facing alike."""
        moved = mesh.with_vertices(mesh.vertices @ np.linalg.inv(self._standing).T)
        return moved.mirrored() if np.linalg.det(self._standing) < 0 else moved

    @property
    def _standing(self) -> np.ndarray:
        return np.reshape(np.array(self.standing, np.float64), (3, 3))


@dataclass(frozen=True)
class MaterialPlacement:
    """How a target takes its new material.

    Attributes:
        uv_layer: the UV layer's name.
        new_uvs: the file of a new layer (npy [L, 2] in the job's inputs); "" for one that the mesh has.
        slots: the material slots that change.
        masked: whether the old surface stays where the maps are transparent.
        remark: what the artist should read with the result.
        corners: a checksum of the mesh's corners, which a new UV layer must fit.
    """

    uv_layer: str
    new_uvs: str = ""
    slots: tuple[int, ...] = (0,)
    masked: bool = False
    remark: str = ""
    corners: int = 0


@dataclass(frozen=True)
class Transfer:
    """What a mesh takes over from the one that it replaces: materials face by face, UV maps, vertex groups with
    their weights. `source` is the form in which that one was captured."""

    materials: bool = True
    uvs: bool = False
    weights: bool = False
    source: MeshSource = "EVALUATED"


@dataclass(frozen=True)
class DeliveryNote:
    """How to deliver one job.

    Attributes:
        delivery: what kind of result it is, as the task's spec said.
        scene: where it goes; None for the current one.
        file: the blend file that it was asked from, and alone goes into; None for any.
        cursor, size, fit: new objects go to the cursor with `size` as their largest extent or, with `fit`, inside the
            targets' bounds.
        clear: whether new objects at the cursor move next to others that are in their way.
        select, frame: whether the result is selected, and whether the viewports turn to it.
        targets: the captured objects, in the order of the mesh input's files.
        materials: how each target takes its new material, of the same index.
        image: name of the image that was used, "" for none.
        superseded: an earlier result's object or empty, which is hidden with all that is parented to it.
        transfer: what a replacing mesh takes over.
        rerolled: the job whose paint a new one of some faces replaces, instead of lying on top of it.
    """

    delivery: Delivery = "object"
    scene: Reference | None = None
    file: OpenedFile | None = None
    cursor: tuple[float, ...] = (0.0, 0.0, 0.0)
    size: float = 1.0
    fit: bool = False
    clear: bool = True
    select: bool = False
    frame: bool = False
    targets: tuple[Target, ...] = ()
    materials: tuple[MaterialPlacement, ...] = ()
    image: str = ""
    superseded: Reference | None = None
    transfer: Transfer = Transfer()
    rerolled: str = ""

    def write(self, folder: JobFolder) -> None:
        """Raises MeshwrightError when the folder cannot be written."""
        folder.write_note(_FILE, to_json(self))

    @classmethod
    def read(cls, folder: JobFolder) -> "DeliveryNote":
        """The folder's note. A job that was made outside Blender has none: it is delivered as its task's spec says, to
        the origin. Raises BadInput."""
        data = folder.read_note(_FILE)
        if not data:
            request = folder.read_request()
            data = {"delivery": registry.spec(request.pipeline).task(request.task).delivery}
        return from_json(cls, data, "delivery")


def ask_here(folder: JobFolder) -> None:
    """Have a job's result go into the file that is open now, as the artist asks. Raises MeshwrightError when the folder
    cannot be written."""
    note = DeliveryNote.read(folder)
    if (here := asked_here(note)) != note:
        here.write(folder)


def asked_here(note: DeliveryNote) -> DeliveryNote:
    """The note as if the job had been asked from the file that is open now.

    Objects that another file has are no longer looked for: one that happens to have the same name is left alone.
    """
    if note.file is None or note.file.is_open:
        return note
    if note.file.last_path or note.file.is_of_this_session:
        targets = tuple(replace(target, reference=_lost(target.reference)) for target in note.targets)
        note = replace(note, scene=None, superseded=None, targets=targets)
    return replace(note, file=opened_file.current())


def captured_files(request: Request) -> tuple[str, ...]:
    """The captured meshes' files in the job's inputs, in the order of the note's targets. Raises BadInput."""
    slot = registry.spec(request.pipeline).task(request.task).mesh_input
    return request.inputs.get(slot.name, ()) if slot else ()


def reference(datablock: bpy.types.ID) -> Reference:
    """How to find this datablock again."""
    return Reference(datablock.name, datablock.session_uid)


def _lost(known: Reference) -> Reference:
    """One that finds nothing."""
    return Reference(known.name, 0)
