# SPDX-License-Identifier: GPL-3.0-or-later
"""Texture jobs with tiny random weights: every object gets its texture, and bad input its clear words."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from backend.contract import BadInput, JobFolder, MeshData, MeshwrightError, Request, Resources
from backend.painting import scene
from backend.painting.contact_sheet import SHEET
from backend.pipelines.flexisyncmvd import job
from backend.pipelines.flexisyncmvd.pipeline import FlexiSyncMVDPipeline
from backend.pipelines.flexisyncmvd.settings import Sizes
from tests.flexisyncmvd.checkpoint_forms import write_set
from tests.flexisyncmvd.worker_child import TINY, TINY_SPEC
from tests.painting.boxes import painted_box

FAST = {"steps": 5, "latent_view_size": "32", "texture_size": "512", "views": 4, "top_cameras": False,
        "guidance_scale": 2.0, "log_interval": 2, "negative_prompt": "blurry"}


class Watcher:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.remarks: list[str] = []
        self.previews = 0

    def stage(self, name: str, step: int, of: int) -> None:
        self.stages.append(name)

    def loading(self, what: str) -> None:
        """Nothing is to be remembered."""

    def check(self) -> None:
        """Go on."""

    def preview(self, file: str) -> None:
        self.previews += 1

    def warn(self, text: str) -> None:
        self.remarks.append(text)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """SD 1.5 with depth and normals, and an image adapter."""
    folder = write_set(tmp_path_factory.mktemp("weights"), "sd15", ("depth", "normal"), adapter=True)
    return job.load(TINY, folder, Resources(), Watcher())


@pytest.fixture
def texture(tmp_path, model, small_views):
    """Runs a texture job; the result and the folder."""
    count = iter(range(100))

    def run(*meshes: MeshData, prompt="a red chair", image=None, watcher=None, seed=0, **options):
        folder = JobFolder.create(tmp_path / f"job{next(count)}")
        names = tuple(f"mesh.{number:03d}.npz" for number in range(1, len(meshes) + 1))
        for mesh, name in zip(meshes, names, strict=True):
            mesh.write(folder.inputs / name)
        inputs = {"mesh": names}
        if image is not None:
            image.save(folder.inputs / "image.png")
            inputs["image"] = ("image.png",)
        request = Request("job", "texture", "flexisyncmvd", "tiny", "thing", seed, FAST | {"prompt": prompt} | options,
                          inputs)
        result = job.run(model, request.validated(TINY_SPEC), folder, Resources(), watcher or Watcher())
        return result, folder

    return run


def pixels(folder: JobFolder, file: str) -> np.ndarray:
    return np.asarray(Image.open(folder.outputs / file)).astype(int)


def test_every_object_gets_a_texture_of_the_chosen_size(texture):
    watcher = Watcher()
    result, folder = texture(painted_box(), painted_box((3, 0, 0)), watcher=watcher)
    assert [artifact.target for artifact in result.artifacts] == ["mesh.001.npz", "mesh.002.npz"]
    images = [pixels(folder, artifact.file) for artifact in result.artifacts]
    assert [image.shape for image in images] == [(512, 512, 3)] * 2
    assert all(image.std() > 1 for image in images)
    assert np.abs(images[0] - images[1]).max() > 0
    assert watcher.previews == 3  # steps 2 and 4, and the finished views
    assert list(dict.fromkeys(watcher.stages)) == ["prepare", "sample", "decode", "bake"]
    assert Image.open(folder.outputs / SHEET).size == (2 * 64, 2 * 64)
    assert not watcher.remarks


def test_memory_saving_pieces_change_nothing_that_can_be_seen(texture, monkeypatch):
    _, folder = texture(painted_box())
    whole = pixels(folder, "texture.001.png")
    settings_of = job.settings_of
    monkeypatch.setattr(job, "settings_of", lambda request, squares, _: settings_of(
        request, squares, Resources(chunk_scale=0.25)))
    _, folder = texture(painted_box())
    assert np.abs(whole - pixels(folder, "texture.001.png")).max() <= 2


def test_only_painted_faces_are_opaque(texture):
    box = painted_box()
    some = replace(box, selection=np.arange(12) < 6)
    result, folder = texture(some)
    alpha = pixels(folder, result.artifacts[0].file)[..., 3]
    for face, corners in enumerate(box.uvs):
        u, v = corners.mean(axis=0)
        assert alpha[round((1 - v) * 511), round(u * 511)] == (255 if face < 6 else 0)


def test_a_image_leads_with_or_without_words(texture):
    _, plain = texture(painted_box())
    image = Image.new("RGB", (40, 60), (200, 30, 30))
    _, led = texture(painted_box(), image=image)
    assert not np.array_equal(pixels(plain, "texture.001.png"), pixels(led, "texture.001.png"))
    texture(painted_box(), prompt="", image=image)


def test_a_guide_is_drawn_first(texture):
    watcher = Watcher()
    _, folder = texture(painted_box(), guide=True, watcher=watcher)
    assert Image.open(folder.outputs / job.GUIDE).size == (64, 64)
    assert watcher.stages.index("guide") < watcher.stages.index("sample")


@pytest.mark.parametrize("options", [
    {"cond_type": "depth+normal"}, {"lens": "perspective"}, {"sync_mode": "views"}, {"guess_mode": True},
    {"guidance_rescale": 0.7}, {"guidance_scale": 1.0}, {"camera_azims": "-100, 0, 110 200"},
    {"camera_elevation": 20.0}, {"bottom_cameras": True},
], ids=str)
def test_every_way_ends_in_another_texture(texture, options):
    _, usual = texture(painted_box())
    _, other = texture(painted_box(), **options)
    assert not np.array_equal(pixels(usual, "texture.001.png"), pixels(other, "texture.001.png"))


BOX = painted_box()


@pytest.mark.parametrize(("mesh", "words"), [
    (replace(BOX, selection=np.zeros(12, bool)), "nothing to paint"),
    (replace(BOX, uvs=np.full_like(BOX.uvs, 0.5)), "no usable UVs"),
    (replace(BOX, uvs=np.full_like(BOX.uvs, np.nan)), "no usable UVs"),
    (replace(BOX, faces=BOX.faces[:0], uvs=BOX.uvs[:0], selection=BOX.selected[:0]), "nothing to paint"),
    (replace(BOX, uvs=BOX.uvs + np.array([0.5, 0])), "across the border"),
    (replace(BOX, vertices=np.full_like(BOX.vertices, np.nan)), "damaged"),
    (replace(BOX, vertices=np.zeros_like(BOX.vertices)), "no size"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_bad_meshes_are_refused(texture, mesh, words):
    with pytest.raises(BadInput, match=words):
        texture(mesh)


def test_overlap_and_long_prompts_are_told(texture):
    watcher = Watcher()
    mesh = replace(BOX, uvs=np.concatenate([BOX.uvs[:6], BOX.uvs[:6]]))
    texture(mesh, prompt="chair " * 20, negative_prompt="blurry " * 20, watcher=watcher)
    assert [remark for remark in watcher.remarks if "UVs overlap on" in remark]
    for name in ("The prompt is", "The negative prompt is"):
        assert [remark for remark in watcher.remarks if remark.startswith(f"{name} too long")]


def test_faces_of_all_meshes_count(texture, monkeypatch):
    monkeypatch.setattr(scene, "MOST_FACES", 23)
    texture(BOX)
    with pytest.raises(BadInput, match="The 2 meshes together have 24 faces"):
        texture(BOX, painted_box((3, 0, 0)))


@pytest.mark.parametrize("azimuths", ["front", "0, 90", "0 90 nan", " ".join(map(str, range(17)))])
def test_azimuths_that_make_no_ring_are_told(texture, azimuths):
    with pytest.raises(BadInput, match="3 to 16 angles"):
        texture(BOX, camera_azims=azimuths)


def test_something_must_be_asked_for(texture):
    with pytest.raises(BadInput, match="needs a prompt or image"):
        texture(BOX, prompt="")


def test_whole_tiles_are_moved_into_the_square(texture):
    _, inside = texture(BOX)
    _, outside = texture(replace(BOX, uvs=BOX.uvs + np.array([3, -2], np.float32)))
    difference = np.abs(pixels(inside, "texture.001.png") - pixels(outside, "texture.001.png"))
    assert np.median(difference) == 0


def test_controls_without_networks_are_refused(texture):
    with pytest.raises(MeshwrightError, match="canny"):
        texture(BOX, cond_type="canny")


def test_options_become_settings():
    request = Request("job", "texture", "flexisyncmvd", "tiny", "thing", 0,
                      {"texture_size": "4096", "prompt": "oak"}, {"mesh": ("m",)})
    settings = job.settings_of(request.validated(TINY_SPEC), 2, Resources())
    assert settings.sizes == Sizes(96, (768, 1536), 768, (4096, 8192))
    assert settings.guidance.together and settings.views_per_chunk is None
    spare = job.settings_of(request.validated(TINY_SPEC), 2, Resources(memory_mode="low"))
    assert not spare.guidance.together and spare.views_per_chunk == 2


def test_images_land_on_the_sides_that_they_show(texture, monkeypatch):
    """Front at Blender's -Y, and not mirrored: the front image's right half belongs to +X."""
    colors = torch.tensor([[0, 0, 1.0], [0, 1, 0], [1, 0, 0], [1, 1, 0]])  # back, -X, front, +X
    images = colors[:, :, None, None].repeat(1, 1, 64, 64)
    images[2, 2, :, 32:] = 1  # front: red on the left, magenta on the right
    monkeypatch.setattr(FlexiSyncMVDPipeline, "decode", lambda *_: images)
    result, folder = texture(BOX)
    image = pixels(folder, result.artifacts[0].file)
    sides = {"-X": 0, "+X": 2, "front": 4, "back": 6}  # the first of the two triangles of each
    expected = {"-X": [0, 255, 0], "+X": [255, 255, 0], "back": [0, 0, 255]}
    for side, face in sides.items():
        u, v = BOX.uvs[face : face + 2].reshape(-1, 2).mean(axis=0)
        if side in expected:
            assert image[int((1 - v) * 512), int(u * 512)].tolist() == expected[side], side
    corners, places = BOX.uvs[4:6].reshape(-1, 2), BOX.vertices[BOX.faces[4:6]].reshape(-1, 3)
    middle = corners.mean(axis=0)
    for corner, place in zip(corners, places, strict=True):
        u, v = middle + 0.8 * (corner - middle)
        assert image[int((1 - v) * 512), int(u * 512)].tolist() == [255, 0, 255 if place[0] > 0 else 0]
