# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's own Decimate on a copy of the original, in a scene of its own that nobody sees."""

from collections.abc import Iterator
from contextlib import contextmanager

import bpy
import numpy as np
from mathutils.bvhtree import BVHTree

from ...capture import triangles
from ..mesh_objects import fill
from .distance import SearchedSurface

NAME = "Meshwright comparison"


class Workbench:
    """The original as an object of a scene of its own, so that the artist's scene is not evaluated again."""

    def __init__(self, scene: bpy.types.Scene, item: bpy.types.Object, vertices: np.ndarray, faces: np.ndarray) -> None:
        self._scene, self._object = scene, item
        self.original = SearchedSurface(vertices, faces, BVHTree.FromObject(item, self._depsgraph()))

    def decimated(self, face_count: int) -> SearchedSurface:
        """What the Decimate modifier (collapse) makes of the original; topology may keep it from the count."""
        modifier = self._object.modifiers.new("Decimate", "DECIMATE")
        modifier.ratio = face_count / len(self.original.faces)
        evaluated = self._object.evaluated_get(self._depsgraph())
        mesh = evaluated.to_mesh()
        try:
            surface = SearchedSurface.of(*triangles(mesh))
        finally:
            evaluated.to_mesh_clear()
            self._object.modifiers.clear()
        return surface

    def _depsgraph(self) -> bpy.types.Depsgraph:
        layer = self._scene.view_layers[0]
        layer.update()
        return layer.depsgraph


@contextmanager
def workbench(vertices: np.ndarray, faces: np.ndarray) -> Iterator[Workbench]:
    """A workbench with a mesh of vertices float32 [V, 3] and faces int32 [F, 3] on it; all of it goes in the end."""
    scene, mesh = bpy.data.scenes.new(NAME), bpy.data.meshes.new(NAME)
    item = bpy.data.objects.new(NAME, mesh)
    try:
        fill(mesh, vertices, faces)
        scene.collection.objects.link(item)
        yield Workbench(scene, item, vertices, faces)
    finally:
        bpy.data.objects.remove(item)
        bpy.data.meshes.remove(mesh)
        bpy.data.scenes.remove(scene)
