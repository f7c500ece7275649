# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that is registered with Blender, in order; undone in reverse, or Blender crashes at its end."""

from collections.abc import Sequence

import bpy

from . import (
    deliver,
    earlier_files,
    expected_times,
    gpu_memory,
    job_images,
    jobs,
    memory_release,
    menus,
    model_cards,
    opened_file,
    operators,
    panels,
    preferences,
    status_bar,
    task_classes,
    translations,
)
from .backend.contract.scratch import remove_dead_scratch
from .backend.pipelines import registry
from .capture import rendered
from .gallery import page, state
from .materials import variants
from .panels import preferences_box
from .server_access import operators as server_operators
from .setup import operators as setup_operators

CLASSES = (
    *preferences_box.CLASSES,
    *variants.CLASSES,
    *page.CLASSES,
    *setup_operators.CLASSES,
    *server_operators.CLASSES,
    *operators.CLASSES,
    *panels.CLASSES,
    *menus.CLASSES,
)


def _show(listed: Sequence[jobs.Job]) -> None:
    """The work so far: meshes in the scene, images in the tab, progress in the status bar."""
    deliver.preview.show(listed)
    job_images.show(listed)
    status_bar.follow(listed)
    memory_release.follow(listed)


def _after_jobs() -> None:
    """What jobs may have changed on the disk and on the GPU."""
    state.refresh()
    model_cards.look_again()
    gpu_memory.look()
    expected_times.look()


def register() -> None:
    """Classes, the scene's settings, the queue. Starts no process; with a window the history is read a little later."""
    remove_dead_scratch()
    translations.register()
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    registry.use_workflows(preferences.workflows_folder())
    task_classes.register(CLASSES, preferences.pipelines_folder())
    variants.register()
    earlier_files.register()
    opened_file.register()  # before the queue, whose handler asks which file is open
    jobs.register(deliver.delivering, deliver.blocked, preferences.worker_settings, ended=_after_jobs,
                  show=_show, jobs_folder=preferences.jobs_folder())
    deliver.preview.register()
    deliver.interruption.register()
    job_images.register()
    status_bar.register()
    memory_release.register()
    page.register(state.show)
    state.register()
    setup_operators.register(jobs.end_worker)
    menus.register()
    rendered.register()
    gpu_memory.look()
    expected_times.look()


def unregister() -> None:
    """The reverse; ends the worker."""
    gpu_memory.unregister()
    rendered.unregister()
    menus.unregister()
    state.unregister()
    page.unregister()
    memory_release.unregister()
    status_bar.unregister()
    job_images.unregister()
    deliver.interruption.unregister()
    deliver.preview.unregister()
    jobs.unregister()
    opened_file.unregister()
    earlier_files.unregister()
    setup_operators.stop()
    server_operators.stop()
    variants.unregister()
    task_classes.unregister()
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
    translations.unregister()
