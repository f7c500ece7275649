# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar tab "Meshwright". Panels draw state and change nothing."""

from . import (
           caption_panel,
           engine_panel,
           history_panel,
           job_panel,
           main_panel,
           material_variants_panel,
           quality_panel,
           result_panel,
)

CLASSES = (*main_panel.CLASSES, *engine_panel.CLASSES, *result_panel.CLASSES, *quality_panel.CLASSES,
           *material_variants_panel.CLASSES, *caption_panel.CLASSES, *job_panel.CLASSES, *history_panel.CLASSES)
"""All but the tasks' own, which `task_classes` makes."""
