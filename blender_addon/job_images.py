# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of jobs as icons: their input, and what the worker shows of the work so far. Nothing of it is in the file."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy
import bpy.utils.previews
import numpy as np

from . import image_window
from .capture.thumbnail import shrunk
from .deliver.scene import rendering
from .jobs import Job

log = logging.getLogger(__name__)

SIDE = 512
IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".exr")
SECONDS_BETWEEN = 0.3


@dataclass
class _Shown:
    """Which of a job's images is the icon, and from when on the next may be."""

    count: int = 0
    next_at: float = 0.0


_shown: dict[str, _Shown] = {}
_thumbnails: set[str] = set()
_icons: bpy.utils.previews.ImagePreviewCollection | None = None


def show(jobs: Sequence[Job]) -> None:
    """Bring the icons of these jobs up to date, and release those of jobs that ended or are being cancelled.

    Called after each step of the queue; an image is read at most three times a second.
    """
    if rendering():
        return
    _follow_inputs(jobs)
    followed = [job for job in jobs if job.preview is not None and not job.shows_mesh
                and not job.ended and not job.cancelling]
    for name in set(_shown) - {job.id for job in followed}:
        _release(name)
    for job in followed:
        shown = _shown.setdefault(job.id, _Shown())
        if shown.count != job.preview_count and time.monotonic() >= shown.next_at:
            _update(job, shown)


def icon_of(job: Job) -> int | None:
    """The icon's number for a layout, None while there is none."""
    return int(_icons[job.id].icon_id) if _icons is not None and job.id in _icons else None


def thumbnail_of(job: Job) -> int | None:
    """The icon of the image that the job is given, None where it is given none."""
    name = _thumbnail_name(job)
    return int(_icons[name].icon_id) if _icons is not None and name in _icons else None


def register() -> None:
    """Make room for icons."""
    global _icons
    _icons = bpy.utils.previews.new()


def unregister() -> None:
    """Release all icons."""
    global _icons
    for name in list(_shown):
        _release(name)
    _thumbnails.clear()
    bpy.utils.previews.remove(_icons)
    _icons = None


def _follow_inputs(jobs: Sequence[Job]) -> None:
    """Blender reads a thumbnail when it is drawn first."""
    assert _icons is not None
    named = {_thumbnail_name(job): job for job in jobs}
    for name in _thumbnails - named.keys():
        if name in _icons:
            del _icons[name]
    for name in named.keys() - _thumbnails:
        files = [file for slot in named[name].request.inputs.values() for file in slot if file.endswith(IMAGES)]
        if files:
            _icons.load(name, str(named[name].folder.inputs / files[0]), "IMAGE")
    _thumbnails.clear()
    _thumbnails.update(named)


def _thumbnail_name(job: Job) -> str:
    return f"{job.id} input"


def _update(job: Job, shown: _Shown) -> None:
    assert job.preview is not None and _icons is not None
    shown.count, shown.next_at = job.preview_count, time.monotonic() + SECONDS_BETWEEN
    image_window.refresh(job.preview)
    pixels = _pixels(job.preview)
    if pixels is None:
        return
    icon = _icons[job.id] if job.id in _icons else _icons.new(job.id)
    icon.image_size = pixels.shape[1], pixels.shape[0]
    icon.image_pixels_float.foreach_set(pixels.ravel())


def _pixels(path: Path) -> np.ndarray | None:
    """RGBA float32 [H, W, 4], bottom row first, small; None for what is no image: the next one will do."""
    try:
        image = bpy.data.images.load(str(path))
    except RuntimeError as error:
        log.warning("No preview: %s", error)
        return None
    try:
        width, height = image.size
        values = np.empty(len(image.pixels), np.float32)
        if not values.size or len(values) != width * height * 4:
            log.warning("No preview: %s is no image", path.name)
            return None
        image.pixels.foreach_get(values)
        return shrunk(values.reshape(height, width, 4), SIDE)
    finally:
        bpy.data.images.remove(image)


def _release(name: str) -> None:
    del _shown[name]
    if _icons is not None and name in _icons:
        del _icons[name]
