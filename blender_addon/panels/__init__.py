# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar tab "Meshwright". Panels draw state and change nothing."""

from . import (
    caption_panel,
    history_panel,
    main_panel,
    material_variants_panel,
    quality_panel,
    result_panel,
    task_row,
)

CLASSES = (*task_row.CLASSES, *main_panel.CLASSES, *result_panel.CLASSES, *quality_panel.CLASSES,
           *material_variants_panel.CLASSES, *caption_panel.CLASSES, *history_panel.CLASSES)
