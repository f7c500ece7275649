# SPDX-License-Identifier: GPL-3.0-or-later
"""Hunyuan3D shape's jobs with tiny random weights: files in, artifacts out, everything in Blender's frame."""

import shutil

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from backend.contract import BadInput, JobFolder, MeshData, Request, Resources
from backend.geometry.components import is_watertight
from backend.pipelines.hunyuan3d_shape import job
from backend.pipelines.hunyuan3d_shape.spec import GENERATE_SHAPE, SPEC
from backend.pipelines.hunyuan3d_shape.variants import VARIANTS

from .tiny_networks import with_surface

FAST = {"steps": 5, "grid_resolution": "96"}


class Watched:
    """A progress that keeps what it is given."""

    def __init__(self):
        self.stages, self.previews, self.warnings, self.loaded = {}, [], [], []

    def stage(self, name, step, of):
        self.stages[name] = step / of

    def preview(self, file):
        self.previews.append(file)

    def warn(self, text):
        self.warnings.append(text)

    def loading(self, what):
        self.loaded.append(what)

    def check(self):
        """Go on."""


@pytest.fixture
def folder(tmp_path):
    return JobFolder.create(tmp_path / "job")


@pytest.fixture
def weights_folder(tiny_views_pipeline, tmp_path):
    with_surface(tiny_views_pipeline).save_pretrained(tmp_path / "weights")
    return tmp_path / "weights"


@pytest.fixture
def model(weights_folder):
    return job.load(SPEC.weight_set("starter"), weights_folder, Resources(), Watched())


def shape_request(folder, image, views=("image",), **options):
    files = {}
    for view in views:
        Image.fromarray(image).save(folder.inputs / f"{view}.png")
        files[view] = (f"{view}.png",)
    request = Request("job", "generate_shape", "hunyuan3d_shape", "starter", "thing", 3, FAST | options, files)
    return request.validated(SPEC)


def test_an_image_becomes_an_object(model, folder, cut_out):
    progress = Watched()
    result = job.run(model, shape_request(folder, cut_out), folder, Resources(), progress)
    mesh, prepared = result.artifacts
    assert (mesh.name, mesh.kind, mesh.role) == ("thing", "mesh", "mesh")
    made = MeshData.read(folder.outputs / mesh.file)
    assert mesh.properties == {"faces": len(made.faces), "watertight": True}
    assert is_watertight(made)
    assert made.volume > 0
    assert progress.stages == {stage.name: 1.0 for stage in GENERATE_SHAPE.stages}
    assert Image.open(folder.outputs / prepared.file).size == (64, 64)
    assert progress.previews[0] == job.IMAGE_FILE
    assert job.PREVIEW_FILE in progress.previews
    assert MeshData.read(folder.outputs / job.PREVIEW_FILE).vertices.shape[1] == 3


def test_the_object_stands_upright_in_blender(model, folder, cut_out, monkeypatch):
    """A solid that is tall in the models' y and reaches far to their front, +z."""
    def grid(_pipeline, _tokens, resolution, *_options):
        x, y, z = torch.meshgrid(*[torch.linspace(-1, 1, resolution + 1)] * 3, indexing="ij")
        return torch.minimum(torch.minimum(0.2 - x.abs(), 0.8 - y.abs()), 0.3 - (z - 0.2).abs())

    monkeypatch.setattr(job.HunyuanShapePipeline, "evaluate_field", grid)
    result = job.run(model, shape_request(folder, cut_out, live_preview=False), folder, Resources(), Watched())
    low, high = MeshData.read(folder.outputs / result.artifacts[0].file).bounds / 1.01
    assert np.allclose([low, high], [[-0.2, -0.5, -0.8], [0.2, 0.1, 0.8]], atol=0.03)


def test_views_are_shown_next_to_each_other(model, folder, cut_out):
    progress = Watched()
    request = shape_request(folder, cut_out, ("image", "left", "back"), live_preview=False)
    result = job.run(model, request, folder, Resources(), progress)
    assert Image.open(folder.outputs / result.artifacts[1].file).size == (3 * 64, 64)
    assert job.PREVIEW_FILE not in progress.previews


def test_max_faces(model, folder, cut_out):
    request = shape_request(folder, cut_out, face_target=500, live_preview=False)
    result = job.run(model, request, folder, Resources(), Watched())
    assert result.artifacts[0].properties["faces"] <= 520


def test_a_photo_without_a_clear_object_is_refused(model, folder):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 4), np.uint8)
    noise[..., 3] = 255
    with pytest.raises(BadInput, match="background"):
        job.run(model, shape_request(folder, noise), folder, Resources(), Watched())


def test_a_mesh_is_rebuilt_in_its_place(model, folder):
    ball = trimesh.creation.icosphere(3, radius=4)
    ball.apply_translation([10, -20, 5])
    MeshData(ball.vertices, ball.faces).write(folder.inputs / "mesh.npz")
    request = Request("job", "reconstruct", "hunyuan3d_shape", "starter", "ball", 3, {"grid_resolution": "96"},
                      {"mesh": ("mesh.npz",)}).validated(SPEC)
    progress = Watched()
    result = job.run(model, request, folder, Resources(), progress)
    rebuilt = MeshData.read(folder.outputs / result.artifacts[0].file)
    # Random weights make anything, within the cube around the ball.
    assert (np.abs(rebuilt.vertices - [10, -20, 5]) <= 4 * 1.02).all()
    assert progress.stages == {stage.name: 1.0 for stage in SPEC.task("reconstruct").stages}
    assert not progress.warnings


def test_an_open_mesh_is_remarked(model, folder):
    plane = trimesh.creation.icosphere(2)
    plane.update_faces(np.arange(len(plane.faces)) > 3)
    MeshData(plane.vertices, plane.faces).write(folder.inputs / "mesh.npz")
    request = Request("job", "reconstruct", "hunyuan3d_shape", "starter", "ball", 3, {"grid_resolution": "96"},
                      {"mesh": ("mesh.npz",)}).validated(SPEC)
    progress = Watched()
    job.run(model, request, folder, Resources(), progress)
    assert len(progress.warnings) == 1


def test_every_published_form_is_offered_with_its_terms():
    published = [weights for weights in SPEC.weights if not weights.bundled]
    assert [weights.name for weights in published] == list(VARIANTS)
    for weights in published:
        text = weights.license.text
        for clause in ("European Union", "United Kingdom", "South Korea", "1 million monthly active users",
                       "improve any other AI model", "military"):
            assert clause in text
        assert "EU" in weights.license.territory
        assert weights.serves("reconstruct") is (weights.name == "hunyuan3d-2.1")
        assert weights.can_take("left") is ("2mv" in weights.name)
        assert {file.local for file in weights.files} >= {"config.yaml", VARIANTS[weights.name].file}


@pytest.mark.parametrize(
    ("given", "weights", "words"),
    [
        ({"left"}, "hunyuan3d-2mv", "Image is missing"),
        ({"image", "left"}, "hunyuan3d-2.1", "takes no left view"),
    ],
)
def test_what_is_missing_or_of_no_use(given, weights, words):
    assert words in GENERATE_SHAPE.missing(given, SPEC.weight_set(weights)).report.what


@pytest.mark.parametrize("preset", ["draft", "balanced", "best"])
@pytest.mark.parametrize("weights", SPEC.weights, ids=lambda weights: weights.name)
def test_presets_are_valid_for_all_weights(weights, preset):
    values = GENERATE_SHAPE.validated(GENERATE_SHAPE.defaults(weights, preset))
    if weights.name.endswith("-turbo"):
        assert values["steps"] <= 10


def test_starter_weights_load_from_another_place(weights_folder, tmp_path):
    moved = shutil.copytree(weights_folder, tmp_path / "elsewhere")
    progress = Watched()
    loaded = job.load(SPEC.weight_set("starter"), moved, Resources(), progress)
    assert progress.loaded == ["starter weights"]
    assert loaded.resident
