# SPDX-License-Identifier: GPL-3.0-or-later
"""One image becomes parts in a scene, as on an artist's desk but without a window: `python dev.py demo` runs this.

The built extension is installed into the bpy module; its operators start the real worker as a process of its own, with
the starter weights. A copy of the part with the most faces is remeshed, and a copy of the whole is textured by a
prompt. Then the parts are photographed beside the image, assembled and exploded, and beside them the textured whole
and the remeshed part as it was and as it is.
"""

import argparse
import importlib
import math
import os
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

import bpy
import studio

EXTENSION = "bl_ext.user_default.meshwright"
EXPLODE = 0.7
TURN = math.radians(-30)
GAP = 0.3  # meters between what is photographed
PROMPT = "a red wooden {thing}"  # the image's name says what the thing is
BAR = 28


class Terminal:
    """The person's terminal, kept for ourselves: what Blender prints goes to a log file."""

    def __init__(self, log: Path) -> None:
        self._stream: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace")
        self._rewrites = self._stream.isatty()
        self._begin = self._shown = time.monotonic()
        self._bar_is_open = False
        with log.open("wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        sys.excepthook = lambda _kind, error, _trace: self.say("".join(traceback.format_exception(error)))

    def say(self, text: str) -> None:
        """One line."""
        self._stream.write(("\n" if self._bar_is_open else "") + text + "\n")
        self._stream.flush()
        self._bar_is_open = False

    def bar(self, fraction: float, text: str, seconds_left: float | None) -> None:
        """A progress bar: written over on a terminal, elsewhere a new line every five seconds."""
        now = time.monotonic()
        if not self._rewrites and now - self._shown < 5.0:
            return
        filled = round(fraction * BAR)
        left = "" if seconds_left is None else f", {seconds_left:.0f} s left"
        line = f"[{'#' * filled}{'.' * (BAR - filled)}] {fraction:4.0%}  {text}  ({now - self._begin:.0f} s{left})"
        self._stream.write(f"\r\x1b[K{line}" if self._rewrites else line + "\n")
        self._stream.flush()
        self._shown, self._bar_is_open = now, self._rewrites


def module(name: str) -> ModuleType:
    """A module of the installed extension."""
    return importlib.import_module(f"{EXTENSION}.{name}")


def generate(image: Path, terminal: Terminal) -> Any:
    """Press Generate and wait; the finished job, whose parts are in the scene then."""
    bpy.context.scene.meshwright.images.image = bpy.data.images.load(str(image))
    bpy.ops.meshwright.partpacker_generate_parts()
    return finished(terminal)


def remesh(part: bpy.types.Object, terminal: Terminal) -> tuple[Any, bpy.types.Object, bpy.types.Object]:
    """Press Remesh for a copy of the part and wait; the job, the copy and the low-poly object in its place."""
    dense = part.copy()
    dense.parent = None
    dense.matrix_world = part.matrix_world
    bpy.context.scene.collection.objects.link(dense)
    bpy.ops.object.select_all(action="DESELECT")
    dense.select_set(True)
    bpy.context.view_layer.objects.active = dense
    bpy.ops.meshwright.silksong_remesh()
    job = finished(terminal)
    low = bpy.context.view_layer.objects.active
    dense.hide_set(False)
    dense.hide_render = False
    return job, dense, low


def texture(parts: Sequence[bpy.types.Object], prompt: str, terminal: Terminal) -> tuple[Any, bpy.types.Object]:
    """Press Texture for the parts' copy, joined to one object, and wait; the job and the object."""
    bpy.ops.object.select_all(action="DESELECT")
    for part in parts:
        part.select_set(True)
    bpy.context.view_layer.objects.active = parts[0]
    bpy.ops.object.duplicate()
    bpy.ops.object.join()
    bpy.ops.object.parent_clear(type="CLEAR_KEEP_TRANSFORM")
    whole = bpy.context.view_layer.objects.active
    whole.name = f"{parts[0].parent.name} whole"
    bpy.context.scene.meshwright.flexisyncmvd_texture.prompt = prompt
    bpy.ops.meshwright.flexisyncmvd_texture()
    return finished(terminal), whole


def finished(terminal: Terminal) -> Any:
    """Wait for the newest job; it, delivered into the scene. Ends the program on an error."""
    jobs = module("jobs")
    job = jobs.jobs()[-1]
    while not job.ended:
        delay = jobs.poll_once()
        terminal.bar(job.fraction, job.stage, job.seconds_left)
        time.sleep(min(delay or 0.05, 0.1))
    if job.error or not job.delivered:
        details = f"\n\n{job.error.details}" if job.error else ""
        terminal.say(f"{job.error or 'The result was not delivered.'}{details}")
        sys.exit(1)
    terminal.bar(1.0, "In the scene", None)
    return job


def export_parts(root: bpy.types.Object, path: Path) -> None:
    """The assembled parts and their recipe as GLB; they are what is selected after a delivery."""
    bpy.ops.export_scene.gltf(filepath=str(path), use_selection=True, export_extras=True)
    bpy.context.view_layer.objects.active = root


def exploded_copy(root: bpy.types.Object, parts: list[bpy.types.Object]) -> bpy.types.Object:
    """A second group of the same meshes, pulled apart by the Explode slider of its empty."""
    bpy.ops.object.select_all(action="DESELECT")
    for item in (root, *parts):
        item.select_set(True)
    bpy.context.view_layer.objects.active = root
    bpy.ops.object.duplicate(linked=True)
    copy = bpy.context.view_layer.objects.active
    copy["explode"] = EXPLODE
    copy.update_tag()
    return copy


def photograph(
    image: Path, root: bpy.types.Object, whole: bpy.types.Object, pair: Sequence[bpy.types.Object], path: Path
) -> None:
    """Input, assembled, exploded, textured, and the pair with its edges drawn, in one row."""
    parts = sorted(root.children, key=lambda item: item.name)
    copy = exploded_copy(root, parts)
    card = studio.image_card(image, height=1.0)
    bpy.context.view_layer.update()
    studio.place(root, parts, studio.bounds([card])[1].x + GAP, TURN)
    studio.place(copy, copy.children, studio.bounds(parts)[1].x + GAP, TURN)
    edge = studio.bounds(copy.children)[1].x
    for item in (whole, *pair):
        studio.place(item, [item], edge + GAP, TURN)
        edge = studio.bounds([item])[1].x
    for item in pair:
        studio.draw_edges(item)
    studio.build([card, *parts, *copy.children, whole, *pair])
    studio.render(path)


def summary(job: Any, objects: Sequence[bpy.types.Object], made: str) -> str:
    """What a job made and how long each stage took."""
    faces = sum(len(item.data.polygons) for item in objects)
    request = job.request
    task = module("backend.pipelines.registry").spec(request.pipeline).task(request.task)
    labels = {stage.name: stage.label for stage in task.stages}
    lines = [f"{request.subject}: {made}, {faces:,} faces ({request.weights} weights, seed {request.seed})"]
    times = {labels.get(name, name.capitalize()): seconds for name, seconds in job.result.seconds.items()}
    return "\n".join([*lines, *(f"  {label:<26}{seconds:7.1f} s" for label, seconds in times.items())])


def main() -> None:
    """Install, generate, export, texture, remesh, photograph, save, sum up."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("--extension", "--image", "--out"):
        parser.add_argument(name, type=Path, required=True)
    arguments = parser.parse_args()
    blend, photo, scene = (arguments.out / name for name in ("demo.blend", "demo.png", "parts.glb"))
    terminal = Terminal(arguments.out / "demo.log")
    terminal.say(f"installing the extension into headless Blender {bpy.app.version_string}")
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.extensions.package_install_files(filepath=str(arguments.extension), repo="user_default",
                                             enable_on_install=True)
    job = generate(arguments.image, terminal)
    root = bpy.context.view_layer.objects.active
    parts = list(root.children)
    export_parts(root, scene)
    prompt = PROMPT.format(thing=arguments.image.stem)
    painted, whole = texture(parts, prompt, terminal)
    woven, dense, low = remesh(max(parts, key=lambda part: len(part.data.polygons)), terminal)
    terminal.say("photographing the parts")
    begin = time.monotonic()
    dense_faces = len(dense.data.polygons)
    photograph(arguments.image, root, whole, (dense, low), photo)
    seconds = time.monotonic() - begin
    bpy.ops.file.pack_all()
    bpy.ops.wm.save_as_mainfile(filepath=str(blend), compress=True)
    terminal.say(summary(job, parts, f"{len(parts)} parts"))
    terminal.say(summary(painted, [whole], f'textured by "{prompt}"'))
    terminal.say(summary(woven, [low], f"remeshed from {dense_faces:,} faces"))
    terminal.say(f"  {'Photographing':<26}{seconds:7.1f} s\nWritten:")
    for path in (blend, photo, scene):
        terminal.say(f"  {path}  ({path.stat().st_size / 1e6:.1f} MB)")
    bpy.ops.preferences.addon_disable(module=EXTENSION)  # ends the worker, and leaves nothing registered


if __name__ == "__main__":
    main()
