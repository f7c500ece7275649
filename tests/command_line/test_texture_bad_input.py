# SPDX-License-Identifier: GPL-3.0-or-later
"""`texture` from the shell with files as artists have them: painted rightly or refused in words, nothing is lost."""

from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from backend.command_line.arguments import build_parser, with_dashes
from backend.contract import BadInput
from backend.geometry import uv_layout
from backend.geometry.mesh_files import read_file
from backend.painting import painted_files, scene
from backend.pipelines.flexisyncmvd.pipeline import FlexiSyncMVDPipeline

from .test_texture import box_obj, nodes, texture, weights

__all__ = ["texture", "weights"]

PROMPT = ("--prompt", "a red chair")
RUBBLE = """
v 0 0 0
v 0 0 1
v 1 0 1
v 1 0 0
v -1 1 1
v -1 1 0
v -1 -1 1
v -1 -1 0
f 1 2 3 4
f 1 2 5 6
f 1 2 7 8
f 1 2 3
f 1 2 2
"""
"""Three sheets at one edge, a triangle that lies on one of them, and one without area."""


def refused(ended, words: str) -> None:
    """It failed, said why and what to do, and no more."""
    assert ended.code == 1 and words in ended.err and "Traceback" not in ended.err


@pytest.mark.parametrize(("content", "words"), [
    ("v 0 0 0\nv 1 0 0\nv 0 1 0\n", "crate.obj holds no mesh. It has no triangles"),
    ("v 0 0 0\nv 1 0 0\nl 1 2\n", "crate.obj holds no mesh. It has no triangles"),
    ("v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n", "No UVs can be made for the mesh. It has no surface"),
    ("v 0 0 0\nv nan 0 0\nv 0 1 0\nf 1 2 3\n", "It has invalid vertex positions"),
], ids=["points", "edges", "flat to nothing", "no numbers"])
def test_files_without_a_surface(texture, tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "crate.obj").write_text(content)
    refused(texture(tmp_path / "crate.obj", *PROMPT, "--out", tmp_path / "out"), words)
    assert not (tmp_path / "out").exists()


def test_a_bad_file_does_not_stop_the_others(texture, tmp_path: Path) -> None:
    (tmp_path / "bad.obj").write_text("v 0 0 0\n")
    good, out = box_obj(tmp_path / "crate.obj"), tmp_path / "out"
    refused(texture(tmp_path / "bad.obj", good, *PROMPT, "--out", out), "1 of 2 failed")
    assert (out / "crate" / "crate.glb").is_file() and not (out / "bad").exists()


def test_a_non_manifold_mesh_is_painted_as_it_is(texture, tmp_path: Path) -> None:
    source, out = tmp_path / "rubble.obj", tmp_path / "out"
    source.write_text(RUBBLE)
    ended = texture(source, *PROMPT, "--out", out)
    assert ended.code == 0, ended.err
    ((_, written),) = nodes(out / "rubble" / "rubble.glb").values()
    (read,) = read_file(source).nodes
    assert len(read.faces) == 8 and np.allclose(written.triangles, read.vertices[read.faces])
    assert np.isfinite(written.visual.uv).all()
    assert np.asarray(written.visual.material.baseColorTexture).std() > 1


def test_a_file_with_several_materials_gets_a_texture_for_each_part(texture, tmp_path: Path) -> None:
    lines = box_obj(tmp_path / "crate.obj").read_text().splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("f"))
    (tmp_path / "crate.obj").write_text("\n".join(
        ["mtllib crate.mtl", *lines[:first], "usemtl red", *lines[first : first + 6], "usemtl green",
         *lines[first + 6 :]]))
    (tmp_path / "crate.mtl").write_text("newmtl red\nKd 1 0 0\nnewmtl green\nKd 0 1 0\n")
    ended = texture(tmp_path / "crate.obj", *PROMPT, "--out", tmp_path / "out", "--uv", "keep")
    assert ended.code == 0, ended.err
    written = [mesh for _, mesh in nodes(tmp_path / "out" / "crate" / "crate.glb").values()]
    assert sum(len(mesh.faces) for mesh in written) == 12
    assert all(np.asarray(mesh.visual.material.baseColorTexture).std() > 1 for mesh in written)


def test_a_long_prompt_is_told_of(texture, tmp_path: Path) -> None:
    source, out = box_obj(tmp_path / "crate.obj"), tmp_path / "out"
    ended = texture(source, "--prompt", "a red wooden chair " * 30, "--out", out)
    assert ended.code == 0 and (out / "crate" / "crate.glb").is_file()
    assert "The prompt is too long: its last words are ignored." in ended.out + ended.err


@pytest.mark.parametrize(("asked", "words"), [
    (("--image", "red.png"), "red.png is not an image."),
    (("--image", "cut.png", *PROMPT), "cut.png cannot be read."),
    (("--image", "none.png", *PROMPT), "There is no none.png."),
    ((), "Texture needs a prompt or image.\nNone was given.\nGive one of them. (--prompt, --image)"),
    (("--prompt", "  "), "Texture needs a prompt or image."),
    ((*PROMPT, "--checkpoint", "none.safetensors"), "none.safetensors"),
    ((*PROMPT, "--mvd-end", "9"), "Sync Until cannot be 9.0."),
], ids=["no image", "cut off", "missing", "nothing", "blank", "no checkpoint", "out of range"])
def test_what_is_asked_is_looked_at_before_any_mesh(
    texture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: tuple[str, ...], words: str
) -> None:
    """And told by the artist's own file, not by the job's copy of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(painted_files, "read_file", lambda *_: pytest.fail("a mesh is read"))
    Path("red.png").write_text("not an image", encoding="utf-8")
    Image.new("RGB", (40, 60), (200, 30, 30)).save("cut.png")
    Path("cut.png").write_bytes(Path("cut.png").read_bytes()[:60])
    refused(texture(box_obj(Path("crate.obj")), "--out", "out", *asked), words)
    assert not Path("out").exists()


@pytest.mark.parametrize(("shapes", "words"), [
    ({"model.diffusion_model.double_blocks.0.img_attn.qkv.weight": (8, 8)}, "Flux family"),
    ({"something": (1,)}, "not a checkpoint that Meshwright knows"),
], ids=["Flux", "unknown"])
def test_a_checkpoint_of_another_family(texture, tmp_path: Path, shapes: dict, words: str) -> None:
    path = tmp_path / "mine.safetensors"
    save_file({name: torch.zeros(shape) for name, shape in shapes.items()}, path)
    refused(texture(box_obj(tmp_path / "crate.obj"), *PROMPT, "--out", tmp_path / "out", "--checkpoint", path), words)


def test_too_many_faces(texture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene, "MOST_FACES", 11)
    ended = texture(box_obj(tmp_path / "crate.obj"), *PROMPT, "--out", tmp_path / "out")
    refused(ended, "The mesh has 12 faces. At most 11 are taken. Decimate")


def test_too_many_faces_for_new_uvs(texture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uv_layout, "MOST_FACES", 11)
    source = box_obj(tmp_path / "crate.obj")
    assert texture(source, *PROMPT, "--out", tmp_path / "out").code == 0, "its own UVs serve"
    refused(texture(source, *PROMPT, "--out", tmp_path / "new", "--uv", "new"),
            "No UVs can be made for a mesh of 12 faces. At most 11 are laid out here. Unwrap it first")


def test_a_long_layout_is_told_of_before_it_begins(
    texture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(painted_files, "FEW_FACES", 11)
    monkeypatch.setattr(painted_files, "new_layout", stopped := Mock(side_effect=BadInput("Stopped.", "", "")))
    source = box_obj(tmp_path / "crate.obj")
    ended = texture(source, *PROMPT, "--out", tmp_path / "out", "--uv", "new")
    assert stopped.called
    assert ended.err.startswith("crate: Laying out UVs of Crate (12 faces): this can take ")
    assert ended.err.index("Laying out") < ended.err.index("Stopped.")


def test_nothing_is_told_of_a_short_layout(tmp_path: Path) -> None:
    painted_files.read_painted(box_obj(tmp_path / "crate.obj"), "new", False, pytest.fail)


@pytest.mark.parametrize("given", [("--camera-azims", "-90,0,90"), ("--camera-azims=-90,0,90",),
                                   ("--camera-azims", "-90 0 90")])
def test_azimuths_may_begin_with_a_minus(given: tuple[str, ...]) -> None:
    words = ["texture", "crate.obj", "--out", "out", *given, "--prompt", "-5 degrees: ice", "--steps", "5"]
    options = build_parser().parse_args(with_dashes(words))
    assert options.camera_azims.replace(",", " ") == "-90 0 90"
    assert (options.prompt, options.steps) == ("-5 degrees: ice", 5)


@pytest.mark.parametrize("failures", [1, 2])
def test_out_of_memory(texture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int) -> None:
    """The first time it is tried again in smaller pieces; the second time it is told, and an earlier result stays."""
    source, out = box_obj(tmp_path / "crate.obj"), tmp_path / "out"
    assert texture(source, *PROMPT, "--out", out).code == 0
    earlier = pixels(out)
    tried, decode = [], FlexiSyncMVDPipeline.decode

    def scarce(pipeline, latents, rows, *others):
        tried.append(rows)
        if len(tried) <= failures:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return decode(pipeline, latents, rows, *others)

    monkeypatch.setattr(FlexiSyncMVDPipeline, "decode", scarce)
    ended = texture(source, *PROMPT, "--out", out)
    assert tried == [2, 1]
    if failures == 1:
        assert ended.code == 0, ended.err
        assert np.abs(pixels(out) - earlier).max() <= 2
    else:
        refused(ended, "The computer's memory is not enough. A second try in smaller chunks failed as well.")
        assert np.array_equal(pixels(out), earlier) and (out / "crate" / "crate.glb").is_file()


def pixels(out: Path) -> np.ndarray:
    """The texture of the crate."""
    return np.asarray(Image.open(out / "crate" / "texture.001.png")).astype(int)
