# SPDX-License-Identifier: GPL-3.0-or-later
"""The quality report of the active object: metrics of a mesh that replaced another, and what to do about bad ones."""

from collections.abc import Iterator

import bpy

from ..backend.contract import mesh_metrics
from ..backend.contract.mesh_metrics import MESH_METRICS
from ..deliver.provenance import PREFIX
from ..deliver.quality.comparison import (
    COMPARED_LARGEST,
    COMPARED_MEAN,
    DECIMATE_FACES,
    DECIMATE_LARGEST,
    DECIMATE_MEAN,
    MORE_FACES,
    WORSE,
    waiting_seconds,
)
from ..deliver.quality.metrics import (
    COMPLETE,
    COMPONENTS,
    FACES,
    NON_MANIFOLD_EDGES,
    ORIGINAL_FACES,
    QUADS,
)
from .main_panel import RESULT_ORDER, SidebarPanel
from .words import duration, region_width, wrapped

LABEL_SHARE = 0.55
"""Of the sidebar's width, so that the longest label fits at its default one."""
DISTANCE_WORDS = "Distances to the original in percent of its diagonal"
WORSE_WORDS = ("Blender's Decimate is closer to the original at the same face count. Try another variant or seed, or "
               "use Decimate.")
INCOMPLETE_WORDS = "It is cut off or damaged and may lack a part. Allow more faces, or split the object first."
NON_MANIFOLD_WORDS = ("More than two faces meet at some edges. To see them in Edit Mode: Select › All by Trait › "
                      "Non Manifold.")
CHANGED_WORDS = "Mesh edited since. Values are for the original result."


class MESHWRIGHT_PT_quality(SidebarPanel, bpy.types.Panel):
    bl_label = "Quality"
    bl_order = RESULT_ORDER

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        active = context.view_layer.objects.active
        return active is not None and COMPONENTS in active

    def draw(self, context: bpy.types.Context) -> None:
        item, layout, width = context.view_layer.objects.active, self.layout, region_width(context)
        if item is None:
            return
        _draw_table(layout, metric_words(item))
        if COMPARED_MEAN in item:
            _draw_table(layout, comparison_words(item))
        wrapped(layout, DISTANCE_WORDS, width)
        for words in warnings(item):
            wrapped(layout.box(), words, width, "ERROR")
        if len(item.data.polygons) != item[FACES]:
            wrapped(layout, CHANGED_WORDS, width, "INFO")
        if COMPARED_MEAN not in item and item[FACES] < item.get(ORIGINAL_FACES, 0):
            layout.operator("meshwright.compare_with_decimate", icon="MOD_DECIM")
            seconds = waiting_seconds(item[ORIGINAL_FACES])
            wrapped(layout, f"Blender freezes meanwhile, for about {duration(seconds)}", width)


def metric_words(item: bpy.types.Object) -> Iterator[tuple[str, ...]]:
    """Label and value of each metric of the mesh itself."""
    faces, quads = item[FACES], item[QUADS]
    for metric in MESH_METRICS:
        if PREFIX + metric.name in item:
            yield metric.heading, metric.in_words(item[PREFIX + metric.name])
        if metric == mesh_metrics.FACES:
            yield "As quads", f"{quads:,} quads + {faces - 2 * quads:,} tris"


def comparison_words(item: bpy.types.Object) -> Iterator[tuple[str, ...]]:
    """Label, the value of the mesh and of Decimate; both meshes were measured in the same way."""
    yield "Compared with", "this", "Decimate"
    for metric, ours, theirs in ((mesh_metrics.FACES, FACES, DECIMATE_FACES),
                                 (mesh_metrics.MEAN_DISTANCE, COMPARED_MEAN, DECIMATE_MEAN)):
        yield metric.heading, metric.in_words(item[ours]), metric.in_words(item[theirs])
    yield "Farthest", f"{item[COMPARED_LARGEST]:.2f} %", f"{item[DECIMATE_LARGEST]:.2f} %"


def warnings(item: bpy.types.Object) -> Iterator[str]:
    """What is wrong, and what to do."""
    if not item.get(COMPLETE, True):
        yield INCOMPLETE_WORDS
    if item[NON_MANIFOLD_EDGES]:
        yield NON_MANIFOLD_WORDS
    if item.get(WORSE):
        yield WORSE_WORDS
    elif COMPARED_MEAN in item and item[DECIMATE_FACES] > MORE_FACES * item[FACES]:
        yield "Decimate cannot reach this face count: no fair comparison is possible."


def _draw_table(layout: bpy.types.UILayout, rows: Iterator[tuple[str, ...]]) -> None:
    """One label and its values a row."""
    column = layout.column(align=True)
    column.scale_y = 0.8
    for label, *values in rows:
        row = column.split(factor=LABEL_SHARE if len(values) == 1 else 1 - LABEL_SHARE)
        row.label(text=label)
        cells = row.row()
        for value in values:
            cells.label(text=value)


CLASSES = (MESHWRIGHT_PT_quality,)
