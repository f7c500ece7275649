# SPDX-License-Identifier: GPL-3.0-or-later
"""Thin operators: each asks `submission`, `jobs`, `capture` or `deliver` to do one thing."""

from . import (
    baking,
    caption,
    earlier,
    gallery,
    image,
    job,
    material_variant,
    prompt,
    quality,
    queue,
    result,
    seeing,
    variant,
    weights,
    workflow,
)

CLASSES = (
    *image.CLASSES,
    *prompt.CLASSES,
    *job.CLASSES,
    *queue.CLASSES,
    *earlier.CLASSES,
    *gallery.CLASSES,
    *result.CLASSES,
    *variant.CLASSES,
    *material_variant.CLASSES,
    *quality.CLASSES,
    *baking.CLASSES,
    *caption.CLASSES,
    *seeing.CLASSES,
    *weights.CLASSES,
    *workflow.CLASSES,
)
"""All but the tasks' own, which `task_classes` makes."""
