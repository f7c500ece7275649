# SPDX-License-Identifier: GPL-3.0-or-later
"""The material that shows a new texture: of its own, or laid over the old one where only some faces were painted."""

import bpy
import numpy as np

ROUGHNESS = 0.5
UNDER = "meshwright_under"
"""Custom property of a material whose paint lies on another one: that one."""


def texture_material(name: str, image: bpy.types.Image, uv_layer: str,
                     under: bpy.types.Material | None = None) -> bpy.types.Material:
    """A Principled material with `image` as base color, read by the UV layer of that name; `under` is remembered as
    the one that the image was composed with."""
    material = plain_material(name)
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    # What Solid view shows, and where Blender's own bake would go; an overlaid image would show holes there.
    material.node_tree.nodes.active = _paint(material.node_tree, shader, image, uv_layer)
    if under is not None:
        material[UNDER] = under
    return material


def overlaid_material(name: str, image: bpy.types.Image, uv_layer: str,
                      under: bpy.types.Material | None) -> bpy.types.Material:
    """A copy of the material `under`, a plain one for an empty slot, that shows the image where its alpha is 1 and the
    old surface where it is 0 or outside the UV square."""
    material = plain_material(name) if under is None else copied_material(under, name)
    _lay_over(material.node_tree, image, uv_layer)
    if under is not None:
        material[UNDER] = under
    return material


def composed(image: bpy.types.Image, uv_layer: str, under: bpy.types.Material | None) -> bool:
    """Fill what is transparent in `image` with the texture of `under`, where that is a material of `texture_material`
    with the same UV layer and size: one image is seen in Solid view and exported like any other. False where it is not.
    """
    below = _texture_of(under, uv_layer) if under is not None else None
    if below is None or tuple(below.size) != tuple(image.size) or below.channels != 4 or image.channels != 4:
        return False
    old, new = (np.empty(len(layer.pixels), np.float32) for layer in (below, image))
    below.pixels.foreach_get(old)
    image.pixels.foreach_get(new)
    old, new = old.reshape(-1, 4), new.reshape(-1, 4)
    new[:, :3] = old[:, :3] + (new[:, :3] - old[:, :3]) * new[:, 3:]
    new[:, 3] = old[:, 3]
    image.pixels.foreach_set(new.ravel())
    image.update()
    image.pack()
    return True


def _texture_of(material: bpy.types.Material, uv_layer: str) -> bpy.types.Image | None:
    """The image of a material that shows it and nothing else by this UV layer."""
    nodes = material.node_tree.nodes if material.node_tree else ()
    if sorted(node.type for node in nodes) != ["BSDF_PRINCIPLED", "OUTPUT_MATERIAL", "TEX_IMAGE", "UVMAP"]:
        return None
    texture, layer = (next(node for node in nodes if node.type == kind) for kind in ("TEX_IMAGE", "UVMAP"))
    wired = {(link.from_node.type, link.to_socket.name) for link in material.node_tree.links}
    whole = wired == {("UVMAP", "Vector"), ("TEX_IMAGE", "Base Color"), ("BSDF_PRINCIPLED", "Surface")}
    return texture.image if whole and layer.uv_map == uv_layer else None


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


def plain_material(name: str) -> bpy.types.Material:
    """A new material with nodes: Blender's own default."""
    material = bpy.data.materials.new(name)
    if bpy.app.version < (5, 0, 0):  # from 5.0 on materials always have nodes
        material.use_nodes = True
    return material


def copied_material(under: bpy.types.Material, name: str) -> bpy.types.Material:
    """A copy of the material under this name, with nodes."""
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
