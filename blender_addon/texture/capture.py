# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh with the UVs that its texture will use: the artist's own layer where it can carry one, else a new one.

Nothing on the artist's object changes here. A new layer is tried on a copy, saved beside the job's inputs, and added to
the mesh when the texture arrives.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import bpy
import numpy as np

from ..backend.contract import BadInput, PaintedMesh
from ..delivery_note import MeshSource, Paint
from .unwrapping import smart_uvs
from .uv_layout import uv_layout

Scope = Literal["OBJECT", "SLOT", "FACES"]
UVChoice = Literal["AUTO", "NEW"]
NEW_LAYER = "Meshwright"
MOST_LAYERS = 8
"""UV layers that a mesh can have."""
MARGIN = 0.005
"""Room between new islands as a share of the square: ten texels of a 2048 texture."""


def capture_painted(source: bpy.types.Object, path: Path, which: MeshSource, scope: Scope, choice: UVChoice) -> Paint:
    """Write the object's mesh with UVs to an npz; how its texture will be delivered. Raises BadInput."""
    mesh, paint = painted_mesh(source, which, scope, choice, path.with_suffix(".uvs.npy"))
    mesh.write(path)
    return paint


def painted_mesh(source: bpy.types.Object, which: MeshSource, scope: Scope, choice: UVChoice,
                 new_uvs: Path) -> tuple[PaintedMesh, Paint]:
    """The object's mesh with UVs and the faces to paint, and how to deliver its texture.

    A new UV layer for the object's own mesh goes to the file `new_uvs` (npy, float32 [L, 2]). Raises BadInput for an
    object that cannot take a texture.
    """
    source.update_from_editmode()  # faces selected just now count
    mesh = source.data
    slots = _slots(source, scope)
    triangles = _Triangles.of(mesh)
    if not len(triangles.loops):
        raise BadInput(f"{source.name} has no faces.", "Only a surface can be painted.", "Select another object.")
    painted = triangles.painted(slots, scope)
    if not painted.any():
        what = "is selected" if scope == "FACES" else "has the active material slot"
        raise BadInput("There is nothing to paint.", f"No face of {source.name} {what}.",
                       "Select faces in Edit Mode, or choose the whole object.")
    layer = mesh.uv_layers.active
    faults = uv_layout(_corner_uvs(layer, triangles)[painted]).faults if layer else ("it has no UV map",)
    if layer and not faults and choice == "AUTO":
        return _captured(source, which, layer.name, slots, scope), Paint(layer.name, "", slots, scope == "FACES")
    if source.library or mesh.library:
        raise BadInput(f"{source.name} is linked from another file and cannot get a new UV map.",
                       f"Its own cannot carry a texture: {', '.join(faults) or 'a new one is asked for'}.",
                       "Make it local (Object > Relations > Make Local > Selected Objects and Data).")
    if len(mesh.uv_layers) >= MOST_LAYERS:
        raise BadInput(f"{source.name} has no room for another UV map.", f"A mesh can have {MOST_LAYERS}.",
                       "Remove one that you do not need.")
    uvs = smart_uvs(mesh, MARGIN)
    np.save(new_uvs, uvs)
    with _copy_with_layer(source, uvs) as (copy, name):
        captured = _captured(copy, which, name, slots, scope)
    remark = f"{source.name} got a new UV map beside its own: {', '.join(faults)}." if layer and faults else ""
    return captured, Paint(NEW_LAYER, new_uvs.name, slots, scope == "FACES", remark)


@dataclass(frozen=True)
class _Triangles:
    """A mesh's triangles: corners [F, 3] as vertices and as loops, material index and selection [F]."""

    vertices: np.ndarray
    loops: np.ndarray
    material: np.ndarray
    selected: np.ndarray

    @classmethod
    def of(cls, mesh: bpy.types.Mesh) -> "_Triangles":
        mesh.calc_loop_triangles()
        count = len(mesh.loop_triangles)
        vertices, loops = np.empty(count * 3, np.int32), np.empty(count * 3, np.int32)
        mesh.loop_triangles.foreach_get("vertices", vertices)
        mesh.loop_triangles.foreach_get("loops", loops)
        polygon = np.empty(count, np.int32)
        mesh.loop_triangles.foreach_get("polygon_index", polygon)
        material, selected = np.empty(len(mesh.polygons), np.int32), np.empty(len(mesh.polygons), bool)
        mesh.polygons.foreach_get("material_index", material)
        mesh.polygons.foreach_get("select", selected)
        return cls(vertices.reshape(-1, 3), loops.reshape(-1, 3), material[polygon], selected[polygon])

    def painted(self, slots: tuple[int, ...], scope: Scope) -> np.ndarray:
        """Which triangles are to be painted, bool [F]."""
        if scope == "FACES":
            return self.selected
        return np.isin(self.material, slots) if scope == "SLOT" else np.ones(len(self.material), bool)


def _slots(source: bpy.types.Object, scope: Scope) -> tuple[int, ...]:
    """The material slots that change; an object without slots counts as having one."""
    if scope == "SLOT":
        return (source.active_material_index,)
    if scope == "OBJECT":
        return tuple(range(max(len(source.material_slots), 1)))
    triangles = _Triangles.of(source.data)
    last = max(len(source.material_slots), 1) - 1
    return tuple(sorted({min(int(index), last) for index in np.unique(triangles.material[triangles.selected])}))


def _corner_uvs(layer: bpy.types.MeshUVLoopLayer, triangles: _Triangles) -> np.ndarray:
    """UVs float32 [F, 3, 2] of the triangles' corners."""
    uvs = np.empty(len(layer.uv) * 2, np.float32)
    layer.uv.foreach_get("vector", uvs)
    corners: np.ndarray = uvs.reshape(-1, 2)[triangles.loops]
    return corners


def _captured(source: bpy.types.Object, which: MeshSource, layer: str, slots: tuple[int, ...],
              scope: Scope) -> PaintedMesh:
    seen = source.evaluated_get(bpy.context.evaluated_depsgraph_get()) if which == "EVALUATED" else source
    mesh = seen.to_mesh()
    try:
        triangles = _Triangles.of(mesh)
        kept = mesh.uv_layers.get(layer)
        if kept is None or not len(triangles.loops):
            raise BadInput(f"The modifiers of {source.name} leave nothing that can be painted.",
                           f"After them there are no faces, or no UV map {layer}.",
                           "Choose Without Modifiers, or apply them.")
        vertices = np.empty(len(mesh.vertices) * 3, np.float32)
        mesh.vertices.foreach_get("co", vertices)
        uvs, painted = _corner_uvs(kept, triangles), triangles.painted(slots, scope)
    finally:
        seen.to_mesh_clear()
    matrix = np.array(source.matrix_world, np.float64)
    placed = (vertices.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32)
    if not np.isfinite(placed).all():
        raise BadInput(f"{source.name} has vertices at no place.", "Some coordinates are infinite or not a number.",
                       "Delete these vertices or apply the modifiers that make them.")
    mirrored = slice(None, None, -1) if np.linalg.det(matrix[:3, :3]) < 0 else slice(None)
    return PaintedMesh(placed, triangles.vertices[:, mirrored], uvs[:, mirrored], painted)


@contextmanager
def _copy_with_layer(source: bpy.types.Object, uvs: np.ndarray) -> Iterator[tuple[bpy.types.Object, str]]:
    """A copy of the object in the same scene whose mesh has the new UVs, and the layer's name; gone afterwards."""
    mesh, copy = source.data.copy(), source.copy()
    copy.data = mesh
    layer = mesh.uv_layers.new(name=NEW_LAYER, do_init=False)
    layer.uv.foreach_set("vector", uvs.ravel())
    bpy.context.scene.collection.objects.link(copy)
    try:
        bpy.context.view_layer.update()
        yield copy, layer.name
    finally:
        bpy.data.objects.remove(copy)
        bpy.data.meshes.remove(mesh)
