# SPDX-License-Identifier: GPL-3.0-or-later
"""Material maps and vertex colors as node trees: a material of their own, or one laid over the old surface where only
some faces were painted.
"""

from collections.abc import Mapping

import bpy
import numpy as np

from ..backend.contract import MATERIAL_ROLES, Role
from ..names import fitted
from .viewport_color import laid_over_color, linear, mean_color

Maps = Mapping[Role, bpy.types.Image]
"""The images of one material by what they are for; `base_color` is always among them."""
ROUGHNESS = 0.5
NEUTRAL = (0.8, 0.8, 0.8)
UNDER = "meshwright_under"
"""Custom property of a material whose paint lies on another one: that one."""
_SOCKETS: dict[Role, str] = {"base_color": "Base Color", "metallic": "Metallic", "roughness": "Roughness",
                             "normal": "Normal"}
_ROW = 300


def colored_material(name: str, color: tuple[float, ...] | None) -> bpy.types.Material:
    """A Principled material; `color` is sRGB [3] in [0, 1], None gives a neutral gray. Also the viewport's color."""
    material = plain_material(name)
    shader = _shader(material)
    rgba = (*linear(np.array((color or NEUTRAL)[:3], np.float64)).tolist(), 1.0)
    shader.inputs["Base Color"].default_value = rgba
    shader.inputs["Roughness"].default_value = ROUGHNESS
    material.diffuse_color = rgba
    return material


def vertex_color_material(name: str, layer: str, mean: tuple[float, ...]) -> bpy.types.Material:
    """A Principled material that shows the color attribute of that name; `mean` is the sRGB [3] for the viewport."""
    material = colored_material(name, mean)
    shader, nodes = _shader(material), material.node_tree.nodes
    attribute = nodes.new("ShaderNodeVertexColor")
    attribute.layer_name = layer
    attribute.location = shader.location.x - _ROW, shader.location.y
    material.node_tree.links.new(attribute.outputs["Color"], shader.inputs["Base Color"])
    return material


def texture_material(name: str, maps: Maps, uv_layer: str, under: bpy.types.Material | None = None
                     ) -> bpy.types.Material:
    """A Principled material with these maps, read by the UV layer of that name; `under` is remembered as the one that
    the maps were composed with."""
    material = plain_material(name)
    # What Solid view shows, and where Blender's own bake would go; an overlaid image would show holes there.
    material.node_tree.nodes.active = _connect(material.node_tree, _shader(material), maps, uv_layer)
    material.diffuse_color = mean_color(maps["base_color"])
    if under is not None:
        material[UNDER] = under
    return material


def overlaid_material(name: str, maps: Maps, uv_layer: str, under: bpy.types.Material | None) -> bpy.types.Material:
    """A copy of the material `under`, a plain one for an empty slot, that shows the maps where the base color's alpha
    is 1 and the old surface where it is 0 or outside the UV square."""
    material = plain_material(name) if under is None else copied_material(under, name)
    _lay_over(material.node_tree, maps, uv_layer)
    material.diffuse_color = laid_over_color(maps["base_color"], material.diffuse_color)
    if under is not None:
        material[UNDER] = under
    return material


def composed(maps: Maps, uv_layer: str, under: bpy.types.Material | None) -> bool:
    """Fill what is transparent in the base color, in every map, with the maps of `under`, where that is a material of
    `texture_material` with the same maps, UV layer and sizes: the result is seen in Solid view and exported like any
    other. False where it is not.
    """
    below = _maps_of(under, uv_layer) if under is not None else {}
    if below.keys() != maps.keys() or any(
            tuple(below[role].size) != tuple(image.size) or below[role].channels != 4 or image.channels != 4
            for role, image in maps.items()):
        return False
    alpha = _pixels(maps["base_color"])[:, 3:]
    if any(tuple(image.size) != tuple(maps["base_color"].size) for image in maps.values()):
        return False
    for role, image in maps.items():
        old, new = _pixels(below[role]), _pixels(image)
        new[:, :3] = old[:, :3] + (new[:, :3] - old[:, :3]) * alpha
        new[:, 3] = old[:, 3]
        image.pixels.foreach_set(new.ravel())
        image.update()
        image.pack()
    return True


def _pixels(image: bpy.types.Image) -> np.ndarray:
    values = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(values)
    return values.reshape(-1, image.channels)


def _maps_of(material: bpy.types.Material, uv_layer: str) -> dict[Role, bpy.types.Image]:
    """The maps of a material that `texture_material` made for this UV layer and nobody changed; else none."""
    if not material.node_tree:
        return {}
    found: dict[Role, bpy.types.Image] = {}
    for node in material.node_tree.nodes:
        if node.type == "UVMAP" and node.uv_map != uv_layer:
            return {}
        if node.type == "TEX_IMAGE" and node.image and node.label in MATERIAL_ROLES:
            found[node.label] = node.image
    return found if _wires(material.node_tree) == _own_wires(found) else {}


def _wires(tree: bpy.types.NodeTree) -> list[tuple[str, str]]:
    return sorted((link.from_node.type, link.to_socket.name) for link in tree.links)


def _own_wires(maps: Maps) -> list[tuple[str, str]]:
    wires = [("BSDF_PRINCIPLED", "Surface")]
    for role in maps:
        wires += [("UVMAP", "Vector"), ("TEX_IMAGE", "Color" if role == "normal" else _SOCKETS[role])]
        wires += [("NORMAL_MAP", "Normal")] if role == "normal" else []
    return sorted(wires)


def material_under(material: bpy.types.Material) -> bpy.types.Material | None:
    """What lies under an overlaid material's paint; None under that of an empty slot."""
    return material.get(UNDER)


def remove_material(material: bpy.types.Material) -> None:
    """Delete a material, and those of its images that nothing else uses."""
    nodes = material.node_tree.nodes if material.node_tree else ()
    images = {node.image for node in nodes if node.type == "TEX_IMAGE" and node.image}
    bpy.data.materials.remove(material)
    for image in images:
        if not image.users:
            bpy.data.images.remove(image)


def plain_material(name: str) -> bpy.types.Material:
    """A new material with nodes: Blender's own default."""
    material = bpy.data.materials.new(fitted(name))
    if bpy.app.version < (5, 0, 0):  # from 5.0 on materials always have nodes
        material.use_nodes = True
    return material


def copied_material(under: bpy.types.Material, name: str) -> bpy.types.Material:
    """A copy of the material under this name, with nodes: those of the surface that a material without nodes shows."""
    material = under.copy()
    material.name = name
    if bpy.app.version < (5, 0, 0) and not material.use_nodes:
        material.use_nodes = True
        _show_plain_surface(material)
    return material


def _show_plain_surface(material: bpy.types.Material) -> None:
    """Replace its nodes, which were not in use, by a surface of the viewport's color, roughness and metallic."""
    tree = material.node_tree
    tree.nodes.clear()
    shader, output = tree.nodes.new("ShaderNodeBsdfPrincipled"), tree.nodes.new("ShaderNodeOutputMaterial")
    output.location = _ROW, 0
    tree.links.new(shader.outputs["BSDF"], output.inputs["Surface"])
    shader.inputs["Base Color"].default_value = material.diffuse_color
    shader.inputs["Roughness"].default_value = material.roughness
    shader.inputs["Metallic"].default_value = material.metallic


def _shader(material: bpy.types.Material) -> bpy.types.Node:
    return next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")


def _connect(tree: bpy.types.NodeTree, shader: bpy.types.Node, maps: Maps, uv_layer: str) -> bpy.types.Node:
    """Image nodes and one UV node in front of the shader; the base color's image node."""
    coordinates = tree.nodes.new("ShaderNodeUVMap")
    coordinates.uv_map = uv_layer
    coordinates.location = shader.location.x - 700, shader.location.y - 120
    shader.inputs["Roughness"].default_value = ROUGHNESS
    for row, (role, image) in enumerate(maps.items()):
        texture = tree.nodes.new("ShaderNodeTexImage")
        texture.image, texture.label = image, role
        texture.location = shader.location.x - 500, shader.location.y - row * _ROW
        tree.links.new(coordinates.outputs["UV"], texture.inputs["Vector"])
        color = texture.outputs["Color"]
        if role == "normal":
            normal = tree.nodes.new("ShaderNodeNormalMap")
            normal.uv_map = uv_layer
            normal.location = shader.location.x - 200, texture.location.y
            tree.links.new(color, normal.inputs["Color"])
            color = normal.outputs["Normal"]
        tree.links.new(color, shader.inputs[_SOCKETS[role]])
    return next(node for node in tree.nodes if node.type == "TEX_IMAGE" and node.image == maps["base_color"])


def _lay_over(tree: bpy.types.NodeTree, maps: Maps, uv_layer: str) -> None:
    output = tree.get_output_node("ALL")
    if output is None:
        output = tree.nodes.new("ShaderNodeOutputMaterial")
    surface = output.inputs["Surface"]
    old = surface.links[0].from_socket if surface.links else None
    x, y = output.location
    mix = tree.nodes.new("ShaderNodeMixShader")
    mix.location = x, y
    output.location = x + 200, y
    shader = tree.nodes.new("ShaderNodeBsdfPrincipled")
    shader.location = x - 300, y - 300
    base_color = _connect(tree, shader, maps, uv_layer)
    for node in tree.nodes:
        if node.type == "TEX_IMAGE" and node.image in maps.values():
            node.extension = "CLIP"  # faces of other tiles keep the old surface
    tree.links.new(base_color.outputs["Alpha"], mix.inputs[0])
    if old is not None:
        tree.links.new(old, mix.inputs[1])
    tree.links.new(shader.outputs["BSDF"], mix.inputs[2])
    tree.links.new(mix.outputs["Shader"], surface)
