# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a mesh that its artist sees: edits that modes hold back, and checksums by which later edits show."""

import zlib

import bpy
import numpy as np


def flush_edits() -> None:
    """Have every mode give its meshes what it holds back, as before a file is saved: Edit Mode, and Sculpt Mode with
    dynamic topology or Multires. Modes stay.
    """
    bpy.ops.ed.flush_edits()


def corner_checksum(mesh: bpy.types.Mesh) -> int:
    """Of the vertices of all corners in their order: UVs fit no mesh with another one. Only in Object Mode."""
    corners = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("vertex_index", corners)
    return zlib.crc32(corners.tobytes())


def shape_checksum(mesh: bpy.types.Mesh) -> int:
    """Of the mesh's corners and the positions of its vertices, without modifiers."""
    positions = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", positions)
    return zlib.crc32(positions.tobytes(), corner_checksum(mesh))


def uv_checksum(layer: bpy.types.MeshUVLoopLayer) -> int:
    """Of the UVs of all corners. Only in Object Mode."""
    uvs = np.empty(len(layer.uv) * 2, np.float32)
    layer.uv.foreach_get("vector", uvs)
    return zlib.crc32(uvs.tobytes())
