# SPDX-License-Identifier: GPL-3.0-or-later
"""What a view shows of a mesh, and painting only that."""

from pathlib import Path

import bpy
import numpy as np
import pytest
from mathutils import Euler, Matrix

from backend.contract import BadInput
from blender_addon.capture.painted_mesh import painted_mesh
from blender_addon.capture.view import View

from .test_texture_bad_input import crate
from .test_texture_keeps import hero, painted
from .textured import assert_kept, object_state, registered_variants, world_state

__all__ = ["crate", "registered_variants"]


def view_from(azimuth: float, elevation: float = 0.0, distance: float = 20.0, perspective: bool = False,
              reach: float = 4.0) -> View:
    """A viewport that looks at the origin; azimuth 0 from the front (-Y), 90 from +X; `reach` is half its width."""
    turn = Euler(np.radians([90 - elevation, 0, azimuth])).to_matrix()
    placed = Matrix.LocRotScale(turn.col[2] * distance, turn, (1, 1, 1))
    matrix = np.array(placed.inverted())
    window = np.diag([1 / reach, 1 / reach, -0.01, 1.0])
    if perspective:
        window = np.array([[distance / reach, 0, 0, 0], [0, distance / reach, 0, 0], [0, 0, -1, -0.1], [0, 0, -1, 0]])
    return View(matrix, window @ matrix, perspective)


@pytest.mark.parametrize("perspective", [False, True])
@pytest.mark.parametrize(("azimuth", "elevation", "normals"), [
    (0, 0, {(0, -1, 0)}), (90, 0, {(1, 0, 0)}), (180, 0, {(0, 1, 0)}), (0, 90, {(0, 0, 1)}),
    (45, 0, {(0, -1, 0), (1, 0, 0)}), (45, 35, {(0, -1, 0), (1, 0, 0), (0, 0, 1)}),
])
def test_a_crate_shows_its_near_sides(crate: bpy.types.Object, tmp_path: Path, azimuth: float, elevation: float,
                                      normals: set[tuple[int, ...]], perspective: bool) -> None:
    view = view_from(azimuth, elevation, perspective=perspective)
    captured, paint = painted_mesh(crate, "BASE", "VIEW", "AUTO", tmp_path / "uvs.npy", view)
    plain, _ = painted_mesh(crate, "BASE", "OBJECT", "AUTO", tmp_path / "uvs.npy")
    corners = plain.vertices[plain.faces][captured.selected]
    seen = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert {tuple(np.sign(np.round(normal)).astype(int)) for normal in seen} == normals
    assert paint.masked and captured.selected.sum() == 2 * len(normals)
    front = captured.vertices[captured.faces][captured.selected]
    outward = np.cross(front[:, 1] - front[:, 0], front[:, 2] - front[:, 0])
    assert (outward[:, 1] < 0.01).all(), "what is shown looks to the front now"


def test_what_stands_before_hides_what_is_behind(crate: bpy.types.Object, tmp_path: Path) -> None:
    """Two plates, one behind the other, a third next to them: what is covered or outside the frame is left out."""
    mesh = bpy.data.meshes.new("plates")
    mesh.from_pydata([(-1, -1, -1), (1, -1, -1), (1, -1, 1), (-1, -1, 1), (-1, 1, -1), (1, 1, -1), (1, 1, 1),
                      (-1, 1, 1), (9, 1, -1), (9, 1, 1)], [], [(0, 1, 2, 3), (4, 5, 6, 7), (5, 8, 9, 6)])
    crate.data = mesh
    for view, expected in ((view_from(0, reach=10), [0, 2]), (view_from(180, reach=10), []),
                           (view_from(0, reach=3), [0, 2]), (view_from(0, reach=1), [0])):
        shown = view.visible(*_triangles(mesh))
        assert sorted({int(index) // 2 for index in np.flatnonzero(shown)}) == expected


@pytest.mark.parametrize("perspective", [False, True])
def test_no_face_that_is_seen_in_part_is_left_out(scene: bpy.types.Scene, perspective: bool) -> None:
    """Behind a smaller plate a larger one looks out on all sides, though its middle is hidden; a ball's faces are shown
    up to its outline."""
    mesh = bpy.data.meshes.new("plates")
    mesh.from_pydata([(x * side, y, z * side) for side, y in ((1, -1), (1.5, 1))
                      for x, z in ((-1, -1), (1, -1), (1, 1), (-1, 1))], [], [(0, 1, 2, 3), (4, 5, 6, 7)])
    assert view_from(0, perspective=perspective).visible(*_triangles(mesh)).all()
    bpy.ops.mesh.primitive_uv_sphere_add(segments=48, ring_count=24)
    vertices, faces = _triangles(bpy.context.object.data)
    view = view_from(20, 10, perspective=perspective, reach=2)
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    toward = view._towards(corners.mean(axis=1))
    cosine = (normals * toward).sum(axis=1) / np.linalg.norm(normals, axis=1) / np.linalg.norm(toward, axis=1)
    assert (view.visible(vertices, faces) == (cosine > 0.02))[np.abs(cosine - 0.02) > 0.01].all()


def _triangles(mesh: bpy.types.Mesh) -> tuple[np.ndarray, np.ndarray]:
    mesh.calc_loop_triangles()
    return (np.array([vertex.co for vertex in mesh.vertices]),
            np.array([triangle.vertices for triangle in mesh.loop_triangles]))


def test_through_modifiers_and_mirrored_nothing_changes(scene: bpy.types.Scene, tmp_path: Path) -> None:
    item = hero()
    item.scale.x = -1
    bpy.context.view_layer.update()
    before, world = object_state(item), world_state()
    for which in ("BASE", "EVALUATED"):
        captured, _ = painted_mesh(item, which, "VIEW", "AUTO", tmp_path / "uvs.npy", view_from(30, 20, reach=9))
        assert 0.2 < captured.selected.mean() < 0.6, "about half of a ball"
        corners = captured.vertices[captured.faces]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        assert (normals[captured.selected][:, 1] < 0).mean() > 0.95
        assert (normals[~captured.selected][:, 1] > 0).mean() > 0.7
    assert object_state(item) == before and world_state() == world
    painted([item], "VIEW", "NEW", "EVALUATED", tmp_path, view=view_from(30, 20, reach=9))
    assert_kept(before, object_state(item), ("uv order",))
    assert {"MIX_SHADER"} <= {node.type for node in item.active_material.node_tree.nodes}


def test_a_view_that_shows_nothing_is_refused(crate: bpy.types.Object, tmp_path: Path) -> None:
    crate.location.x = 99
    bpy.context.view_layer.update()
    with pytest.raises(BadInput, match="No face of crate is shown by this view"):
        painted_mesh(crate, "BASE", "VIEW", "AUTO", tmp_path / "uvs.npy", view_from(0))
    with pytest.raises(BadInput, match="no view to paint from"):
        View.of(bpy.context)


def test_the_viewport_tells_its_view(crate: bpy.types.Object, tmp_path: Path) -> None:
    bpy.ops.wm.read_homefile(use_empty=False)
    window = bpy.context.window_manager.windows[0]
    area = next(area for area in window.screen.areas if area.type == "VIEW_3D")
    region = next(region for region in area.regions if region.type == "WINDOW")
    with bpy.context.temp_override(window=window, area=area, region=region):
        seen = bpy.context.region_data
        view = View.of(bpy.context)
        assert view.perspective == seen.is_perspective and np.allclose(view.matrix, np.array(seen.view_matrix))
