# SPDX-License-Identifier: GPL-3.0-or-later
"""Thin operators: each asks `submission`, `jobs`, `capture` or `deliver` to do one thing."""

from . import earlier, job, picture, quality, result, task, variant, weights

CLASSES = (*task.CLASSES, *picture.CLASSES, *job.CLASSES, *earlier.CLASSES, *result.CLASSES,
           *variant.CLASSES, *quality.CLASSES, *weights.CLASSES)
