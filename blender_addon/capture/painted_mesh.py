# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh with the UVs that its texture will use: the artist's own layer where it can carry one, else a new one.

Nothing on the artist's object changes here. A new layer is tried on a copy, saved next to the job's inputs, and added
to the mesh when the texture arrives.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import bpy
import numpy as np
from mathutils import Matrix

from ..backend.contract import BadInput, MeshData
from ..delivery_note import MaterialPlacement, MeshSource
from .current_texture import baked_texture
from .instances import has_instances
from .state import corner_checksum, flush_edits, uv_checksum
from .unwrapping import smart_uvs
from .uv_layout import MOST_OVERLAPPING, shared_area, uv_layout
from .view import View

Scope = Literal["OBJECT", "SLOT", "FACES", "VIEW"]
UVChoice = Literal["AUTO", "NEW"]
NEW_LAYER = "Meshwright"
"""Serves again for the next texture where the active layer still cannot carry one."""
MARK = "meshwright_painted"
_WANTED = {"OBJECT": "is left", "SLOT": "has the active material slot", "FACES": "is selected",
           "VIEW": "is shown by this view"}
MOST_LAYERS = 8
"""UV layers that a mesh can have."""
MARGIN = 0.005
"""Room between new islands as a share of the square: ten texels of a 2048 texture."""


def capture_painted(source: bpy.types.Object, path: Path, which: MeshSource, scope: Scope, choice: UVChoice,
                    view: View | None = None, textured: bool = False) -> MaterialPlacement:
    """Write the object's mesh with UVs to an npz; how its texture will be delivered. Raises MeshwrightError."""
    mesh, paint = painted_mesh(source, which, scope, choice, path.with_suffix(".uvs.npy"), view, textured)
    mesh.write(path)
    return paint


def painted_mesh(source: bpy.types.Object, which: MeshSource, scope: Scope, choice: UVChoice, new_uvs: Path,
                 view: View | None = None, textured: bool = False,
                 origin: np.ndarray | None = None) -> tuple[MeshData, MaterialPlacement]:
    """The object's mesh in the world, as seen from `origin` (float64 [3]), with UVs and the faces to paint, and how to
    deliver its texture.

    A new UV layer for the object's own mesh goes to the file `new_uvs` (npy, float32 [L, 2]). With the scope "VIEW" the
    faces that `view` shows are painted, and the mesh is turned so that it is seen as from the front. With `textured` it
    brings what it shows now. Raises BadInput for an object that cannot take a texture, MeshwrightError where Blender
    cannot bake.
    """
    _check_can_change(source)
    flush_edits()  # faces selected just now count, too
    unreal = _instances_remark(source) if which == "EVALUATED" else ""
    with _copy_of(source) as copy:
        mesh, masked = copy.data, scope in ("FACES", "VIEW")
        triangles = _Triangles.of(mesh, len(copy.material_slots))
        if not len(triangles.loops):
            raise BadInput(f"{source.name} has no faces.", "Only a surface can be painted.", "Select another object.")
        shown = _shown(copy, triangles, which, view) if view else None
        painted = _painted(copy, triangles, scope, shown)
        if not painted.any():
            raise BadInput("There is nothing to paint.", f"No face of {source.name} {_WANTED[scope]}.",
                           "Choose other faces, or the whole object.")
        slots = _slots(copy, triangles, painted, scope)
        _mark(mesh, painted, triangles)
        layer = mesh.uv_layers.active
        faults = _faults(_corner_uvs(layer, triangles), painted, masked) if layer else ("it has no UV map",)
        earlier = mesh.uv_layers.get(NEW_LAYER)
        if faults and earlier and not _faults(_corner_uvs(earlier, triangles), painted, masked):
            layer, faults = earlier, ()
        uvs = None
        if layer is None or faults or choice == "NEW":
            _check_room(source, faults)
            uvs = smart_uvs(mesh, MARGIN)
        name = str(layer.name) if uvs is None else _add_layer(mesh, uvs)
        captured = _captured(copy, source.name, which, name, np.zeros(3) if origin is None else origin)
        corners, layout = corner_checksum(mesh), uv_checksum(mesh.uv_layers[name])
        if textured:
            captured = replace(captured, texture=baked_texture(copy, which, name, source.name))
    if view is not None and shown is not None:
        captured = replace(captured, vertices=view.turned(captured.vertices), selection=shown > 0)
    if uvs is None:
        return captured, MaterialPlacement(name, "", slots, masked, unreal, corners, layout)
    np.save(new_uvs, uvs)
    remark = f"{source.name} got a new UV map next to its own: {', '.join(faults)}." if layer and faults else ""
    return captured, MaterialPlacement(NEW_LAYER, new_uvs.name, slots, masked, f"{remark} {unreal}".strip(), corners)


def _check_can_change(source: bpy.types.Object) -> None:
    """Raises BadInput where new materials or a first material slot could not be given to the object."""
    local = "Make it local (Object > Relations > Make Local), or make a library override of it."
    if source.library:
        raise BadInput(f"{source.name} is linked from another file and cannot take a texture.",
                       "What is linked can only be changed in its own file.", local)
    if source.data.library and not source.material_slots:
        raise BadInput(f"The mesh of {source.name} is linked from another file and has no material slot.",
                       "A texture needs one, which can only be added in that file.", local)


def _instances_remark(source: bpy.types.Object) -> str:
    """What is said of instances, which have no UVs of their own."""
    if not has_instances(source):
        return ""
    return f"The instances of {source.name} were not painted: add a Realize Instances node to its geometry nodes."


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


def _painted(copy: bpy.types.Object, triangles: _Triangles, scope: Scope, shown: np.ndarray | None) -> np.ndarray:
    """Which triangles are to be painted, bool [F]; with `shown` those of which a view shows anything."""
    if scope == "FACES":
        return triangles.selected
    if scope == "SLOT":
        return triangles.material == copy.active_material_index
    if shown is None:
        return np.ones(len(triangles.polygon), bool)
    seen: np.ndarray = np.isin(triangles.polygon + 1, shown)
    return seen


def _shown(copy: bpy.types.Object, triangles: _Triangles, which: MeshSource, view: View) -> np.ndarray:
    """For each triangle that will be captured the number of the face that it comes from, 0 where the view does not
    show it."""
    _mark(copy.data, np.ones(len(triangles.polygon), bool), triangles)
    with _seen(copy, which) as mesh:
        seen = _Triangles.of(mesh, len(copy.material_slots))
        faces = seen.vertices[:, _winding(copy.matrix_world)]
        visible = view.visible(_placed(mesh, copy.matrix_world), faces)
        numbers: np.ndarray = np.where(visible, _marks(mesh)[seen.polygon], 0)
    return numbers


def _slots(copy: bpy.types.Object, triangles: _Triangles, painted: np.ndarray, scope: Scope) -> tuple[int, ...]:
    """The material slots that change; an object without slots counts as having one."""
    if scope == "OBJECT":
        return tuple(range(max(len(copy.material_slots), 1)))
    return tuple(int(index) for index in np.unique(triangles.material[painted]))


def _mark(mesh: bpy.types.Mesh, painted: np.ndarray, triangles: _Triangles) -> None:
    """Keep the painted faces' numbers in an attribute, from 1 on: modifiers forget selection, some change materials."""
    values = np.zeros(len(mesh.polygons), np.int32)
    values[triangles.polygon[painted]] = triangles.polygon[painted] + 1
    layer = mesh.attributes.get(MARK) or mesh.attributes.new(MARK, "INT", "FACE")
    layer.data.foreach_set("value", values)


def _marks(mesh: bpy.types.Mesh) -> np.ndarray:
    """The numbers that faces [P] have from their marked ones, 0 for the others."""
    values = np.zeros(len(mesh.polygons), np.int32)
    if MARK in mesh.attributes and mesh.attributes[MARK].domain == "FACE":
        mesh.attributes[MARK].data.foreach_get("value", values)
    return values


def _faults(uvs: np.ndarray, painted: np.ndarray, masked: bool) -> tuple[str, ...]:
    """Why these UVs [F, 3, 2] cannot carry the texture of the painted faces; empty when they can.

    Of a `masked` texture the other faces see the same material.
    """
    faults = uv_layout(uvs[painted]).faults
    if masked and (shared := shared_area(uvs[painted], uvs[~painted])) > MOST_OVERLAPPING:
        return *faults, f"other faces lie on {shared:.0%} of the UV area that is to be painted"
    return faults


def _corner_uvs(layer: bpy.types.MeshUVLoopLayer, triangles: _Triangles) -> np.ndarray:
    """UVs float32 [F, 3, 2] of the triangles' corners."""
    uvs = np.empty(len(layer.uv) * 2, np.float32)
    layer.uv.foreach_get("vector", uvs)
    corners: np.ndarray = uvs.reshape(-1, 2)[triangles.loops]
    return corners


def _captured(source: bpy.types.Object, name: str, which: MeshSource, layer: str, origin: np.ndarray) -> MeshData:
    """What views shall see of the copy `source` of the object `name`, as seen from `origin`."""
    with _seen(source, which) as mesh:
        triangles = _Triangles.of(mesh, len(source.material_slots))
        kept, painted = mesh.uv_layers.get(layer), _marks(mesh)[triangles.polygon] > 0
        if kept is None or not painted.any():
            raise BadInput(f"The modifiers of {name} leave nothing that can be painted.",
                           f"After them there are none of the faces, or no UV map {layer}.",
                           "Choose Without Modifiers, or apply them.")
        placed, uvs = _placed(mesh, source.matrix_world) - origin, _corner_uvs(kept, triangles)
    if not np.isfinite(placed).all():
        raise BadInput(f"{name} has invalid vertex positions (NaN or infinite).", "Its shape is undefined.",
                       "Delete these vertices or apply the modifiers that make them.")
    turn = _winding(source.matrix_world)
    return MeshData(placed, triangles.vertices[:, turn], uvs[:, turn], selection=painted)


@contextmanager
def _seen(source: bpy.types.Object, which: MeshSource) -> Iterator[bpy.types.Mesh]:
    """The mesh with or without its modifiers."""
    bpy.context.view_layer.update()  # also for the place of one that a script has just moved
    seen = source.evaluated_get(bpy.context.evaluated_depsgraph_get()) if which == "EVALUATED" else source
    try:
        yield seen.to_mesh()
    finally:
        seen.to_mesh_clear()


def _placed(mesh: bpy.types.Mesh, matrix: Matrix) -> np.ndarray:
    """Vertices float64 [V, 3] in the world."""
    vertices = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", vertices)
    world = np.array(matrix, np.float64)
    placed: np.ndarray = vertices.reshape(-1, 3) @ world[:3, :3].T + world[:3, 3]
    return placed


def _winding(matrix: Matrix) -> slice:
    """The order of a triangle's corners in the world: a mirrored one would face inwards."""
    return slice(None, None, -1 if np.linalg.det(np.array(matrix, np.float64)[:3, :3]) < 0 else None)


def _add_layer(mesh: bpy.types.Mesh, uvs: np.ndarray) -> str:
    """The name of a new layer with these UVs."""
    layer = mesh.uv_layers.new(name=NEW_LAYER, do_init=False)
    layer.uv.foreach_set("vector", uvs.ravel())
    return str(layer.name)


@contextmanager
def _copy_of(source: bpy.types.Object) -> Iterator[bpy.types.Object]:
    """A copy of the object with a mesh of its own in the same scene, in Object Mode; gone afterward.

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
