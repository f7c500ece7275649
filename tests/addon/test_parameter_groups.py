# SPDX-License-Identifier: GPL-3.0-or-later
"""A task's options as Blender's properties."""

from pathlib import Path

import bpy

from .conftest import Extension


def test_a_file_is_chosen_with_the_file_browser_and_leaves_as_an_absolute_path(
    extension: Extension, scene: bpy.types.Scene, tmp_path: Path
) -> None:
    groups, contract = extension.module("parameter_groups"), extension.module("backend.contract")
    option = contract.Parameter("checkpoint", "file", "", "Checkpoint", "The artist's own")
    steps = contract.Parameter("steps", "int", 10, "Steps", "", 1, 100)
    task = contract.TaskSpec("paint", "Paint", "", (), (option, steps), (), needs_weights=False)
    weights = contract.WeightSet("w", "W", "", (), contract.License("L", "", "", True), 0.1, {"full": 0.1})
    kind = groups._group_class(contract.PipelineSpec("painter", "Painter", "", (task,), (weights,)), task)
    bpy.utils.register_class(kind)
    bpy.types.Scene.painter = bpy.props.PointerProperty(type=kind)
    try:
        group = scene.painter
        assert group.bl_rna.properties["checkpoint"].subtype == "FILE_PATH"
        assert groups.parameter_values(group, task) == {"checkpoint": "", "steps": 10}
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
        group = bpy.context.scene.painter
        group.checkpoint = "//models/mine.safetensors"
        given = groups.parameter_values(group, task)["checkpoint"]
        assert Path(given) == tmp_path / "models" / "mine.safetensors"
    finally:
        del bpy.types.Scene.painter
        bpy.utils.unregister_class(kind)
