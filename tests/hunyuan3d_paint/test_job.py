# SPDX-License-Identifier: GPL-3.0-or-later
"""Paint jobs with tiny random weights: every object gets its maps, and bad input its clear words."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from backend.contract import BadInput, JobFolder, MeshData, Request, Resources
from backend.pipelines.hunyuan3d_paint import job
from backend.pipelines.hunyuan3d_paint.spec import SPEC
from tests.painting.boxes import painted_box

FAST = {"steps": 5, "view_size": "64", "texture_size": "512", "guidance_scale": 2.0}


class Watcher:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int, int]] = []
        self.remarks: list[str] = []
        self.previews = 0

    def stage(self, name: str, step: int, of: int) -> None:
        self.stages.append((name, step, of))

    def loading(self, what: str) -> None:
        """Nothing is to be remembered."""

    def check(self) -> None:
        """Nothing is to be remembered."""

    def preview(self, file: str) -> None:
        self.previews += 1

    def warn(self, text: str) -> None:
        self.remarks.append(text)


def chair_image() -> Image.Image:
    pixels = np.zeros((60, 40, 4), np.uint8)
    pixels[10:50, 8:32] = (200, 60, 30, 255)
    return Image.fromarray(pixels)


@pytest.fixture
def paint(tmp_path, pipeline):
    """Runs a paint job; the result and the folder."""
    count = iter(range(100))

    def run(*meshes: MeshData, image=None, watcher=None, seed=0, resources=None, **options):
        folder = JobFolder.create(tmp_path / f"job{next(count)}")
        names = tuple(f"mesh.{number:03d}.npz" for number in range(1, len(meshes) + 1))
        for mesh, name in zip(meshes, names, strict=True):
            mesh.write(folder.inputs / name)
        (image or chair_image()).save(folder.inputs / "image.png")
        inputs = {"mesh": names, "image": ("image.png",)}
        request = Request("job", "paint", "hunyuan3d_paint", "published", "thing", seed, FAST | options, inputs)
        result = job.run(pipeline, request.validated(SPEC), folder, resources or Resources(), watcher or Watcher())
        return result, folder

    return run


def pixels(folder: JobFolder, file: str) -> np.ndarray:
    return np.asarray(Image.open(folder.outputs / file)).astype(int)


def test_every_object_gets_three_maps(paint):
    watcher = Watcher()
    result, folder = paint(painted_box(), painted_box((3, 0, 0)), watcher=watcher)
    assert [(artifact.role, artifact.target) for artifact in result.artifacts] == [
        (role, name) for name in ("mesh.001.npz", "mesh.002.npz") for role in ("base_color", "metallic", "roughness")
    ]
    for artifact in result.artifacts:
        image = pixels(folder, artifact.file)
        assert image.shape == (512, 512, 3)
        assert image.std() > 0
        if artifact.role != "base_color":
            assert np.array_equal(image[..., 0], image[..., 2])
    assert watcher.previews == 2
    stages = list(dict.fromkeys(name for name, *_ in watcher.stages))
    assert stages == ["prepare", "sample", "decode", "enlarge", "bake"]
    assert not watcher.remarks


def test_the_image_and_every_option_matter(paint):
    _, usual = paint(painted_box())
    other_image = Image.new("RGBA", (50, 50))
    other_image.paste((10, 200, 90, 255), (5, 5, 45, 45))
    for options in ({"image": other_image}, {"guidance_scale": 1.0}, {"steps": 7}, {"view_size": "128"}):
        _, changed = paint(painted_box(), **options)
        assert not np.array_equal(pixels(usual, "base_color.001.png"), pixels(changed, "base_color.001.png")), options


def test_little_memory_changes_nothing_that_can_be_seen(paint):
    _, whole = paint(painted_box())
    _, pieces = paint(painted_box(), resources=Resources(chunk_scale=0.25))
    for role in ("base_color", "roughness"):
        assert np.abs(pixels(whole, f"{role}.001.png") - pixels(pieces, f"{role}.001.png")).max() <= 2


def test_only_selected_faces_are_opaque(paint):
    box = painted_box()
    result, folder = paint(replace(box, selection=np.arange(12) < 6))
    alpha = pixels(folder, result.artifacts[0].file)[..., 3]
    for face, corners in enumerate(box.uvs):
        u, v = corners.mean(axis=0)
        assert alpha[round((1 - v) * 511), round(u * 511)] == (255 if face < 6 else 0)
    assert len(result.artifacts) == 3


BOX = painted_box()


@pytest.mark.parametrize(("mesh", "words"), [
    (replace(BOX, selection=np.zeros(12, bool)), "nothing to paint"),
    (replace(BOX, uvs=np.full_like(BOX.uvs, 0.5)), "no usable UVs"),
    (replace(BOX, faces=BOX.faces[:0], uvs=BOX.uvs[:0]), "nothing to paint"),
    (replace(BOX, vertices=np.zeros_like(BOX.vertices)), "no size"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_bad_meshes_are_refused(paint, mesh, words):
    with pytest.raises(BadInput, match=words):
        paint(mesh)


def test_an_opaque_image_is_cut_out_and_the_mask_returned(paint):
    opaque = Image.new("RGB", (60, 60), (255, 255, 255))
    opaque.paste((200, 60, 30), (20, 20, 40, 40))
    result, folder = paint(painted_box(), image=opaque)
    assert result.artifacts[-1].role == "mask"
    assert pixels(folder, result.artifacts[-1].file)[30, 30].max() > 200
    _, uncut = paint(painted_box(), image=opaque, remove_background=False)
    assert not np.array_equal(pixels(folder, "base_color.001.png"), pixels(uncut, "base_color.001.png"))


def test_an_empty_image_is_refused(paint):
    with pytest.raises(BadInput):
        paint(painted_box(), image=Image.new("RGBA", (60, 60), (0, 0, 0, 0)))
