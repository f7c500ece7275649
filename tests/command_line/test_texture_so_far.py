# SPDX-License-Identifier: GPL-3.0-or-later
"""`texture --cond-type tile` from the shell: the image that a mesh file shows reaches the job, in the layout used."""

from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from backend.contract import MeshData
from backend.geometry.mesh_files import Surface
from backend.geometry.uv_layout import new_layout
from backend.painting.texture_transfer import Shown, shown_in
from backend.pipelines.flexisyncmvd import job
from tests.flexisyncmvd.checkpoint_forms import write_set
from tests.painting.boxes import painted_box

from .test_texture import box_obj, texture

__all__ = ["texture"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SD 1.5 with depth and tile."""
    return write_set(tmp_path_factory.mktemp("weights"), "sd15", ("depth", "tile"))


@pytest.fixture
def brought(monkeypatch):
    """The requests and the textures that came with the meshes of the jobs that ran."""
    seen = []
    real = job.run

    def run(model, request, folder, *others):
        textures = [MeshData.read(folder.inputs / name).texture for name in request.inputs["mesh"]]
        seen.append((request, textures))
        return real(model, request, folder, *others)

    monkeypatch.setattr(job, "run", run)
    return seen


def ramp(size: int = 64) -> np.ndarray:
    """An image [size, size, 3]: red grows to the right, green downward."""
    across = np.arange(size) * 255 // (size - 1)
    return np.stack(np.broadcast_arrays(across[None], across[:, None], 128), axis=2).astype(np.uint8)


def textured_obj(path: Path, materials: tuple[str, ...] = ("paint",)) -> Path:
    """A box with a material, or several in turns; the first shows `paint.png`."""
    lines = box_obj(path).read_text().splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith("f "))
    for number, material in enumerate(materials):
        lines.insert(first + 3 * number, f"usemtl {material}")
    path.write_text("\n".join(["mtllib paint.mtl", *lines]), encoding="utf-8")
    (path.parent / "paint.mtl").write_text("newmtl paint\nKd 0.8 0.8 0.8\nmap_Kd paint.png\nnewmtl other\nKd 1 0 0\n")
    Image.fromarray(ramp()).save(path.parent / "paint.png")
    return path


def textured_glb(path: Path, **colors: tuple[int, int, int]) -> Path:
    """A box for each name, with a plain texture."""
    scene = trimesh.Scene()
    for number, (name, color) in enumerate(colors.items()):
        box = painted_box((3.0 * number, 0, 0))
        material = trimesh.visual.material.PBRMaterial(baseColorTexture=Image.new("RGB", (8, 8), color))
        mesh = trimesh.Trimesh(box.vertices[box.faces].reshape(-1, 3), np.arange(36).reshape(-1, 3), process=False,
                               visual=trimesh.visual.TextureVisuals(box.uvs.reshape(-1, 2), material))
        scene.add_geometry(mesh, node_name=name, geom_name=name)
    path.write_bytes(scene.export(file_type="glb"))
    return path


def test_a_published_configuration_follows_the_image_of_an_obj_file(texture, brought, tmp_path):
    textured_obj(tmp_path / "crate.obj")
    (tmp_path / "config.yaml").write_text("mesh: crate.obj\nmesh_config_relative: true\nprompt: a red chair\n"
                                          f"output: {tmp_path / 'out'}\ncond_type: render\nkeep_mesh_uv: true\n")
    ended = texture("--config", tmp_path / "config.yaml")
    assert ended.code == 0, ended.err
    ((request, (image,)),) = brought
    assert request.parameters["cond_type"] == "tile" and np.array_equal(image, ramp())


def test_every_mesh_of_a_file_brings_its_own_and_only_if_asked(texture, brought, tmp_path):
    source, options = textured_glb(tmp_path / "pair.glb", left=(255, 0, 0), right=(0, 0, 255)), ("--prompt", "a chair")
    for number, follow in enumerate(("depth+tile", "depth")):
        ended = texture(source, *options, "--out", tmp_path / f"out{number}", "--cond-type", follow)
        assert ended.code == 0, ended.err
    (_, (left, right)), (_, none) = brought
    assert (left == (255, 0, 0)).all() and (right == (0, 0, 255)).all() and none == [None, None]


def test_a_new_layout_shows_the_same(texture, brought, tmp_path):
    source = textured_obj(tmp_path / "crate.obj")
    ended = texture(source, "--prompt", "a chair", "--out", tmp_path / "out", "--cond-type", "tile", "--uv", "new")
    assert ended.code == 0, ended.err
    ((_, (image,)),) = brought
    assert image.shape == (64, 64, 3) and not np.array_equal(image, ramp())
    assert not (image == 0).all(axis=2).any(), "also between the islands"


def test_a_image_is_carried_from_layout_to_layout():
    box = painted_box()
    onto, size = new_layout(box.vertices, box.faces), 512
    faces = np.arange(12)
    carried = shown_in([Shown(ramp(size), faces, box.uvs)], onto).astype(int)
    mixed = np.random.default_rng(3).dirichlet((4, 4, 4), (12, 50))
    for old, new, weights in zip(box.uvs, onto, mixed, strict=True):
        u, v = (weights @ old).T
        column, row = (np.floor(part * size).astype(int) for part in ((weights @ new)[:, 0], 1 - (weights @ new)[:, 1]))
        assert np.abs(carried[row, column, 0] - 255 * u).max() < 3
        assert np.abs(carried[row, column, 1] - 255 * (1 - v)).max() < 3
    tiled = shown_in([Shown(ramp(size), faces, box.uvs + np.array([2, -1], np.float32))], onto)
    assert np.abs(tiled - carried).max() <= 2, "the image repeats"


def test_a_materials_tint_counts():
    surface = Surface("", lambda: Image.new("RGB", (4, 4), (255, 188, 90)), (0.5, 1.0, 0.0))
    red, green, blue = surface.base_color()[0, 0]
    assert 187 <= red <= 189 and green == 188 and blue == 0, "half the light is 188 of 255 in sRGB"


def test_several_materials_of_a_mesh_show_in_one_image(texture, brought, tmp_path):
    """A face with the image, then all others in plain red, linear 1 0 0."""
    source = textured_obj(tmp_path / "crate.obj", ("paint", "other"))
    ended = texture(source, "--prompt", "a chair", "--out", tmp_path / "out", "--cond-type", "tile")
    assert ended.code == 0, ended.err
    ((_, (image,)),) = brought
    red = (image == (255, 0, 0)).all(axis=2)
    assert 0.5 < red.mean() < 1 and len(np.unique(image[~red], axis=0)) > 50


@pytest.mark.parametrize(("write", "why"), [
    (lambda path: box_obj(path), "Its material has no image of its colors"),
    (lambda path: textured_obj(path, ("other",)), "Its material has no image of its colors"),
    (lambda path: trimesh.creation.box().export(path), "It has no UVs"),
], ids=["no material", "a color", "no UVs"])
def test_a_file_without_an_image_is_refused(texture, tmp_path, write, why):
    write(tmp_path / "crate.obj")
    ended = texture(tmp_path / "crate.obj", "--prompt", "a chair", "--out", tmp_path / "out", "--cond-type", "tile")
    assert ended.code == 1 and why in ended.err and "--cond-type depth" in ended.err and "Traceback" not in ended.err
