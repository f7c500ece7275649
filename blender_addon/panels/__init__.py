# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar tab "Meshwright". Panels draw state and compute nothing."""

from . import job_panel, looks_panel, main_panel, quality_panel, result_panel, task_panel

CLASSES = (*main_panel.CLASSES, *task_panel.CLASSES, *result_panel.CLASSES, *quality_panel.CLASSES,
           *looks_panel.CLASSES, *job_panel.CLASSES)
