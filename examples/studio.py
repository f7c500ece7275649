# SPDX-License-Identifier: GPL-3.0-or-later
"""A small photo studio in Blender for the demo's image: backdrop, soft light, a card with the input, a camera.

Everything is in meters, Z up; the camera looks along +Y, so subjects stand in a row along X.
"""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import _cycles  # Cycles' own module: the only place that tells whether a denoiser was built in
import bpy
from mathutils import Euler, Matrix, Vector

WIDTH, HEIGHT = 1440, 576
SAMPLES = 8
EDGE_THICKNESS = 0.008  # of the object's longest side
BACKDROP_GRAY = (0.55, 0.55, 0.57, 1.0)


def bounds(objects: Iterable[bpy.types.Object]) -> tuple[Vector, Vector]:
    """(lowest corner, highest corner) of the objects in the world."""
    corners = [item.matrix_world @ Vector(corner) for item in objects for corner in item.bound_box]
    return (Vector(min(corner[axis] for corner in corners) for axis in range(3)),
            Vector(max(corner[axis] for corner in corners) for axis in range(3)))


def place(root: bpy.types.Object, parts: Sequence[bpy.types.Object], x: float, turn: float) -> None:
    """Turn the group under `root` about Z by `turn` radians and stand it on the ground with its left edge at `x`."""
    root.rotation_euler = (0.0, 0.0, turn)
    bpy.context.view_layer.update()
    low, high = bounds(parts)
    root.location += Vector((x - low.x, -(low.y + high.y) / 2, -low.z))
    bpy.context.view_layer.update()


def image_card(file: Path, height: float) -> bpy.types.Object:
    """The input image on a white card of that height, standing on the ground with its left edge at X = 0."""
    image = bpy.data.images.load(str(file))
    width = height * image.size[0] / image.size[1]
    card = _mesh_object("Input", [(0, 0, 0), (width, 0, 0), (width, 0, height), (0, 0, height)], [(0, 1, 2, 3)])
    uv = card.data.uv_layers.new(name="UVMap")
    uv.uv.foreach_set("vector", [0, 0, 1, 0, 1, 1, 0, 1])
    card.rotation_euler = (math.radians(-8), 0.0, 0.0)
    material = bpy.data.materials.new("Input")
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    output, emission = nodes.new("ShaderNodeOutputMaterial"), nodes.new("ShaderNodeEmission")
    texture, over_white = nodes.new("ShaderNodeTexImage"), nodes.new("ShaderNodeMixRGB")
    texture.image = image
    over_white.inputs["Color1"].default_value = (0.9, 0.9, 0.9, 1.0)
    links.new(texture.outputs["Alpha"], over_white.inputs["Fac"])
    links.new(texture.outputs["Color"], over_white.inputs["Color2"])
    links.new(over_white.outputs["Color"], emission.inputs["Color"])
    links.new(emission.outputs["Emission"], output.inputs["Surface"])
    card.data.materials.append(material)
    return card


def draw_edges(item: bpy.types.Object) -> None:
    """Show the edges of a mesh as thin dark rods."""
    rods = item.copy()
    rods.data = item.data.copy()
    rods.modifiers.clear()
    wireframe = rods.modifiers.new("Edges", "WIREFRAME")
    lengths = [(rods.data.vertices[a].co - rods.data.vertices[b].co).length for a, b in rods.data.edge_keys]
    wireframe.thickness = min(EDGE_THICKNESS * max(item.dimensions), sum(lengths) / len(lengths) / 12)
    wireframe.use_even_offset = False  # thin triangles would bristle with spikes
    wireframe.offset = 1.0
    material = bpy.data.materials.get("Edges") or bpy.data.materials.new("Edges")
    material.use_nodes = True
    material.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = (0.02, 0.02, 0.03, 1.0)
    rods.data.materials.clear()
    rods.data.materials.append(material)
    bpy.context.scene.collection.objects.link(rods)


def build(objects: Sequence[bpy.types.Object]) -> None:
    """Backdrop, light and camera around what is to be photographed."""
    low, high = bounds(objects)
    middle, size = (low + high) / 2, max((high - low).xz)
    _backdrop(middle, size)
    _area_light("Key", middle + size * Vector((-0.9, -1.2, 1.6)), middle, size, 30.0)
    _area_light("Fill", middle + size * Vector((1.4, -1.0, 0.7)), middle, size * 1.5, 8.0)
    _area_light("Rim", middle + size * Vector((0.3, 1.2, 1.5)), middle, size, 14.0)
    world = bpy.data.worlds.new("Studio")
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.8, 0.85, 1.0, 1.0)
    world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0.3
    bpy.context.scene.world = world
    _camera(objects, size)


def render(path: Path) -> None:
    """Photograph the scene with Cycles on the CPU."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = SAMPLES
    scene.cycles.max_bounces = 2
    scene.cycles.denoising_prefilter = "FAST"
    scene.cycles.denoising_quality = "FAST"
    scene.cycles.use_denoising = _cycles.with_openimagedenoise
    scene.view_settings.view_transform = "Standard"
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = WIDTH, HEIGHT, 100
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)


def _mesh_object(name: str, vertices: list[tuple[float, ...]], faces: list[tuple[int, ...]]) -> bpy.types.Object:
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(vertices, [], faces)
    item = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(item)
    return item


def _backdrop(middle: Vector, size: float) -> None:
    """A sheet that lies on the ground and bends up behind the subjects, so that no horizon is seen."""
    radius, bend = size * 0.8, middle.y + size * 0.7
    profile = [(middle.y - 20 * size, 0.0)]
    profile += [(bend + radius * math.sin(angle), radius * (1 - math.cos(angle)))
                for angle in (math.radians(step * 5) for step in range(19))]
    profile.append((bend + radius, 20 * size))
    vertices = [(middle.x + side, y, z) for y, z in profile for side in (-20 * size, 20 * size)]
    sheet = _mesh_object("Backdrop", vertices, [(2 * n, 2 * n + 1, 2 * n + 3, 2 * n + 2)
                                                for n in range(len(profile) - 1)])
    sheet.data.shade_smooth()
    material = bpy.data.materials.new("Backdrop")
    material.use_nodes = True
    principled = material.node_tree.nodes["Principled BSDF"]
    principled.inputs["Base Color"].default_value = BACKDROP_GRAY
    principled.inputs["Roughness"].default_value = 0.9
    sheet.data.materials.append(material)


def _area_light(name: str, location: Vector, target: Vector, size: float, strength: float) -> None:
    """`strength` is in watts for a scene of one meter; light falls off with the square of the distance."""
    light = bpy.data.lights.new(name, "AREA")
    light.shape, light.size, light.energy = "DISK", size, strength * size * size
    item = bpy.data.objects.new(name, light)
    item.location = location
    item.rotation_euler = (target - location).to_track_quat("-Z", "Y").to_euler()
    bpy.context.scene.collection.objects.link(item)


def _camera(objects: Sequence[bpy.types.Object], size: float) -> None:
    data = bpy.data.cameras.new("Camera")
    data.lens, data.clip_end = 70.0, 100.0 * size
    camera = bpy.data.objects.new("Camera", data)
    camera.rotation_euler = Euler((math.radians(78), 0.0, 0.0))
    scene = bpy.context.scene
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.render.resolution_x, scene.render.resolution_y = WIDTH, HEIGHT
    graph = bpy.context.evaluated_depsgraph_get()
    low, high = bounds(objects)
    margin = Matrix.Diagonal((0.06, 0.0, 0.06)) @ (high - low)
    corners = [corner for item in objects for point in item.bound_box
               for corner in (item.matrix_world @ Vector(point) - margin, item.matrix_world @ Vector(point) + margin)]
    camera.location, _ = camera.camera_fit_coords(graph, [value for corner in corners for value in corner])
