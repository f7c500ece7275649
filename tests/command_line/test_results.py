# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command line says about a result."""

from pathlib import Path

import pytest
import trimesh

from backend.command_line.results import summary
from backend.contract import Artifact, JobFolder, MeshData, Result

METRICS = {"faces": 12, "components": 1, "open_edges": 0, "non_manifold_edges": 1234, "complete": True,
           "mean_distance_percent": 0.4217, "hausdorff_percent": 2.1, "hausdorff_error_percent": 0.2}


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    """A job folder with one box."""
    made, box = JobFolder.create(tmp_path / "job"), trimesh.creation.box()
    MeshData(box.vertices, box.faces).write(made.outputs / "mesh.npz")
    return made


def test_remeshed_variants_list_their_metrics(folder: JobFolder) -> None:
    artifacts = tuple(Artifact(name, "mesh", "mesh.npz", "mesh", group="variant", properties=METRICS)
                      for name in ("chair", "chair.v2"))
    lines = summary(Result(artifacts, {"tokens": 3.0}, ("A remark.",)), folder, "chair", Path("out")).splitlines()
    assert lines[0] == "chair: 2 variants, 24 faces, 3.0 s (tokens 3.0) in out"
    assert lines[1] == ("  chair: faces 12, open edges 0, non-manifold edges 1,234, components 1, "
                        "mean distance 0.42 %, Hausdorff distance 2.10 %")
    assert lines[2].startswith("  chair.v2: ") and lines[3:] == ["  A remark."]


def test_metrics_that_could_not_be_measured_are_left_out(folder: JobFolder) -> None:
    counts = {name: value for name, value in METRICS.items() if "percent" not in name}
    result = Result((Artifact("chair", "mesh", "mesh.npz", "mesh", group="variant", properties=counts),))
    assert summary(result, folder, "chair", Path("out")).splitlines()[1].endswith("edges 1,234, components 1")


def test_other_meshes_have_one_line_for_all(folder: JobFolder) -> None:
    parts = tuple(Artifact(name, "mesh", "mesh.npz", "mesh", properties={"faces": 12}) for name in "abc")
    assert summary(Result(parts), folder, "chair", Path("out")) == "chair: 3 parts, 36 faces, 0.0 s () in out"
