# SPDX-License-Identifier: GPL-3.0-or-later
"""What an object shows now, baked into one image: the base color of all its materials, without light.

It is baked from copies in a scene of their own, so that neither the artist's objects, materials and render settings
change, nor the rest of the scene is prepared for rendering.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import bpy
import numpy as np

from ..backend.contract import BadInput, MeshwrightError
from ..delivery_note import MeshSource
from ..materials.node_trees import copied_material, plain_material

NAME = "Meshwright Current Texture"
SMALLEST, USUAL, LARGEST = 512, 1024, 2048
"""Texels a side: at least, of materials without images, and at most."""
BLEED = 16
_NO_SURFACE = ("BSDF_TRANSPARENT", "GROUP")


def baked_texture(item: bpy.types.Object, which: MeshSource, uv_layer: str, name: str) -> np.ndarray:
    """The base color of `item` by the UV layer of that name, uint8 [S, S, 3], sRGB, the first row on top.

    `name` is what the artist calls the object. Raises BadInput for one without materials, MeshwrightError where Blender
    cannot bake.
    """
    if not any(slot.material for slot in item.material_slots):
        raise BadInput(f"{name} has no texture to follow.", "It has no material.",
                       "Give it one, or follow something else than the texture so far.")
    with _studio(item, which) as studio:
        images = _images([material.node_tree for material in studio.mesh.materials if material and material.node_tree])
        widest = max((max(image.size) for image in images), default=USUAL)
        side = min(max(widest, SMALLEST), LARGEST)
        studio.image.scale(side, side)
        studio.show_base_colors()
        _bake(studio, uv_layer, name)
        pixels = np.empty(side * side * 4, np.float32)
        studio.image.pixels.foreach_get(pixels)
    rows = pixels.reshape(side, side, 4)[::-1, :, :3]
    texture: np.ndarray = (rows.clip(0, 1) * 255).round().astype(np.uint8)
    return texture


@dataclass
class _Studio:
    """A scene with a copy of the object as it is seen, and the image that it is baked into."""

    scene: bpy.types.Scene
    item: bpy.types.Object
    image: bpy.types.Image
    materials: list[bpy.types.Material] = field(default_factory=list)
    groups: list[bpy.types.NodeTree] = field(default_factory=list)

    @property
    def mesh(self) -> bpy.types.Mesh:
        """The copy's own."""
        return self.item.data

    def show_base_colors(self) -> None:
        """Give the copy materials of its own that shine in their base colors, and know the image."""
        made: dict[bpy.types.Material | None, bpy.types.Material] = {}
        for index, old in enumerate(self.mesh.materials):
            if old not in made:
                made[old] = plain_material(NAME) if old is None else copied_material(old, NAME)
                self.materials.append(made[old])
                tree = made[old].node_tree
                self._shine(tree)
                target = tree.nodes.new("ShaderNodeTexImage")
                target.image = self.image
                tree.nodes.active = target
            self.mesh.materials[index] = made[old]

    def _shine(self, tree: bpy.types.NodeTree) -> None:
        """Replace every surface by light of its color, also inside groups."""
        for node in list(tree.nodes):
            if node.type == "GROUP" and node.node_tree:
                node.node_tree = node.node_tree.copy()
                self.groups.append(node.node_tree)
                self._shine(node.node_tree)
            surfaces = [socket for socket in node.outputs if socket.type == "SHADER"]
            color = node.inputs.get("Base Color") or node.inputs.get("Color")
            if not surfaces or color is None or node.type in _NO_SURFACE or "VOLUME" in node.type:
                continue
            light = tree.nodes.new("ShaderNodeEmission")
            light.inputs["Color"].default_value = color.default_value
            if color.links:
                tree.links.new(color.links[0].from_socket, light.inputs["Color"])
            for link in list(surfaces[0].links):
                tree.links.new(light.outputs["Emission"], link.to_socket)


@contextmanager
def _studio(item: bpy.types.Object, which: MeshSource) -> Iterator[_Studio]:
    """All of it is gone afterward."""
    bpy.context.view_layer.update()
    graph = bpy.context.evaluated_depsgraph_get()
    seen = item.evaluated_get(graph) if which == "EVALUATED" else item
    mesh = bpy.data.meshes.new_from_object(seen, preserve_all_data_layers=True, depsgraph=graph)
    copy, scene = bpy.data.objects.new(NAME, mesh), bpy.data.scenes.new(NAME)
    studio = _Studio(scene, copy, bpy.data.images.new(NAME, SMALLEST, SMALLEST))
    try:
        copy.matrix_world = item.matrix_world
        for index, slot in enumerate(item.material_slots):
            if slot.link == "OBJECT" and index < len(mesh.materials):
                mesh.materials[index] = slot.material
        scene.collection.objects.link(copy)
        yield studio
    finally:
        bpy.data.objects.remove(copy)
        bpy.data.meshes.remove(mesh)
        for material in studio.materials:
            bpy.data.materials.remove(material)
        for group in studio.groups:
            bpy.data.node_groups.remove(group)
        bpy.data.images.remove(studio.image)
        bpy.data.scenes.remove(scene)


def _images(trees: list[bpy.types.NodeTree | None]) -> list[bpy.types.Image]:
    """Every image that the trees show, also inside groups."""
    nodes = [node for tree in trees if tree for node in tree.nodes]
    inside = [node.node_tree for node in nodes if node.type == "GROUP" and node.node_tree]
    return [node.image for node in nodes if node.type == "TEX_IMAGE" and node.image] + (
        _images(inside) if inside else [])


def _bake(studio: _Studio, uv_layer: str, name: str) -> None:
    scene, view_layer = studio.scene, studio.scene.view_layers[0]
    try:
        scene.render.engine = "CYCLES"
    except TypeError as error:
        raise MeshwrightError(f"What {name} shows now cannot be baked.",
                              "Only Cycles bakes, and its add-on is not enabled.",
                              "Enable Cycles Render Engine in Preferences > Add-ons, or follow something else than the "
                              "texture so far.") from error
    scene.cycles.samples, scene.cycles.device = 1, "CPU"  # no kernels to compile; without light one sample is exact
    view_layer.objects.active = studio.item
    studio.item.select_set(True, view_layer=view_layer)
    view_layer.update()
    with bpy.context.temp_override(scene=scene, view_layer=view_layer, active_object=studio.item, object=studio.item,
                                   selected_objects=[studio.item]):
        try:
            bpy.ops.object.bake(type="EMIT", target="IMAGE_TEXTURES", save_mode="INTERNAL", use_clear=True,
                                margin=BLEED, margin_type="EXTEND", uv_layer=uv_layer)
        except RuntimeError as error:
            raise MeshwrightError(f"What {name} shows now could not be baked.",
                                  str(error).removeprefix("Error: ").strip(),
                                  "Look at its materials, or follow something else than the texture so far.") from error
