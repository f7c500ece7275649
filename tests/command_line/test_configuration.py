# SPDX-License-Identifier: GPL-3.0-or-later
"""Options from a YAML file, for a task without names of a published pipeline."""

import trimesh


def test_a_file_stands_for_the_whole_command_line(backend, tmp_path):
    boxes = [tmp_path / "one.obj", tmp_path / "two.obj"]
    for box in boxes:
        trimesh.creation.box().export(box)
    (tmp_path / "repair.yaml").write_text(
        f"mesh: [{boxes[0]}, {boxes[1]}]\nout: {tmp_path / 'out'}\nformat: ply\ndevice: cpu\n")
    ended = backend("repair-mesh", "--config", tmp_path / "repair.yaml")
    assert ended.code == 0, ended.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["one", "two"]
    assert list((tmp_path / "out" / "one").glob("*.ply"))


def test_the_command_line_wins(backend, tmp_path):
    trimesh.creation.box().export(tmp_path / "one.obj")
    (tmp_path / "repair.yaml").write_text(f"mesh: none.obj\nout: {tmp_path / 'out'}\nformat: ply\ndevice: cpu\n")
    ended = backend("repair-mesh", tmp_path / "one.obj", "--config", tmp_path / "repair.yaml", "--format", "stl")
    assert ended.code == 0, ended.err
    assert list((tmp_path / "out" / "one").glob("*.stl"))


def test_a_missing_file_is_told(backend, tmp_path):
    ended = backend("repair-mesh", "--config", tmp_path / "none.yaml", "--out", tmp_path / "out")
    assert ended.code == 1 and "none.yaml cannot be read" in ended.err
