# SPDX-License-Identifier: GPL-3.0-or-later
"""The material that shows a new texture: of its own, or laid over the old one where only some faces were painted."""

import bpy

ROUGHNESS = 0.5
UNDER = "meshwright_under"
"""Custom property of an overlaid material: the one below."""


def texture_material(name: str, image: bpy.types.Image, uv_layer: str) -> bpy.types.Material:
    """A Principled material with `image` as base colour, read by the UV layer of that name."""
    material = _plain(name)
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    _paint(material.node_tree, shader, image, uv_layer)
    return material


def overlaid_material(name: str, image: bpy.types.Image, uv_layer: str,
                      under: bpy.types.Material | None) -> bpy.types.Material:
    """A copy of the material `under`, a plain one for an empty slot, that shows the image where its alpha is 1 and the
    old surface where it is 0 or outside the UV square."""
    material = _plain(name) if under is None else _copied(under, name)
    _lay_over(material.node_tree, image, uv_layer)
    if under is not None:
        material[UNDER] = under
    return material


def material_under(material: bpy.types.Material) -> bpy.types.Material | None:
    """What lies under an overlaid material's paint; None under that of an empty slot."""
    return material.get(UNDER)


def remove_material(material: bpy.types.Material) -> None:
    """Delete a material, and those of its images that nothing else uses."""
    images = {node.image for node in material.node_tree.nodes if node.type == "TEX_IMAGE" and node.image}
    bpy.data.materials.remove(material)
    for image in images:
        if not image.users:
            bpy.data.images.remove(image)


def _plain(name: str) -> bpy.types.Material:
    material = bpy.data.materials.new(name)
    if bpy.app.version < (5, 0, 0):  # from 5.0 on materials always have nodes
        material.use_nodes = True
    return material


def _copied(under: bpy.types.Material, name: str) -> bpy.types.Material:
    material = under.copy()
    material.name = name
    if bpy.app.version < (5, 0, 0) and not material.use_nodes:
        material.use_nodes = True
        shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
        shader.inputs["Base Color"].default_value = under.diffuse_color
    return material


def _paint(tree: bpy.types.NodeTree, shader: bpy.types.Node, image: bpy.types.Image, uv_layer: str) -> bpy.types.Node:
    """Image and UV nodes in front of the shader; the image's node."""
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.image = image
    texture.location = shader.location.x - 320, shader.location.y
    coordinates = tree.nodes.new("ShaderNodeUVMap")
    coordinates.uv_map = uv_layer
    coordinates.location = shader.location.x - 520, shader.location.y - 120
    tree.links.new(coordinates.outputs["UV"], texture.inputs["Vector"])
    tree.links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    shader.inputs["Roughness"].default_value = ROUGHNESS
    tree.nodes.active = texture  # what Solid view shows, and where Blender's own bake would go
    return texture


def _lay_over(tree: bpy.types.NodeTree, image: bpy.types.Image, uv_layer: str) -> None:
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
    texture = _paint(tree, shader, image, uv_layer)
    texture.extension = "CLIP"  # faces of other tiles keep the old look
    tree.links.new(texture.outputs["Alpha"], mix.inputs["Fac"])
    if old is not None:
        tree.links.new(old, mix.inputs[1])
    tree.links.new(shader.outputs["BSDF"], mix.inputs[2])
    tree.links.new(mix.outputs["Shader"], surface)
