# SPDX-License-Identifier: GPL-3.0-or-later
"""The active result: its Explode slider, its provenance, Run Again and Reroll."""

import bpy

from ..deliver.explode import PROPERTY
from ..deliver.provenance import COMMERCIAL_USE, FOLDER, LICENSE, ORIGINAL, PIPELINE, SEED, VARIANT, WEIGHTS
from ..results import active_result, depends_on_seed, made_by
from .main_panel import RESULT_ORDER, SidebarPanel
from .words import region_width, wrapped


class MESHWRIGHT_PT_result(SidebarPanel, bpy.types.Panel):
    bl_label = "Result"
    bl_order = RESULT_ORDER

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return active_result(context) is not None

    def draw(self, context: bpy.types.Context) -> None:
        result, layout = active_result(context), self.layout
        if result is None:
            return
        if PROPERTY in result:
            layout.prop(result, f'["{PROPERTY}"]', text="Explode", slider=True)
        row = layout.row(align=True)
        if depends_on_seed(result):
            row.operator("meshwright.reroll", icon="FILE_REFRESH")
        row.operator("meshwright.run_again", icon="LOOP_BACK")
        layout.operator("meshwright.use_settings", icon="PRESET").folder = str(result[FOLDER])
        if VARIANT in result:
            layout.operator("meshwright.show_next_variant", icon="ARROW_LEFTRIGHT")
        if ORIGINAL in result:
            layout.operator("meshwright.bake_normals", icon="NORMALS_FACE")
        layout.operator("meshwright.mark_as_asset", icon="ASSET_MANAGER")
        wrapped(layout, provenance_words(result), region_width(context))


def provenance_words(result: bpy.types.Object) -> str:
    """How the result was made and what it may be used for, in one sentence."""
    maker = made_by(result)
    words = [f"{maker[0].label}, {maker[1].label}" if maker else str(result[PIPELINE])]
    if WEIGHTS in result:
        words.append(f"{_weights_label(result)} weights")
    if depends_on_seed(result):
        words.append(f"seed {result[SEED]}")
    if LICENSE in result:
        words.append(f"output: {'any use' if result[COMMERCIAL_USE] else 'non-commercial only'}")
    return f"{result.name}: {', '.join(words)}"


def _weights_label(result: bpy.types.Object) -> str:
    """What the artist calls the weights; their name where this version does not have them."""
    maker = made_by(result)
    known = {weights.name: weights.label for weights in maker[0].weights} if maker else {}
    return known.get(result[WEIGHTS], str(result[WEIGHTS]))


CLASSES = (MESHWRIGHT_PT_result,)
