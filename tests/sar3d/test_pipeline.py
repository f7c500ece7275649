# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole way from a prompt or an image to colored meshes, on tiny networks."""

import numpy as np
import pytest
import torch

from backend.contract import BadInput
from backend.pipelines.common.finiteness import NotFiniteError
from backend.pipelines.sar3d.pipeline import EmptyResultError, Sar3dPipeline, SurfaceSettings
from backend.pipelines.sar3d.surfaces import FlexiCubesGrid

from .tiny_networks import tiny_pipeline

COARSE = SurfaceSettings(points=20, grid=FlexiCubesGrid(16))
INSIDE = np.square(np.mgrid[:256, :256] - 127.5).sum(axis=0) < 80**2
DISC = np.where(INSIDE, 90, 255).astype(np.uint8)[..., None].repeat(3, axis=-1)


@pytest.mark.parametrize("field_kind", ["flexicubes", "density"])
@pytest.mark.parametrize("given", [{"prompt": "a red chair"}, {"image": DISC}], ids=["prompt", "image"])
def test_from_a_condition_to_colored_meshes(tmp_path, field_kind, given):
    pipeline = tiny_pipeline(tmp_path, field_kind)
    told = []
    output = pipeline(**given, seeds=[0, 1], top_k=0, top_p=0, surface=COARSE,
                      progress=lambda *step: told.append(step))
    assert len(output.meshes) == 2
    for mesh in output.meshes:
        assert not mesh.is_empty
        assert mesh.colors.shape == (len(mesh.vertices), 4)
        assert (mesh.colors[:, 3] == 1).all()
        assert mesh.colors.min() >= 0 and mesh.colors.max() <= 1
        assert np.abs(mesh.vertices).max() < 0.46
    assert not np.array_equal(output.meshes[0].vertices, output.meshes[1].vertices)
    stages = list(dict.fromkeys(stage for stage, _, _ in told))
    assert stages == ["condition", "tokens", "decode", "surface"]
    assert all(told[-1][1] == told[-1][2] for _ in told)


def test_a_seed_gives_the_same_object(pipeline):
    runs = [pipeline("a red chair", seeds=[5], surface=COARSE).meshes[0] for _ in range(2)]
    assert np.array_equal(runs[0].vertices, runs[1].vertices)
    assert np.array_equal(runs[0].faces, runs[1].faces)


def test_saved_and_loaded_it_gives_the_same_object(tmp_path, pipeline):
    pipeline.save_pretrained(tmp_path / "saved")
    loaded = Sar3dPipeline.from_pretrained(tmp_path / "saved")
    for given in ({"prompt": "a wooden table"}, {"image": DISC}):
        tokens = [each(**given, seeds=[2], surface=COARSE).tokens for each in (pipeline, loaded)]
        assert torch.equal(*tokens)


@pytest.mark.parametrize("given", [{}, {"prompt": "a chair", "image": DISC}])
def test_one_condition_is_needed(pipeline, given):
    with pytest.raises(BadInput, match="prompt or an image"):
        pipeline(**given)


def test_weights_for_one_kind_refuse_the_other(pipeline):
    for_prompts = Sar3dPipeline(pipeline.decoder, pipeline.tokenizer, pipeline.text_encoder, pipeline.text_transformer)
    with pytest.raises(BadInput, match="take no image"):
        for_prompts(image=DISC)


def test_no_surface_is_an_error_that_says_what_to_try(tmp_path):
    pipeline = tiny_pipeline(tmp_path)
    with torch.no_grad():
        pipeline.decoder.field.net_sdf[-1].bias += 100
    with pytest.raises(EmptyResultError, match="No object"):
        pipeline("a red chair", surface=COARSE)


def test_damaged_weights_are_named(tmp_path):
    pipeline = tiny_pipeline(tmp_path)
    with torch.no_grad():
        pipeline.decoder.conv_sr.conv_out.bias[0] = torch.nan
    with pytest.raises(NotFiniteError, match="triplane"):
        pipeline("a red chair", surface=COARSE)


def test_a_cancel_ends_the_run_and_the_next_one_is_whole(pipeline):
    class CancelledHere(Exception):
        pass

    def cancel(stage, step, of):
        if stage == "tokens" and step == 2:
            raise CancelledHere

    before = pipeline("a red chair", seeds=[4], surface=COARSE).tokens
    with pytest.raises(CancelledHere):
        pipeline("a red chair", seeds=[4], surface=COARSE, progress=cancel)
    assert torch.equal(pipeline("a red chair", seeds=[4], surface=COARSE).tokens, before)
