# SPDX-License-Identifier: GPL-3.0-or-later
"""Thin operators: each asks `submission`, `jobs`, `capture` or `deliver` to do one thing."""

from . import job, picture, result, task, weights

CLASSES = (*task.CLASSES, *picture.CLASSES, *job.CLASSES, *result.CLASSES, *weights.CLASSES)
