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
    task = contract.TaskSpec("paint", "Paint", "", "object", (), (option, steps), (), needs_weights=False)
    weights = contract.WeightSet("w", "W", "", (), contract.License("L", "", "", True), 0.1, {"full": 0.1})
    spec = contract.PipelineSpec("painter", "Painter", "", (task,), (weights,))
    kind = groups.group_class(extension.module("offered_tasks").OfferedTask(spec, task, "painter_paint", "Paint"))
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


def test_names_of_tasks_are_short_and_never_the_same(extension: Extension) -> None:
    offered, contract = extension.module("offered_tasks"), extension.module("backend.contract")

    def pair(pipeline: str, name: str) -> tuple[object, object]:
        task = contract.TaskSpec(name, name, "", "object", (), (), (), needs_weights=False)
        return contract.PipelineSpec(pipeline, pipeline, "", (task,), ()), task

    pairs = [pair("a", "b_c"), pair("a_b", "c"), pair("cancel", "job"), pair("p" * 40, "t" * 40),
             pair("p" * 40, "t" * 39 + "x"), pair("paint", "walls")]
    keys = [item.key for item in offered._keyed(pairs, {"cancel_job"})]
    assert len(set(keys)) == len(keys) and max(map(len, keys)) <= offered.LONGEST_KEY
    assert keys[-1] == "paint_walls" and keys[2].startswith("cancel_job_") and keys[0].startswith("a_b_c_")
    for key in keys:
        kind = type(f"MESHWRIGHT_OT_{key}", (bpy.types.Operator,), {"bl_idname": f"meshwright.{key}", "bl_label": "x"})
        bpy.utils.register_class(kind)
        assert getattr(bpy.ops.meshwright, key).idname() == f"MESHWRIGHT_OT_{key}"
        bpy.utils.unregister_class(kind)


def test_names_that_blender_has_taken(extension: Extension) -> None:
    groups, contract = extension.module("parameter_groups"), extension.module("backend.contract")
    parameters = tuple(contract.Parameter(name, "text", "", name, "", multiline=True)
                       for name in ("keys", "keys_", "weights", "prompt", "prompt_datablock"))
    task = contract.TaskSpec("t", "T", "", "object", (), parameters, (), needs_weights=False)
    names = groups.property_names(task)
    own = [*names.values(), *(groups.text_property(task, parameter) for parameter in parameters)]
    assert len(set(own)) == len(own) and not set(own) & {"keys", "weights", "preset", "name", "bl_rna"}
    assert names["prompt"] == "prompt"
