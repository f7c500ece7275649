# SPDX-License-Identifier: GPL-3.0-or-later
"""Thin operators: each asks `submission`, `jobs`, `capture` or `deliver` to do one thing."""

from . import baking, earlier, image, job, look, quality, result, task, variant, weights

CLASSES = (*task.CLASSES, *image.CLASSES, *job.CLASSES, *earlier.CLASSES, *result.CLASSES,
           *variant.CLASSES, *look.CLASSES, *quality.CLASSES, *baking.CLASSES, *weights.CLASSES)
