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
from .uv_layout import MOST_OVERLAPPING, shared_area, uv_layout

Scope = Literal["OBJECT", "SLOT", "FACES"]
UVChoice = Literal["AUTO", "NEW"]
NEW_LAYER = "Meshwright"
MARK = "meshwright_painted"
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
    _check_can_change(source)
    source.update_from_editmode()  # faces selected just now count
    with _copy_of(source) as copy:
        mesh = copy.data
        slots = _slots(copy, scope)
        triangles = _Triangles.of(mesh, len(copy.material_slots))
        if not len(triangles.loops):
            raise BadInput(f"{source.name} has no faces.", "Only a surface can be painted.", "Select another object.")
        painted = triangles.painted(slots, scope)
        if not painted.any():
            what = "is selected" if scope == "FACES" else "has the active material slot"
            raise BadInput("There is nothing to paint.", f"No face of {source.name} {what}.",
                           "Select faces in Edit Mode, or choose the whole object.")
        _mark(mesh, painted, triangles)
        layer = mesh.uv_layers.active
        faults = _faults(_corner_uvs(layer, triangles), painted, scope) if layer else ("it has no UV map",)
        if layer and not faults and choice == "AUTO":
            return _captured(copy, source.name, which, layer.name), Paint(
                layer.name, "", slots, scope == "FACES")
        _check_room(source, faults)
        uvs = smart_uvs(mesh, MARGIN)
        name = _add_layer(mesh, uvs)
        captured = _captured(copy, source.name, which, name)
    np.save(new_uvs, uvs)
    remark = f"{source.name} got a new UV map beside its own: {', '.join(faults)}." if layer and faults else ""
    return captured, Paint(NEW_LAYER, new_uvs.name, slots, scope == "FACES", remark)


def _check_can_change(source: bpy.types.Object) -> None:
    """Raises BadInput where new materials or a first material slot could not be given to the object."""
    local = "Make it local (Object > Relations > Make Local), or make a library override of it."
    if source.library:
        raise BadInput(f"{source.name} is linked from another file and cannot take a texture.",
                       "What is linked can only be changed in its own file.", local)
    if source.data.library and not source.material_slots:
        raise BadInput(f"The mesh of {source.name} is linked from another file and has no material slot.",
                       "A texture needs one, which can only be added in that file.", local)


def _check_room(source: bpy.types.Object, faults: tuple[str, ...]) -> None:
    """Raises BadInput where the mesh cannot get another UV layer."""
    if source.data.library or source.data.override_library:
        raise BadInput(f"The mesh of {source.name} is linked from another file and cannot get a new UV map.",
                       f"Its own cannot carry a texture: {', '.join(faults) or 'a new one is asked for'}.",
                       "Make the mesh local (Object > Relations > Make Local > Selected Objects and Data).")
    if len(source.data.uv_layers) >= MOST_LAYERS:
        own = ": " + ", ".join(faults) if faults else ""
        raise BadInput(f"{source.name} has no room for another UV map.",
                       f"It has {MOST_LAYERS}, the most a mesh can have, and needs a new one{own}.",
                       "Remove one that you do not need, or mend the active one.")


@dataclass(frozen=True)
class _Triangles:
    """A mesh's triangles: corners [F, 3] as vertices and as loops, polygon, material index and selection [F]."""

    vertices: np.ndarray
    loops: np.ndarray
    polygon: np.ndarray
    material: np.ndarray
    selected: np.ndarray

    @classmethod
    def of(cls, mesh: bpy.types.Mesh, slots: int) -> "_Triangles":
        """Of a mesh whose object has so many slots: faces of later ones show the last."""
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
        material = np.minimum(material, max(slots, 1) - 1)
        return cls(vertices.reshape(-1, 3), loops.reshape(-1, 3), polygon, material[polygon], selected[polygon])

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
    triangles = _Triangles.of(source.data, len(source.material_slots))
    return tuple(int(index) for index in np.unique(triangles.material[triangles.selected]))


def _mark(mesh: bpy.types.Mesh, painted: np.ndarray, triangles: _Triangles) -> None:
    """Keep in an attribute which faces are painted: modifiers forget selection, and some change materials."""
    values = np.zeros(len(mesh.polygons), np.int32)
    values[triangles.polygon[painted]] = 1
    mesh.attributes.new(MARK, "INT", "FACE").data.foreach_set("value", values)


def _marked(mesh: bpy.types.Mesh, triangles: _Triangles) -> np.ndarray:
    """Which triangles come from marked faces, bool [F]."""
    values = np.zeros(len(mesh.polygons), np.int32)
    if MARK in mesh.attributes and mesh.attributes[MARK].domain == "FACE":
        mesh.attributes[MARK].data.foreach_get("value", values)
    marked: np.ndarray = values[triangles.polygon] == 1
    return marked


def _faults(uvs: np.ndarray, painted: np.ndarray, scope: Scope) -> tuple[str, ...]:
    """Why these UVs [F, 3, 2] cannot carry the texture of the painted faces; empty when they can."""
    faults = uv_layout(uvs[painted]).faults
    if scope == "FACES" and (shared := shared_area(uvs[painted], uvs[~painted])) > MOST_OVERLAPPING:
        return *faults, f"faces that are not selected lie on {shared:.0%} of the selected ones' UV area"
    return faults


def _corner_uvs(layer: bpy.types.MeshUVLoopLayer, triangles: _Triangles) -> np.ndarray:
    """UVs float32 [F, 3, 2] of the triangles' corners."""
    uvs = np.empty(len(layer.uv) * 2, np.float32)
    layer.uv.foreach_get("vector", uvs)
    corners: np.ndarray = uvs.reshape(-1, 2)[triangles.loops]
    return corners


def _captured(source: bpy.types.Object, name: str, which: MeshSource, layer: str) -> PaintedMesh:
    """What views shall see of the copy `source` of the object `name`."""
    if which == "EVALUATED":
        bpy.context.view_layer.update()
    seen = source.evaluated_get(bpy.context.evaluated_depsgraph_get()) if which == "EVALUATED" else source
    mesh = seen.to_mesh()
    try:
        triangles = _Triangles.of(mesh, len(source.material_slots))
        kept, painted = mesh.uv_layers.get(layer), _marked(mesh, triangles)
        if kept is None or not painted.any():
            raise BadInput(f"The modifiers of {name} leave nothing that can be painted.",
                           f"After them there are none of the faces, or no UV map {layer}.",
                           "Choose Without Modifiers, or apply them.")
        vertices = np.empty(len(mesh.vertices) * 3, np.float32)
        mesh.vertices.foreach_get("co", vertices)
        uvs = _corner_uvs(kept, triangles)
    finally:
        seen.to_mesh_clear()
    matrix = np.array(source.matrix_world, np.float64)
    placed = (vertices.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32)
    if not np.isfinite(placed).all():
        raise BadInput(f"{name} has vertices at no place.", "Some coordinates are infinite or not a number.",
                       "Delete these vertices or apply the modifiers that make them.")
    mirrored = slice(None, None, -1) if np.linalg.det(matrix[:3, :3]) < 0 else slice(None)
    return PaintedMesh(placed, triangles.vertices[:, mirrored], uvs[:, mirrored], painted)


def _add_layer(mesh: bpy.types.Mesh, uvs: np.ndarray) -> str:
    """The name of a new layer with these UVs."""
    layer = mesh.uv_layers.new(name=NEW_LAYER, do_init=False)
    layer.uv.foreach_set("vector", uvs.ravel())
    return str(layer.name)


@contextmanager
def _copy_of(source: bpy.types.Object) -> Iterator[bpy.types.Object]:
    """A copy of the object with a mesh of its own in the same scene, in Object Mode; gone afterwards.

    In Edit Mode Blender hands out no UVs, and the artist's mesh shall not get a layer before its texture is there.
    """
    mesh, copy = source.data.copy(), source.copy()
    try:
        copy.data = mesh
        bpy.context.scene.collection.objects.link(copy)
        yield copy
    finally:
        bpy.data.objects.remove(copy)
        bpy.data.meshes.remove(mesh)
