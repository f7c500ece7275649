# SPDX-License-Identifier: GPL-3.0-or-later
"""A remeshed object against Blender's own Decimate at the same face count, measured in the same way."""

import math
from pathlib import Path

import bpy

from ...backend.contract import BadInput, JobFolder
from ...capture import triangles
from ...delivery_note import DeliveryNote, captured_files
from ..arrived_mesh import read_checked
from ..provenance import PREFIX
from .decimation import workbench
from .distance import Distance, SearchedSurface, between

DECIMATE_FACES, DECIMATE_MEAN, DECIMATE_LARGEST, COMPARED_MEAN, COMPARED_LARGEST, WORSE = (
    PREFIX + name for name in (
        "decimate_faces", "decimate_mean_percent", "decimate_largest_percent", "compared_mean_percent",
        "compared_largest_percent", "worse_than_decimate"))
"""Distances in percent of the original's diagonal: Decimate's, and the object's own as measured together with it."""
QUICK_FACES = 40_000
"""Decimating an original of as many faces and measuring takes less than a second."""
SECONDS_A_MILLION = 12.0
"""Nearly all of it goes into Decimate, which cannot be interrupted."""
ERRORS = 2.0
"""A mean distance is larger when it is so by this many standard errors of the difference ..."""
LARGER = 1.1
"""... and the largest one, which few points decide, when it is so by this factor."""
MORE_FACES = 1.1
"""Decimate did not get down to the face count when it has more than this many times as many."""


def is_quick(faces: int) -> bool:
    """Whether originals of so many faces in all are compared at once, without being asked."""
    return 0 < faces <= QUICK_FACES


def waiting_seconds(faces: int) -> float:
    """How long a comparison takes about, with an original of so many faces."""
    return SECONDS_A_MILLION * faces / 1e6


def compare(item: bpy.types.Object, folder: JobFolder) -> None:
    """Write on the object how far it, and the original decimated to its face count, are from the original.

    The original is the mesh that was captured, not what has become of it since. Takes seconds for a million faces.
    Raises MeshwrightError when it cannot be read, and BadInput when the object has no fewer faces.
    """
    original = read_checked(_captured(folder), "the original")
    vertices, faces = original.vertices, original.faces
    own, own_faces = triangles(item.data)
    targets = DeliveryNote.read(folder).targets
    remeshed = SearchedSurface.of(targets[0].as_it_stands(own) if targets else own, own_faces)
    if len(remeshed.faces) >= len(faces):
        raise BadInput("There is nothing to compare with.", f"{item.name} has no fewer faces than the original.",
                       "Lower Max Faces, or keep the original.")
    with workbench(vertices, faces) as bench:
        decimated = bench.decimated(len(remeshed.faces))
        ours, theirs = between(bench.original, remeshed), between(bench.original, decimated)
        percent = 100 / bench.original.diagonal
    item[DECIMATE_FACES] = len(decimated.faces)
    item[DECIMATE_MEAN], item[DECIMATE_LARGEST] = theirs.mean * percent, theirs.largest * percent
    item[COMPARED_MEAN], item[COMPARED_LARGEST] = ours.mean * percent, ours.largest * percent
    item[WORSE] = len(decimated.faces) <= MORE_FACES * len(remeshed.faces) and is_worse(ours, theirs)


def is_worse(ours: Distance, theirs: Distance) -> bool:
    """Whether ours is farther from the original on average or at its farthest, beyond what measuring could err."""
    noise = ERRORS * math.hypot(ours.error, theirs.error)
    return ours.mean > theirs.mean + noise or ours.largest > LARGER * theirs.largest


def _captured(folder: JobFolder) -> Path:
    names = captured_files(folder.read_request())
    path = folder.inputs / names[0] if names else folder.inputs
    if not path.is_file():
        raise BadInput("The original is no longer there.", f"{path} no longer exists.", "Remesh the object again.")
    return path
