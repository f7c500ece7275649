# SPDX-License-Identifier: GPL-3.0-or-later
"""`texture` from the shell with tiny random weights: mesh files in, textures and a textured GLB out."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from backend.contract import BadInput
from backend.geometry.uv_layout import new_layout, uv_fault
from backend.painting.painted_files import read_painted
from backend.painting.scene import strip_size
from backend.pipelines import registry
from backend.pipelines.flexisyncmvd import job
from backend.pipelines.flexisyncmvd.settings import Sizes
from backend.worker import job_run, progress
from tests.flexisyncmvd.checkpoint_forms import write_set
from tests.flexisyncmvd.worker_child import TINY_SPEC
from tests.painting.boxes import painted_box

FAST = ("--device", "cpu", "--steps", "5", "--latent-view-size", "32", "--texture-size", "512", "--views", "4",
        "--no-top-cameras", "--guidance-scale", "2")
MIRRORED = np.array([[-1.5, 0, 0, 2], [0, 1, 0, 0.5], [0, 0, 0.5, -1], [0, 0, 0, 1.0]])


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """SD 1.5 with depth, and an image adapter."""
    return write_set(tmp_path_factory.mktemp("weights"), "sd15", ("depth",), adapter=True)


@pytest.fixture
def texture(backend, monkeypatch, weights, tmp_path):
    """Runs `texture` on small views."""
    monkeypatch.setitem(registry.specs(), "flexisyncmvd", TINY_SPEC)
    monkeypatch.setattr(job_run, "locate", lambda *_: weights)
    settings_of = job.settings_of

    def shrunk(request, squares, resources):
        """Views of 64 pixels, fewer than can be asked for."""
        settings = settings_of(request, squares, resources)
        return replace(settings, sizes=Sizes(8, strip_size(64, squares), 64, settings.sizes.texture))

    monkeypatch.setattr(job, "settings_of", shrunk)
    return lambda *arguments: backend("texture", *arguments, *FAST)


def box_obj(path: Path, size: float = 1.0, shift: float = 0.0) -> Path:
    """A box as OBJ, vertices shared between sides, UVs not: two by three islands, scaled and moved."""
    box = painted_box()
    vertices, corners = np.unique(box.vertices[box.faces].reshape(-1, 3), axis=0, return_inverse=True)
    uvs, places = np.unique(box.uvs.reshape(-1, 2), axis=0, return_inverse=True)
    lines = ["o Crate", *("v {} {} {}".format(*vertex) for vertex in vertices)]
    lines += ["vt {} {}".format(*(uv * size + shift)) for uv in uvs]
    words = [f"{corner + 1}/{place + 1}" for corner, place in zip(corners.ravel(), places.ravel(), strict=True)]
    lines += ["f {} {} {}".format(*words[start : start + 3]) for start in range(0, 36, 3)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def two_boxes_glb(path: Path) -> Path:
    """Two nodes of one mesh with UVs and normals, the second mirrored, stretched and moved."""
    box = painted_box()
    corners = box.vertices[box.faces].reshape(-1, 3)
    normals = np.cross(corners[1::3] - corners[::3], corners[2::3] - corners[::3]).repeat(3, axis=0)
    mesh = trimesh.Trimesh(corners, np.arange(36).reshape(-1, 3), process=False,
                           vertex_normals=normals / np.linalg.norm(normals, axis=1, keepdims=True),
                           visual=trimesh.visual.TextureVisuals(uv=box.uvs.reshape(-1, 2)))
    scene = trimesh.Scene()
    scene.add_geometry(mesh, node_name="left", geom_name="box")
    scene.graph.update("right", matrix=MIRRORED, geometry="box")
    path.write_bytes(scene.export(file_type="glb", include_normals=True))
    return path


def without_materials(path: Path) -> None:
    """Take all materials out of a GLB or glTF file."""
    content = path.read_bytes()
    size = int.from_bytes(content[12:16], "little") if path.suffix == ".glb" else 0
    scene = json.loads(content[20 : 20 + size] if size else content)
    assert scene.pop("materials")
    for mesh in scene["meshes"]:
        for part in mesh["primitives"]:
            del part["material"]
    text = json.dumps(scene).encode()
    path.write_bytes(content[:20] + text.ljust(size) + content[20 + size :] if size else text)


def nodes(path: Path) -> dict[str, tuple[np.ndarray, trimesh.Trimesh]]:
    """Matrix and mesh of every node, by name."""
    scene = trimesh.load_scene(path, process=False)
    return {name: (scene.graph[name][0], scene.geometry[scene.graph[name][1]]) for name in scene.graph.nodes_geometry}


def corner_rows(mesh: trimesh.Trimesh) -> np.ndarray:
    """Position and UV of every corner, face by face, as rows [F, 15]; sorted, so that their order does not matter."""
    rows = np.concatenate([mesh.vertices[mesh.faces], mesh.visual.uv[mesh.faces]], axis=2).reshape(-1, 15)
    return rows[np.lexsort(rows.round(4).T)]


def test_a_box_comes_back_with_its_uvs_and_a_texture(texture, tmp_path):
    source, out = box_obj(tmp_path / "crate.obj"), tmp_path / "out"
    ended = texture(source, "--prompt", "a red chair", "--out", out)
    assert ended.code == 0, ended.err
    folder = out / "crate"
    assert sorted(path.name for path in folder.iterdir()) == ["crate.glb", "result.json", "texture.001.png"]
    assert ended.out.startswith("crate: 1 texture of 512 x 512, ")
    (name, (matrix, written)), = nodes(folder / "crate.glb").items()
    (read,) = trimesh.load_scene(source, process=False).geometry.values()
    assert name == "Crate" and np.array_equal(matrix, np.eye(4))
    assert len(written.vertices) == 24  # split where islands part
    assert np.allclose(corner_rows(written), corner_rows(read), atol=1e-6)
    image = np.asarray(Image.open(folder / "texture.001.png"))
    material = written.visual.material
    assert np.array_equal(np.asarray(material.baseColorTexture.convert("RGB")), image) and image.std() > 1
    assert material.metallicFactor == 0


def test_every_node_keeps_its_place_and_normals_and_gets_a_texture(texture, tmp_path):
    source, out = two_boxes_glb(tmp_path / "pair.glb"), tmp_path / "out"
    ended = texture(source, "--prompt", "a red chair", "--out", out, "--uv", "keep")
    assert ended.code == 0, ended.err
    assert "2 textures of 512 x 512" in ended.out
    before, after = nodes(source), nodes(out / "pair" / "pair.glb")
    assert before.keys() == after.keys() == {"left", "right"}
    images = []
    for name in before:
        (matrix, read), (kept, written) = before[name], after[name]
        assert np.allclose(matrix, kept, atol=1e-6)
        assert np.allclose(corner_rows(written), corner_rows(read), atol=1e-6)
        assert np.allclose(np.unique(written.vertex_normals.round(4), axis=0),
                           np.unique(read.vertex_normals.round(4), axis=0))
        assert written.visual.material.name == name
        images.append(np.asarray(written.visual.material.baseColorTexture))
    assert np.abs(images[0].astype(int) - images[1]).max() > 0
    content = (out / "pair" / "pair.glb").read_bytes()
    assert int.from_bytes(content[12:16], "little") % 4 == 0  # strict readers want the JSON padded


@pytest.mark.parametrize(("change", "why"), [
    (lambda path: trimesh.creation.box().export(path), "It has no UVs."),
    (lambda path: box_obj(path, shift=0.5), "reach across the border"),
    (lambda path: box_obj(path, size=0.0, shift=0.5), "at one point"),
], ids=["none", "outside", "collapsed"])
def test_uvs_that_cannot_be_painted_on_are_refused_or_made_anew(texture, tmp_path, change, why):
    source, out = tmp_path / "crate.obj", tmp_path / "out"
    change(source)
    refused = texture(source, "--prompt", "a red chair", "--out", out, "--uv", "keep")
    assert refused.code == 1 and why in refused.err and "--uv new" in refused.err
    assert not out.exists()
    ended = texture(source, "--prompt", "a red chair", "--out", out)
    assert ended.code == 0, ended.err
    assert why in ended.err and "New ones were made." in ended.err
    ((_, written),) = nodes(out / "crate" / "crate.glb").values()
    read = trimesh.load_mesh(source, process=False)
    assert len(written.faces) == 12 and np.allclose(written.bounds, read.bounds)
    uvs = written.visual.uv
    assert uvs.min() >= 0 and uvs.max() <= 1 and len(np.unique(uvs.round(4), axis=0)) > 8


@pytest.mark.parametrize("size", [1e-4, 1.0, 1e4])
def test_new_uvs_lay_every_face_out_once_whatever_the_size(size):
    ball = trimesh.creation.icosphere(3, radius=size)
    uvs = new_layout(ball.vertices, ball.faces)
    assert uvs.shape == (1280, 3, 2) and uvs.min() >= 0 and 0.9 < uvs.max() <= 1
    assert not uv_fault(ball.vertices.astype(np.float32), ball.faces.astype(np.int32), uvs)
    longest = np.linalg.norm(uvs - np.roll(uvs, 1, axis=1), axis=2).max()
    assert longest < 0.06  # none is smeared across the texture, as islands folded back to shared vertices would be


@pytest.mark.parametrize("suffix", [".glb", ".gltf"])
def test_uvs_without_a_material_are_kept(tmp_path, suffix):
    """trimesh alone would lose them: a file that was never textured has no material."""
    with_material = two_boxes_glb(tmp_path / "pair.glb")
    scene = trimesh.load_scene(with_material, process=False)
    files = {f"pair{suffix}": scene.export(file_type="glb")} if suffix == ".glb" else trimesh.exchange.gltf.export_gltf(
        scene)
    for name, content in files.items():
        (tmp_path / name.replace("model", "pair")).write_bytes(content)
    path = tmp_path / f"pair{suffix}"
    without_materials(path)
    read = read_painted(path, "keep", False, pytest.fail).nodes
    assert len(read) == 2
    box = painted_box()
    for node in read:
        uvs = [np.unique(uvs.reshape(-1, 2).round(4), axis=0) for uvs in (node.mesh.uvs, box.uvs)]
        assert np.allclose(*uvs, atol=1e-4)


def test_a_line_gets_no_uvs():
    with pytest.raises(BadInput, match="no surface"):
        new_layout(np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]]), np.array([[0, 1, 2]]))


def test_overlapping_uvs_are_told_of(texture, tmp_path):
    text = box_obj(tmp_path / "crate.obj").read_text().replace("vt 0.98", "vt 0.3133333")
    assert "vt 0.3133333" in text  # the outer edge of the last islands now lies over the first ones
    (tmp_path / "crate.obj").write_text(text)
    ended = texture(tmp_path / "crate.obj", "--prompt", "a red chair", "--out", tmp_path / "out", "--uv", "keep")
    assert ended.code == 1 and "Its UVs overlap on" in ended.err


def test_a_image_previews_and_a_missing_image(texture, tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_PREVIEWS", 0.0)
    source, out = box_obj(tmp_path / "crate.obj"), tmp_path / "out"
    Image.new("RGB", (40, 60), (200, 30, 30)).save(tmp_path / "red.png")
    ended = texture(source, "--image", tmp_path / "red.png", "--out", out, "--keep-previews", "--log-interval", "4")
    assert ended.code == 0, ended.err
    kept = sorted(path.name for path in (out / "crate" / "previews").iterdir())
    assert kept == ["views.001.png", "views.002.png"]  # step 4 of 5, and the finished views
    assert Image.open(out / "crate" / "previews" / "views.002.png").size == (128, 128)
    missing = texture(source, "--image", tmp_path / "none.png", "--out", out)
    assert missing.code == 1 and "There is no" in missing.err
    nothing = texture(source, "--out", out)
    assert nothing.code == 1 and "Texture needs a prompt or image." in nothing.err


def test_a_published_configuration(texture, tmp_path, monkeypatch):
    """Its mesh is beside it; the command line's steps win over its own."""
    seen = []
    real = job.run
    monkeypatch.setattr(job, "run", lambda model, request, *others: seen.append(request) or real(
        model, request, *others))
    box_obj(tmp_path / "crate.obj")
    (tmp_path / "config.yaml").write_text(
        "mesh: crate.obj\nmesh_config_relative: true\nprompt: a red chair\nsteps: 99\nseed: 1234\n"
        f"output: {tmp_path / 'out'}\nrgb_tex_size: 300\nlatent_tex_size: 768\nguidance_rescale: 0.7\n"
        "camera_azims: [-180, -90, 0, 90]\nno_top_cameras: true\nkeep_mesh_uv: true\nuse_mesh_name: true\n")
    ended = texture("--config", tmp_path / "config.yaml")
    assert ended.code == 0, ended.err
    request = seen[0]
    assert request.seed == 1234
    expected = {"steps": 5, "guidance_rescale": 0.7, "camera_azims": "-180 -90 0 90", "top_cameras": False}
    assert {name: request.parameters[name] for name in expected} == expected
    assert "config.yaml: latent_tex_size has no effect" in ended.err
    assert "config.yaml: rgb_tex_size 300 becomes 512." in ended.err
    assert json.loads((tmp_path / "out" / "crate" / "result.json").read_text())["artifacts"]


@pytest.mark.parametrize(("text", "words"), [
    ("stepps: 3", "there is no option 'stepps'"),
    ("- steps", "holds no options"),
    ("steps: [", "cannot be read"),
    ("steps: [3, 4]", "steps cannot be [3, 4]"),
    ("t2i_model: SD3", "SD1.5 and SDXL"),
    ("rgb_tex_size: 9000", "up to 4096"),
    ("prompt: a red chair\ncamera_azims: [0, 10]", "3 to 16 angles"),
])
def test_a_configuration_that_cannot_be_followed(texture, tmp_path, text, words):
    (tmp_path / "config.yaml").write_text(text)
    ended = texture(box_obj(tmp_path / "crate.obj"), "--out", tmp_path / "out", "--config", tmp_path / "config.yaml")
    assert ended.code == 1 and words in ended.err and "Traceback" not in ended.err


def test_something_must_be_named(texture, tmp_path):
    with pytest.raises(SystemExit) as ended:
        texture("--out", tmp_path / "out", "--prompt", "a red chair")
    assert ended.value.code == 2
