# SPDX-License-Identifier: GPL-3.0-or-later
"""The quality card: metrics on the object, quads, the fair comparison with Decimate, what the panel says."""

import time
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from backend.contract import Artifact, JobFolder, MeshData, Request, Result

from .conftest import Extension
from .test_panels import drawn

METRICS: dict[str, Any] = {"open_edges": 0, "non_manifold_edges": 0, "components": 1, "complete": True,
                           "mean_distance_percent": 0.4, "hausdorff_percent": 1.5, "hausdorff_error_percent": 0.3}
Arrays = tuple[np.ndarray, np.ndarray]


def torus(major: int, minor: int, thickness: float = 0.3) -> Arrays:
    """A ring of 2 major minor triangles; the ring's own radius is 1."""
    around, across = (np.arange(count) * 2 * np.pi / count for count in (major, minor))
    u, w = (angles.ravel() for angles in np.meshgrid(around, across, indexing="ij"))
    radius = 1 + thickness * np.cos(w)
    vertices = np.stack([radius * np.cos(u), radius * np.sin(u), thickness * np.sin(w)], axis=1)
    i, j = (numbers.ravel() for numbers in np.indices((major, minor)))
    a, b = i * minor + j, (i + 1) % major * minor + j
    c, d = (i + 1) % major * minor + (j + 1) % minor, i * minor + (j + 1) % minor
    faces = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    return vertices.astype(np.float32), faces.astype(np.int32)


def mesh_of(arrays: Arrays) -> bpy.types.Mesh:
    mesh = bpy.data.meshes.new("test")
    mesh.from_pydata(arrays[0].tolist(), [], arrays[1].tolist())
    return mesh


def remeshed(path: Path, original: Arrays, *variants: Arrays, **metrics: Any) -> JobFolder:
    """The folder of a finished remesh of `original` into `variants`."""
    folder = JobFolder.create(path)
    MeshData(*original).write(folder.inputs / "mesh.001.npz")
    folder.write_request(Request(path.name, "remesh", "silksong", "published", "ring", 7, {},
                                 {"mesh": ("mesh.001.npz",)}))
    artifacts = []
    for number, variant in enumerate(variants):
        MeshData(*variant).write(folder.outputs / f"{number}.npz")
        known = {"faces": len(variant[1]), "original_faces": len(original[1]), **METRICS, **metrics}
        artifacts.append(Artifact(f"ring.{number}", "mesh", f"{number}.npz", "mesh", group="variant", properties=known))
    folder.write_result(Result(tuple(artifacts), {"tokens": 1.0}))
    folder.write_note("delivery.json", {"delivery": "replace"})
    return folder


def delivered(extension: Extension, folder: JobFolder) -> list[bpy.types.Object]:
    """The objects of the folder's result, in order; the first is active."""
    own = extension.module("backend.contract").JobFolder(folder.path)
    return [bpy.data.objects[name] for name in extension.module("deliver").deliver(own).objects]


def counts() -> tuple[int, ...]:
    """How many datablocks of the kinds that a comparison makes there are."""
    return tuple(len(known) for known in (bpy.data.scenes, bpy.data.objects, bpy.data.meshes, bpy.data.collections))


def test_quads_are_counted_on_a_copy(extension: Extension, scene: bpy.types.Scene) -> None:
    quads = extension.module("deliver.quality.metrics").quads_after_joining
    ring = mesh_of(torus(12, 8))
    assert quads(ring) == 96 and len(ring.polygons) == 192, "the mesh itself stays"
    assert quads(mesh_of((np.eye(4, 3, dtype=np.float32), np.array([(0, 1, 2), (0, 2, 3), (0, 3, 1), (1, 3, 2)])))) == 0
    # Blender's own operator makes as many.
    bpy.context.collection.objects.link(item := bpy.data.objects.new("ring", mesh_of(torus(9, 7))))
    bpy.context.view_layer.objects.active = item
    wanted = quads(item.data)
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.mesh.tris_convert_to_quads()
    bpy.ops.object.mode_set(mode="OBJECT")
    assert sum(len(face.vertices) == 4 for face in item.data.polygons) == wanted == 63


def test_distances_that_are_known(extension: Extension) -> None:
    module = extension.module("deliver.quality.distance")
    square = np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], np.float32), np.array([(0, 1, 2), (0, 2, 3)])
    low, high, half = (module.SearchedSurface.of((square[0] * scale + [0, 0, height]).astype(np.float32), square[1])
                       for scale, height in ((1, 0), (1, 0.1), ([0.5, 1, 1], 0)))
    assert low.diagonal == pytest.approx(np.sqrt(2))
    level = module.between(low, high)
    assert (level.mean, level.largest, level.error) == pytest.approx((0.1, 0.1, 0), abs=1e-6)
    partial = module.between(low, half)
    assert partial.mean == pytest.approx(0.0625, rel=0.01), "an eighth one way, nothing the other"
    assert partial.largest == pytest.approx(0.5, rel=0.02)


def test_decimating_leaves_nothing_behind(extension: Extension, scene: bpy.types.Scene) -> None:
    module, before = extension.module("deliver.quality.decimation"), counts()
    with module.workbench(*torus(80, 40)) as bench:
        assert len(bench.decimated(500).faces) == 500
        assert len(bench.decimated(1000).faces) == 1000
        assert len(bench.original.faces) == 6400
    with pytest.raises(ZeroDivisionError), module.workbench(*torus(8, 4)):
        raise ZeroDivisionError
    assert counts() == before and bpy.context.scene == scene


def test_metrics_are_on_the_object_and_in_the_file(extension: Extension, scene: bpy.types.Scene,
                                                   tmp_path: Path) -> None:
    item, = delivered(extension, remeshed(tmp_path / "job", torus(80, 40), torus(12, 8)))
    assert {name: item[f"meshwright_{name}"] for name in METRICS} == METRICS
    assert item["meshwright_faces"] == 192 and item["meshwright_quads"] == 96
    assert item["meshwright_decimate_faces"] == 192
    name, before = item.name, dict(item.items())
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "saved.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "saved.blend"))
    assert dict(bpy.data.objects[name].items()) == before


def test_worse_than_decimate_is_told(extension: Extension, scene: bpy.types.Scene, tmp_path: Path) -> None:
    original = torus(80, 40)
    with extension.module("deliver.quality.decimation").workbench(*original) as bench:
        decimated = bench.decimated(400)
    as_good, = delivered(extension, remeshed(tmp_path / "as-good", original, (decimated.vertices, decimated.faces)))
    thinner, = delivered(extension, remeshed(tmp_path / "thinner", original, torus(20, 10, 0.25)))
    assert not as_good["meshwright_worse_than_decimate"]
    assert as_good["meshwright_compared_mean_percent"] == pytest.approx(as_good["meshwright_decimate_mean_percent"])
    assert thinner["meshwright_worse_than_decimate"]
    diagonal = np.linalg.norm([2.6, 2.6, 0.6])
    # The thinner ring lies 0.05 inside, and its facets cut a little off.
    assert 5 / diagonal < thinner["meshwright_compared_mean_percent"] < 7 / diagonal
    bpy.context.view_layer.objects.active = thinner
    assert "Try another variant or seed, or use Decimate." in " ".join(drawn(extension, "quality"))
    bpy.context.view_layer.objects.active = as_good
    assert "Try another variant" not in " ".join(drawn(extension, "quality"))


def test_a_missing_piece_is_worse_although_the_rest_fits(extension: Extension) -> None:
    module, comparison = extension.module("deliver.quality.distance"), extension.module("deliver.quality.comparison")
    vertices, faces = torus(80, 40)
    with extension.module("deliver.quality.decimation").workbench(vertices, faces) as bench:
        decimated = module.between(bench.original, bench.decimated(400))
        left = faces[vertices[faces].mean(1)[:, 0] < 1]
        lacking = module.between(bench.original, module.SearchedSurface.of(vertices, left))
    assert lacking.mean < 10 * decimated.mean and comparison.is_worse(lacking, decimated)
    assert not comparison.is_worse(decimated, lacking)


def test_decimate_that_stops_early_is_no_measure(extension: Extension, scene: bpy.types.Scene, tmp_path: Path) -> None:
    vertices, faces = torus(8, 6)
    chain = (np.concatenate([vertices + np.array([3 * number, 0, 0]) for number in range(100)]).astype(np.float32),
             np.concatenate([faces + len(vertices) * number for number in range(100)]).astype(np.int32))
    item, = delivered(extension, remeshed(tmp_path / "job", chain, torus(6, 4)))
    assert item["meshwright_decimate_faces"] > 1.1 * 48
    assert not item["meshwright_worse_than_decimate"]
    assert "no fair comparison" in " ".join(drawn(extension, "quality"))


def test_large_originals_are_compared_when_asked(extension: Extension, scene: bpy.types.Scene, tmp_path: Path,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extension.module("deliver.quality.comparison"), "QUICK_FACES", 10_000)
    monkeypatch.setattr(extension.module("operators.quality"), "jobs_folder", lambda: tmp_path)
    best, second = delivered(extension, remeshed(tmp_path / "job", torus(80, 40), torus(12, 8), torus(10, 8)))
    assert "meshwright_decimate_faces" in best and "meshwright_decimate_faces" not in second
    bpy.context.view_layer.objects.active = second
    assert "meshwright.compare_with_decimate" in drawn(extension, "quality")
    assert bpy.ops.meshwright.compare_with_decimate() == {"FINISHED"}
    assert second["meshwright_decimate_faces"] == 160
    assert "meshwright.compare_with_decimate" not in drawn(extension, "quality")
    (tmp_path / "job" / "inputs" / "mesh.001.npz").unlink()
    with pytest.raises(RuntimeError, match="original is no longer there"):
        bpy.ops.meshwright.compare_with_decimate()


def test_what_is_compared_unasked_takes_less_than_a_second(extension: Extension) -> None:
    comparison, distance = extension.module("deliver.quality.comparison"), extension.module("deliver.quality.distance")
    original = torus(200, comparison.QUICK_FACES // 400)
    begin = time.process_time()
    with extension.module("deliver.quality.decimation").workbench(*original) as bench:
        decimated = bench.decimated(3000)
        distance.between(bench.original, decimated)
        distance.between(bench.original, decimated)
    assert comparison.is_quick(len(original[1])) and not comparison.is_quick(2 * len(original[1]))
    assert time.process_time() - begin < 1.0


def test_results_come_although_they_cannot_be_compared(extension: Extension, scene: bpy.types.Scene,
                                                       tmp_path: Path) -> None:
    folder = remeshed(tmp_path / "job", torus(12, 8), torus(12, 8))
    item, = delivered(extension, folder)  # as many faces as the original
    assert item["meshwright_quads"] == 96 and "meshwright_decimate_faces" not in item
    assert "meshwright.compare_with_decimate" not in drawn(extension, "quality")
    (folder.inputs / "mesh.001.npz").unlink()
    again, = delivered(extension, folder)
    assert again["meshwright_quads"] == 96


def test_the_report_is_for_remeshed_objects(extension: Extension, scene: bpy.types.Scene, tmp_path: Path) -> None:
    panel = next(cls for cls in extension.module("panels").CLASSES if cls.__name__ == "MESHWRIGHT_PT_quality")
    assert not panel.poll(bpy.context) and not bpy.ops.meshwright.compare_with_decimate.poll()
    item, = delivered(extension, remeshed(tmp_path / "job", torus(80, 40), torus(12, 8), non_manifold_edges=2,
                                          complete=False))
    assert panel.poll(bpy.context)
    words = drawn(extension, "quality")
    for label, value in (
            ("Faces", "192"), ("As quads", "96 quads + 0 tris"), ("Open edges", "0"),
            ("Non-manifold edges", "2"), ("Components", "1"), ("Mean distance", "0.40 %"),
            ("Hausdorff distance", "1.50 %")):
        assert words[words.index(label) + 1] == value
    said = " ".join(words)
    assert "Allow more faces" in said and "Non Manifold" in said and "Mesh edited since" not in said
    item.data = mesh_of(torus(10, 8))
    assert "Mesh edited since" in " ".join(drawn(extension, "quality"))


def test_metrics_without_a_distance_are_shown_too(extension: Extension) -> None:
    words = extension.module("panels.quality_panel")
    item: Any = {f"meshwright_{name}": value for name, value in METRICS.items() if "percent" not in name}
    item |= {"meshwright_faces": 10, "meshwright_quads": 4}
    assert [label for label, _ in words.metric_words(item)] == [
        "Faces", "As quads", "Open edges", "Non-manifold edges", "Components"]
    assert list(words.warnings(item)) == []


def test_the_card_takes_what_the_backend_gives(extension: Extension) -> None:
    from backend.geometry.deviation import Deviation  # after bpy, and slow to load
    from backend.pipelines.silksong.quality import Topology, metrics
    from backend.pipelines.silksong.variants import Variant

    given = metrics(Variant(*torus(4, 3)), Topology(0, 0, 1), Deviation(0, 0, 0, 0, 0, 0), 48)
    assert {f"meshwright_{name}" for name in given} == set(extension.module("deliver.quality.metrics").GIVEN)
