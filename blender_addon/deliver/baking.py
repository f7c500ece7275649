# SPDX-License-Identifier: GPL-3.0-or-later
"""A normal map for a low mesh from the dense one that it stands for, by Cycles' own bake from selected to active."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import bpy
import numpy as np

from ..backend.contract import BadInput, MeshwrightError
from ..capture.unwrapping import smart_uvs
from ..materials.node_trees import colored_material, copied_material
from ..names import fitted
from .scene import hide, unhide

NODE = "Meshwright Normals"
"""Name of the image node in a material that shows a baked map."""
SAMPLES = 4
ISLAND_MARGIN = 0.005
BLEED = 16
"""Pixels by which the map is drawn out beyond the islands."""
_MOST_SAMPLES = 5000
_USUAL_SHARE, _ROOM, _LEAST = 95, 2.0, 0.002
"""Rays start this many times as far out as that percentile of the distances, and at least at this share of the size."""


def bake_normals(low: bpy.types.Object, dense: bpy.types.Object, size: int, distance: float, scene: bpy.types.Scene,
                 view_layer: bpy.types.ViewLayer) -> bpy.types.Image:
    """Bake `dense` into a new tangent-space map of `low`, and have the materials of `low` show it.

    `size` is in pixels; rays start `distance` outside `low`, in its own frame; 0 measures it. A mesh without UVs gets
    some; materials that others use too are copied first; `dense` stays as it was. Raises MeshwrightError where Blender
    cannot bake.
    """
    for item in (low, dense):
        if item.name not in view_layer.objects or not len(item.data.polygons):
            raise BadInput(f"{item.name} cannot be baked.", "It has no faces, or is not in this view layer.",
                           "Bring it back into a collection of this scene.")
    uv_layer = _uv_layer(low.data)
    image = bpy.data.images.new(fitted(low.name, " normals"), size, size, alpha=False)
    image.colorspace_settings.is_data = True
    targets = [_image_node(material, image, uv_layer) for material in _own_materials(low)]
    with ExitStack() as kept:
        kept.enter_context(_renderable(dense, view_layer))
        kept.enter_context(_cycles(scene))
        view_layer.update()
        reach = distance or usual_distance(low, dense, view_layer)
        _bake(low, dense, reach, scene, view_layer)
    for node in targets:
        _show(node, uv_layer)
    image.pack()
    return image


def usual_distance(low: bpy.types.Object, dense: bpy.types.Object, view_layer: bpy.types.ViewLayer) -> float:
    """How far outside `low` rays should start to meet `dense`, in the frame of `low`."""
    evaluated = dense.evaluated_get(view_layer.depsgraph)
    to_dense = dense.matrix_world.inverted_safe() @ low.matrix_world
    to_low = to_dense.inverted_safe()
    vertices, polygons = low.data.vertices, low.data.polygons
    points = [vertices[index].co for index in range(0, len(vertices), 1 + len(vertices) // _MOST_SAMPLES)]
    points += [polygons[index].center for index in range(0, len(polygons), 1 + len(polygons) // _MOST_SAMPLES)]
    distances = []
    for point in points:
        found, nearest, _, _ = evaluated.closest_point_on_mesh(to_dense @ point)
        if found:
            distances.append((to_low @ nearest - point).length)
    usual = float(np.percentile(distances, _USUAL_SHARE)) if distances else 0.0
    return max(_ROOM * usual, _LEAST * float(np.ptp(np.array(low.bound_box), axis=0).max()))


def _uv_layer(mesh: bpy.types.Mesh) -> str:
    """The active UV map's name; a mesh without any is unwrapped by smart projection."""
    if not mesh.uv_layers:
        uvs = smart_uvs(mesh, ISLAND_MARGIN)
        layer = mesh.uv_layers.new(name="UVMap", do_init=False)
        layer.uv.foreach_set("vector", uvs.ravel())
    return str(mesh.uv_layers.active.name)


def _own_materials(low: bpy.types.Object) -> list[bpy.types.Material]:
    """The materials of the slots, each copied unless it already shows a baked map: the dense object uses it too."""
    if not low.material_slots:
        low.data.materials.append(colored_material(low.name, None))
    own: dict[bpy.types.Material | None, bpy.types.Material] = {}
    for slot in low.material_slots:
        known = slot.material
        if known not in own:
            own[known] = known if known and _has_map(known) else _copied(known, low.name)
        slot.material = own[known]
    return list(own.values())


def _has_map(material: bpy.types.Material) -> bool:
    return material.node_tree is not None and NODE in material.node_tree.nodes


def _copied(material: bpy.types.Material | None, name: str) -> bpy.types.Material:
    if material is None:
        return colored_material(name, None)
    return copied_material(material, fitted(material.name, " baked"))


def _image_node(material: bpy.types.Material, image: bpy.types.Image, uv_layer: str) -> bpy.types.Node:
    """The node that the bake goes to, with the image; nothing hangs on it during the bake."""
    nodes, links = material.node_tree.nodes, material.node_tree.links
    node = nodes.get(NODE)
    if node is None:
        node = nodes.new("ShaderNodeTexImage")
        node.name = node.label = NODE
        node.location = (-700, -400)
        coordinates = nodes.new("ShaderNodeUVMap")
        coordinates.location = (-900, -500)
        links.new(coordinates.outputs["UV"], node.inputs["Vector"])
    node.inputs["Vector"].links[0].from_node.uv_map = uv_layer
    for link in list(node.outputs["Color"].links):
        nodes.remove(link.to_node)
    node.image = image
    nodes.active = node
    return node


def _show(node: bpy.types.Node, uv_layer: str) -> None:
    """Have every shader of the node's material use the map."""
    tree = node.id_data
    normal = tree.nodes.new("ShaderNodeNormalMap")
    normal.location, normal.uv_map = (node.location.x + 320, node.location.y), uv_layer
    tree.links.new(node.outputs["Color"], normal.inputs["Color"])
    for shader in tree.nodes:
        if shader.type.startswith("BSDF_") and "Normal" in shader.inputs:
            tree.links.new(normal.outputs["Normal"], shader.inputs["Normal"])


@contextmanager
def _renderable(item: bpy.types.Object, view_layer: bpy.types.ViewLayer) -> Iterator[None]:
    """Show the object meanwhile: what is hidden is not baked."""
    hidden, hidden_in_renders = item.hide_get(view_layer=view_layer), item.hide_render
    unhide([item], view_layer)
    try:
        yield
    finally:
        if hidden:
            hide([item], view_layer)
        item.hide_render = hidden_in_renders


@contextmanager
def _cycles(scene: bpy.types.Scene) -> Iterator[None]:
    """Cycles with few samples meanwhile. Raises MeshwrightError where it is not enabled."""
    engine = scene.render.engine
    try:
        scene.render.engine = "CYCLES"
    except TypeError as error:
        raise MeshwrightError("Normals cannot be baked.", "Only Cycles bakes, and its add-on is not enabled.",
                              "Enable Cycles Render Engine in Preferences > Add-ons.") from error
    samples, scene.cycles.samples = scene.cycles.samples, SAMPLES
    try:
        yield
    finally:
        scene.cycles.samples, scene.render.engine = samples, engine


def _bake(low: bpy.types.Object, dense: bpy.types.Object, reach: float, scene: bpy.types.Scene,
          view_layer: bpy.types.ViewLayer) -> None:
    # Blender extrudes in the object's frame, but measures rays in the world.
    longest = 2 * reach * max(abs(scale) for scale in low.matrix_world.to_scale())
    with bpy.context.temp_override(scene=scene, view_layer=view_layer, active_object=low, object=low,
                                   selected_objects=[dense, low]):
        try:
            bpy.ops.object.bake(
                type="NORMAL", normal_space="TANGENT", use_selected_to_active=True, cage_extrusion=reach,
                max_ray_distance=longest, target="IMAGE_TEXTURES", save_mode="INTERNAL", use_clear=True,
                margin=BLEED, margin_type="EXTEND")
        except RuntimeError as error:
            raise MeshwrightError("Normals could not be baked.", str(error).removeprefix("Error: ").strip(),
                                  "Look at the material, the UV map and the visibility in renders.") from error
