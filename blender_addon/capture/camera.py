# SPDX-License-Identifier: GPL-3.0-or-later
"""A small render of chosen objects alone, on a transparent background, through the camera or the artist's own view.

It runs in a scene of its own that is removed afterward: the artist's scene, its settings and its Render Result stay.
"""

from collections.abc import Sequence

import bpy
import numpy as np

from ..backend.contract import BadInput
from ..backend.contract.scratch import scratch_folder

STUDIO = "Meshwright studio"
LONG_SIDE = 1024
SAMPLES = 32
PLAIN_VIEWS = ("Standard", "Un-tone-mapped", "sRGB", "Rec.709")
"""Views without a tone curve, as color configurations call them."""
FAINTEST = 0.03
"""Alpha below which nothing is seen."""


def view_of_objects(context: bpy.types.Context, objects: Sequence[bpy.types.Object]) -> bpy.types.Image:
    """A new, packed image datablock with the objects as the scene's camera sees them.

    Without a camera the 3D viewport's view is taken. The longer side has 1024 pixels. Raises BadInput when there is
    nothing to look with, or nothing to see.
    """
    scene = context.scene
    _demand_seen(objects)
    studio = bpy.data.scenes.new(STUDIO)
    made: list[bpy.types.Object] = []
    try:
        for item in objects:
            studio.collection.objects.link(item)
        studio.camera = scene.camera or _viewport_camera(context, made)
        for item in {studio.camera, *made, *_lights(scene, studio.camera, made)} - set(objects):
            studio.collection.objects.link(item)
        studio.world = scene.world
        _settings(scene, studio)
        return _render(studio, objects[0].name)
    finally:
        bpy.data.scenes.remove(studio)
        for item in made:
            data = item.data
            bpy.data.objects.remove(item)
            (bpy.data.cameras if isinstance(data, bpy.types.Camera) else bpy.data.lights).remove(data)


def _render(studio: bpy.types.Scene, name: str) -> bpy.types.Image:
    with scratch_folder() as folder:
        path = folder / f"{bpy.path.clean_name(name)} view.png"
        studio.render.filepath = str(path)
        bpy.ops.render.render(scene=studio.name, write_still=True)
        image = bpy.data.images.load(str(path))
        pixels = np.empty(len(image.pixels), np.float32)
        image.pixels.foreach_get(pixels)
        if not (pixels[3::4] > FAINTEST).any():
            bpy.data.images.remove(image)
            raise BadInput("The camera sees nothing of the selected objects.",
                           "They are out of its view, have no faces, or are invisible to cameras.",
                           "Aim the camera at them (View › Cameras), or select others.")
        image.pack()
        image.filepath = ""  # the temporary file goes; the packed copy is the image
    return image


def _settings(scene: bpy.types.Scene, studio: bpy.types.Scene) -> None:
    """The artist's engine and aspect, a plain view transform, few samples, no compositing."""
    source, render = scene.render, studio.render
    render.engine = source.engine
    longer = max(source.resolution_x, source.resolution_y)
    render.resolution_x = max(1, round(LONG_SIDE * source.resolution_x / longer))
    render.resolution_y = max(1, round(LONG_SIDE * source.resolution_y / longer))
    render.resolution_percentage = 100
    render.pixel_aspect_x, render.pixel_aspect_y = source.pixel_aspect_x, source.pixel_aspect_y
    render.film_transparent = True
    render.use_compositing = render.use_sequencer = False
    render.image_settings.file_format, render.image_settings.color_mode = "PNG", "RGBA"
    _show_plainly(studio)
    studio.frame_set(scene.frame_current)
    if render.engine == "CYCLES":
        studio.cycles.device = scene.cycles.device
        studio.cycles.samples = SAMPLES
        studio.cycles.use_denoising = False


def _show_plainly(studio: bpy.types.Scene) -> None:
    """Without a tone curve, if the color configuration has such a view; a studio's own has names of its own."""
    for name in PLAIN_VIEWS:
        try:
            studio.view_settings.view_transform = name
        except TypeError:  # there is none of that name
            continue
        return


def _demand_seen(objects: Sequence[bpy.types.Object]) -> None:
    hidden = [item.name for item in objects if item.hide_render]
    if len(hidden) == len(objects):
        raise BadInput(f"{hidden[0]} cannot be seen.", "It is disabled in renders.",
                       "Enable it in renders (the camera in the Outliner), or select another object.")


def _viewport_camera(context: bpy.types.Context, made: list[bpy.types.Object]) -> bpy.types.Object:
    region, space = context.region_data, context.space_data
    if region is None:
        raise BadInput("There is no camera.", "The scene has none, and there is no 3D viewport.",
                       "Add a camera (Shift A, Camera) and aim it at the object.")
    camera = bpy.data.objects.new("Meshwright view", bpy.data.cameras.new("Meshwright view"))
    made.append(camera)
    camera.matrix_world = region.view_matrix.inverted()
    camera.data.lens, camera.data.sensor_width = space.lens, 72.0  # the viewport shows the field of a 72 mm sensor
    if not region.is_perspective:
        camera.data.type, camera.data.ortho_scale = "ORTHO", region.view_distance * 72.0 / space.lens
    return camera


def _lights(scene: bpy.types.Scene, camera: bpy.types.Object, made: list[bpy.types.Object]) -> list[bpy.types.Object]:
    """The scene's lights, or, where there are none, a sun from behind the camera."""
    lights = [item for item in scene.objects if item.type == "LIGHT" and not item.hide_render]
    if lights:
        return lights
    sun = bpy.data.objects.new("Meshwright light", bpy.data.lights.new("Meshwright light", "SUN"))
    sun.data.energy = 2.0
    sun.matrix_world = camera.matrix_world
    made.append(sun)
    return [sun]
