# SPDX-License-Identifier: GPL-3.0-or-later
"""The task as a job: files in, artifacts out, and what the artist is told of unfitting input."""

import numpy as np
import pytest
from PIL import Image

from backend.contract import VARIANT_GROUP, BadInput, JobFolder, MeshData, Request, Resources, WeightSet
from backend.pipelines.common.starter_license import STARTER_LICENSE
from backend.pipelines.sar3d import job
from backend.pipelines.sar3d.model import StarterModel
from backend.pipelines.sar3d.spec import GENERATE_INSTANT, SPEC
from backend.pipelines.sar3d.surfaces import FlexiCubesGrid

from .tiny_networks import tiny_pipeline

TINY = WeightSet("tiny", "Tiny", "For tests", (), STARTER_LICENSE, 0.001, {"full": 0.1}, bundled=True)


class Remarks:
    """A progress that keeps what it is told."""

    def __init__(self):
        self.warnings, self.stages, self.previews = [], [], []

    def stage(self, name, step, of):
        self.stages.append((name, step, of))

    def loading(self, what):
        assert what

    def preview(self, file):
        self.previews.append(file)

    def warn(self, text):
        self.warnings.append(text)

    def check(self):
        """Never stops."""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    tiny_pipeline(folder / "files", "density").save_pretrained(folder / "saved")
    return folder / "saved"


@pytest.fixture
def run(saved, tmp_path, monkeypatch):
    """Runs a request given as options; the folder, the result and what was told."""
    monkeypatch.setattr(job, "SurfaceSettings", lambda **given: coarse_surface(**given))
    model = job.load(TINY, saved, Resources(), Remarks())

    def run(image=None, seed=0, **options):
        folder = JobFolder.create(tmp_path / f"job{len(list(tmp_path.iterdir()))}")
        if image is not None:
            Image.fromarray(image).save(folder.inputs / "image.png")
        inputs = {"image": ("image.png",)} if image is not None else {}
        parameters = GENERATE_INSTANT.validated({"resolution": 64} | options)
        request = Request("job", "generate_instant", "sar3d", "tiny", "chair", seed, parameters, inputs)
        progress = Remarks()
        return folder, job.run(model, request, folder, Resources(), progress), progress

    return run


def coarse_surface(**given):
    """Settings with coarse grids, whatever was asked for."""
    from backend.pipelines.sar3d.pipeline import SurfaceSettings

    return SurfaceSettings(**given | {"points": 20, "grid": FlexiCubesGrid(16)})


def disc(alpha=True):
    y, x = np.mgrid[:90, :120]
    inside = (y - 40) ** 2 + (x - 70) ** 2 < 30**2
    rgb = np.stack([np.full_like(x, 200), y * 2, x * 2], axis=-1)
    if alpha:
        return np.concatenate([rgb, 255 * inside[..., None]], axis=-1).astype(np.uint8)
    return np.where(inside[..., None], rgb // 2, 255).astype(np.uint8)


@pytest.mark.parametrize("surface", ["flexicubes", "density"])
def test_a_prompt_becomes_a_colored_object(run, surface):
    folder, result, progress = run(prompt="a red chair", surface=surface)
    (artifact,) = result.artifacts
    mesh = MeshData.read(folder.outputs / artifact.file)
    assert artifact.role == "mesh" and artifact.name == "chair" and artifact.group == ""
    assert artifact.properties["faces"] == len(mesh.faces) > 0
    assert mesh.colors is not None and len(mesh.colors) == len(mesh.vertices)
    assert progress.stages[-1][0] == "surface"
    assert {stage for stage, _, _ in progress.stages} <= {stage.name for stage in GENERATE_INSTANT.stages}
    assert not progress.warnings


@pytest.mark.parametrize("alpha", [True, False])
def test_an_image_becomes_a_colored_object_and_is_shown(run, alpha):
    folder, result, progress = run(disc(alpha))
    roles = [artifact.role for artifact in result.artifacts]
    assert roles == (["mesh", "preview"] if alpha else ["mesh", "preview", "mask"])
    assert "image.png" in progress.previews
    square = np.asarray(Image.open(folder.outputs / "image.png")).astype(int)
    assert square.shape == (256, 256, 3)
    seen = np.flatnonzero((square.sum(axis=-1) < 700).any(axis=0))
    assert 0.75 < (seen[-1] - seen[0]) / 256 < 0.85  # the object fills four fifths
    assert abs((seen[-1] + seen[0]) / 2 - 127.5) < 3


def test_variants_are_told_apart(run):
    folder, result, _ = run(prompt="a red chair", variants=3, seed=5, top_k=100, top_p=0.0)
    assert [artifact.group for artifact in result.artifacts] == [VARIANT_GROUP] * 3
    meshes = [MeshData.read(folder.outputs / artifact.file) for artifact in result.artifacts]
    _, alone, _ = run(prompt="a red chair", seed=6, top_k=100, top_p=0.0)
    assert alone.artifacts[0].properties["faces"] == len(meshes[1].faces)
    assert not np.array_equal(meshes[0].vertices, meshes[1].vertices)


def test_what_a_prompt_loses_is_said(run):
    _, _, progress = run(prompt="a wooden table " * 30)
    assert len(progress.warnings) == 1 and "Only the first 16" in progress.warnings[0]
    _, _, progress = run(prompt="красный стул")
    assert any("English" in said for said in progress.warnings)
    _, _, progress = run(prompt="un café, tiny – red")
    assert not any("English" in said for said in progress.warnings)


def test_prompt_and_image_together_are_refused(run):
    with pytest.raises(BadInput, match="Both"):
        run(disc(), prompt="a red chair")


def test_neither_prompt_nor_image_is_refused_by_the_spec():
    weights = SPEC.weight_set("published")
    assert "prompt or image" in str(GENERATE_INSTANT.missing((), weights).report.what) or \
        "image" in str(GENERATE_INSTANT.missing((), weights).report.what)
    assert GENERATE_INSTANT.missing({"prompt"}, weights) is None
    assert GENERATE_INSTANT.missing({"image"}, weights) is None
    assert GENERATE_INSTANT.missing({"image"}, SPEC.weight_set("published-prompt")) is not None


def test_fully_transparent_image(run):
    with pytest.raises(BadInput, match="transparent"):
        run(np.zeros((40, 40, 4), np.uint8))


def test_both_surfaces_of_the_starter_are_one_object(saved):
    model = StarterModel(saved, Resources())
    density, flexicubes = (model.pipeline("text", surface, Remarks()) for surface in ("density", "flexicubes"))
    assert density.decoder.vit_decoder is flexicubes.decoder.vit_decoder
    fine = coarse_surface()
    fine = type(fine)(points=49, grid=FlexiCubesGrid(48))
    volumes = [pipeline("a red chair", surface=fine).meshes[0] for pipeline in (density, flexicubes)]
    sizes = [mesh.bounds[1] - mesh.bounds[0] for mesh in volumes]
    assert np.allclose(*sizes, atol=0.06)
