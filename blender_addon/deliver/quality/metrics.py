# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics of the quality report, as custom properties on the object: they are saved with the file."""

import logging
import math
from collections.abc import Sequence

import bmesh
import bpy

from ...backend.contract import Artifact, JobFolder, MeshwrightError, mesh_metrics
from ..provenance import PREFIX
from .comparison import compare, is_quick

log = logging.getLogger(__name__)

FACES, NON_MANIFOLD_EDGES, COMPONENTS = (
    PREFIX + metric.name for metric in (mesh_metrics.FACES, mesh_metrics.NON_MANIFOLD_EDGES, mesh_metrics.COMPONENTS))
QUADS, COMPLETE, HAUSDORFF_ERROR, ORIGINAL_FACES = (
    PREFIX + name for name in ("quads", "complete", "hausdorff_error_percent", "original_faces"))
"""ORIGINAL_FACES counts triangles."""
GIVEN = (*(PREFIX + metric.name for metric in mesh_metrics.MESH_METRICS), COMPLETE, HAUSDORFF_ERROR, ORIGINAL_FACES)
"""What the backend has found, under the names of the artifact's properties."""
JOINING_ANGLE = math.radians(40.0)
"""The largest angles, of faces and of shapes, with which Blender's own Tris to Quads joins two triangles."""


def attach_metrics(objects: Sequence[bpy.types.Object], artifacts: Sequence[Artifact], folder: JobFolder) -> None:
    """Write each remeshed object's metrics on it, and compare with Decimate where that takes no noticeable time.

    The best variant is the first. Objects whose artifact has no metrics stay as they are.
    """
    carrying = []
    for item, artifact in zip(objects, artifacts, strict=True):
        known = {PREFIX + name: value for name, value in artifact.properties.items() if PREFIX + name in GIVEN}
        if COMPONENTS in known:
            for name, value in known.items():
                item[name] = value
            item[QUADS] = quads_after_joining(item.data)
            carrying.append(item)
    # Each comparison decimates the original again.
    for number, item in enumerate(carrying, 1):
        if is_quick(number * int(item.get(ORIGINAL_FACES, 0))):
            try:
                compare(item, folder)
            except MeshwrightError as error:  # the result is delivered without the comparison
                log.info("%s is not compared with Decimate: %s", item.name, error)


def quads_after_joining(mesh: bpy.types.Mesh) -> int:
    """How many quadrilaterals Tris to Quads would make of a triangle mesh, which stays as it is."""
    scratch = bmesh.new()
    try:
        scratch.from_mesh(mesh)
        bmesh.ops.join_triangles(scratch, faces=scratch.faces[:], angle_face_threshold=JOINING_ANGLE,
                                 angle_shape_threshold=JOINING_ANGLE)
        return sum(len(face.verts) == 4 for face in scratch.faces)
    finally:
        scratch.free()
