# SPDX-License-Identifier: GPL-3.0-or-later
"""The quality card of the active object: how good a remesh is, in plain words, and what to do where it is not."""

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
from .main_panel import SidebarPanel
from .words import duration, region_width, wrapped

LABEL_SHARE = 0.55
"""Of the sidebar's width, so that the longest label fits at its default one."""
DISTANCE_WORDS = "Distances to the original in percent of its diagonal"
WORSE_WORDS = ("Blender's Decimate stays closer to the original with as many faces. Try another variant, a lower "
               "temperature, or use Decimate.")
INCOMPLETE_WORDS = "It was cut off or damaged and may lack a part. Raise Longest, or split the object first."
NON_MANIFOLD_WORDS = "More than two faces meet in some edges. Repair Mesh separates them."
CHANGED_WORDS = "The mesh was changed since: these are the figures of what was delivered."


class MESHWRIGHT_PT_quality(SidebarPanel, bpy.types.Panel):
    bl_label = "Quality"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        active = context.view_layer.objects.active
        return active is not None and COMPONENTS in active

    def draw(self, context: bpy.types.Context) -> None:
        item, layout, width = context.view_layer.objects.active, self.layout, region_width(context)
        if item is None:
            return
        _draw_table(layout, figure_words(item))
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
            wrapped(layout, f"Blender waits meanwhile, about {duration(seconds)}", width)


def figure_words(item: bpy.types.Object) -> Iterator[tuple[str, ...]]:
    """Label and value of each figure of the mesh itself."""
    faces, quads = item[FACES], item[QUADS]
    for figure in MESH_METRICS:
        if PREFIX + figure.name in item:
            yield figure.heading, figure.in_words(item[PREFIX + figure.name])
        if figure == mesh_metrics.FACES:
            yield "Joined to quads", f"{quads:,}, {faces - 2 * quads:,} tris"


def comparison_words(item: bpy.types.Object) -> Iterator[tuple[str, ...]]:
    """Label, the mesh's value and Decimate's; both meshes were measured in the same way."""
    yield "Compared with", "this", "Decimate"
    for figure, ours, theirs in ((mesh_metrics.FACES, FACES, DECIMATE_FACES),
                                 (mesh_metrics.MEAN_DISTANCE, COMPARED_MEAN, DECIMATE_MEAN)):
        yield figure.heading, figure.in_words(item[ours]), figure.in_words(item[theirs])
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
        yield "Decimate does not get down to as few faces: no fair comparison is possible."


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
