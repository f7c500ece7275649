# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole texture jobs with an artist's own checkpoint and LoRA, asked for by the task's options."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from backend.contract import BadInput, JobFolder, Request, Resources
from backend.painting.scene import strip_size
from backend.pipelines.common.checkpoint_shapes import CheckpointError
from backend.pipelines.flexisyncmvd import job
from backend.pipelines.flexisyncmvd.settings import Sizes

from ..painting.boxes import painted_box
from .checkpoint_forms import write_diffusers_folder, write_set, write_single_file
from .test_checkpoint_lora import kohya, linear_layers
from .test_job import FAST, Watcher
from .worker_child import TINY, TINY_SPEC


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return write_set(tmp_path_factory.mktemp("weights"), "sd15")


@pytest.fixture
def texture(weights, tmp_path, monkeypatch):
    """Runs a texture job with these options; its pixels."""
    settings_of = job.settings_of
    monkeypatch.setattr(job, "settings_of", lambda request, squares, resources: replace(
        settings_of(request, squares, resources), sizes=Sizes(8, strip_size(64, squares), 64, 512)))
    model = job.load(TINY, weights, Resources(), Watcher())

    def run(**options: object) -> np.ndarray:
        folder = JobFolder.create(tmp_path / f"job{len(list(tmp_path.glob('job*')))}")
        painted_box().write(folder.inputs / "mesh.npz")
        request = Request("job", "texture", "flexisyncmvd", "tiny", "thing", 0,
                          FAST | {"prompt": "a red chair"} | options, {"mesh": ("mesh.npz",)})
        result = job.run(model, request.validated(TINY_SPEC), folder, Resources(), Watcher())
        return np.asarray(Image.open(folder.outputs / result.artifacts[0].file)).astype(int)

    return run


def test_options_choose_the_checkpoint_and_the_lora(texture, weights, tmp_path):
    other = write_diffusers_folder(tmp_path / "mine", "sd15", seed=100)
    single = write_single_file(tmp_path / "mine.safetensors", other, "sd15")
    lora = tmp_path / "style.safetensors"
    save_file(kohya(linear_layers("sd15"), "sd15"), lora)
    plain = texture()
    assert np.abs(texture(checkpoint=str(single), prediction="v_prediction") - plain).mean() > 1
    assert np.abs(texture(lora_2=str(lora), lora_2_weight=1.5) - plain).max() > 1


def test_a_refused_file_leaves_the_model_usable(texture, tmp_path):
    lora = tmp_path / "style.safetensors"
    save_file(kohya(linear_layers("sd15"), "sd15"), lora)
    with pytest.raises(CheckpointError, match="It is a LoRA, an addition to a checkpoint"):
        texture(checkpoint=str(lora))
    with pytest.raises(BadInput, match=r"Checkpoint cannot be found\. There is nothing at"):
        texture(checkpoint=str(tmp_path / "gone.safetensors"))
    with pytest.raises(CheckpointError, match="pickled"):
        (tmp_path / "old.ckpt").write_bytes(b"\x80")
        texture(checkpoint=str(tmp_path / "old.ckpt"))
    assert texture().std() > 1
