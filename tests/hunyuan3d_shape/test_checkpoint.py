# SPDX-License-Identifier: GPL-3.0-or-later
"""The published checkpoints have their place in our modules, and wrong files are refused before anything runs."""

import itertools
import json
import pickle
import re
from dataclasses import replace
from math import prod
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from backend.pipelines.common.checkpoint import StoredTensors, open_tensors
from backend.pipelines.common.checkpoint_shapes import CheckpointError
from backend.pipelines.hunyuan3d_shape.checkpoint import (
    AUTOENCODER,
    DENOISER,
    IMAGE_ENCODER,
    load_published,
    open_autoencoder,
    open_denoiser,
    open_image_encoder,
)
from backend.pipelines.hunyuan3d_shape.variants import CONFIGURATION, LIGHT_FILE, VARIANTS

MANIFESTS = Path(__file__).parent / "manifests"
MANIFEST_OF = {
    "hunyuan3d-2.1": "dit-v2-1",
    "hunyuan3d-2": "dit-v2-0",
    "hunyuan3d-2-fast": "dit-v2-0-turbo",
    "hunyuan3d-2-turbo": "dit-v2-0-turbo",
    "hunyuan3d-2mini": "dit-v2-mini",
    "hunyuan3d-2mini-fast": "dit-v2-mini-turbo",
    "hunyuan3d-2mini-turbo": "dit-v2-mini-turbo",
    "hunyuan3d-2mv": "dit-v2-0",
    "hunyuan3d-2mv-fast": "dit-v2-0-turbo",
    "hunyuan3d-2mv-turbo": "dit-v2-0-turbo",
}
DENOISER_PARAMETERS = {
    "dit-v2-1": 3_050_758_720, "dit-v2-0": 1_113_274_432, "dit-v2-0-turbo": 1_113_274_432 + 1_312_768,
    "dit-v2-mini": 559_196_224, "dit-v2-mini-turbo": 559_196_224 + 1_312_768,
}


def published(manifest: str) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor; "0-20" in a name of the file stands for each of these numbers."""
    folded = json.loads((MANIFESTS / f"{manifest}.json").read_text())
    shapes = {}
    for pattern, shape in folded.items():
        pieces = re.split(r"(?<=\.)(\d+(?:-\d+)?)(?=\.)", pattern)
        spans = [list(map(int, piece.split("-"))) for piece in pieces[1::2]]
        for numbers in itertools.product(*(range(span[0], span[-1] + 1) for span in spans)):
            name = "".join(itertools.chain(*itertools.zip_longest(pieces[::2], map(str, numbers), fillvalue="")))
            shapes[name] = tuple(shape)
    return shapes


def stored(manifest: str) -> StoredTensors:
    return StoredTensors(manifest, published(manifest), lambda name: torch.empty(()))


def parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", VARIANTS)
def test_every_tensor_of_a_published_form_has_its_place(name):
    variant, manifest = VARIANTS[name], MANIFEST_OF[name]
    whole = stored(manifest)
    parts = [whole.under(prefix) for prefix in (DENOISER, AUTOENCODER, IMAGE_ENCODER)]
    assert sum(len(part.shapes) for part in parts) == len(whole.shapes)
    denoiser, _ = open_denoiser(parts[0], variant)
    autoencoder, _ = open_autoencoder(parts[1], variant)
    image_encoder, _ = open_image_encoder(parts[2])
    assert parameters(denoiser) == DENOISER_PARAMETERS[manifest]
    assert denoiser.guidance_embedded is variant.guidance_embedded
    assert autoencoder.can_encode is (name == "hunyuan3d-2.1")
    total = sum(map(parameters, (denoiser, autoencoder, image_encoder)))
    assert total == sum(prod(shape) for shape in whole.shapes.values())


@pytest.mark.parametrize(("manifest", "count"), [("vae-v2-1", 327_746_177), ("vae-v2-turbo", 203_690_497)])
def test_autoencoders_alone(manifest, count):
    autoencoder, _ = open_autoencoder(stored(manifest), VARIANTS["hunyuan3d-2.1"])
    assert parameters(autoencoder) == count
    assert autoencoder.can_encode is (manifest == "vae-v2-1")
    assert autoencoder.geo_decoder.cross_attn_decoder.attn.heads == (16 if manifest == "vae-v2-1" else 8)


@pytest.mark.parametrize("other", ["dit-v2-0", "dit-v2-mini-turbo", "vae-v2-1"])
def test_a_checkpoint_of_another_form_is_refused(other):
    with pytest.raises(CheckpointError, match="does not contain the expected weights"):
        open_denoiser(stored(other).under(DENOISER), VARIANTS["hunyuan3d-2mini"])


def without(part: StoredTensors, name: str) -> StoredTensors:
    return replace(part, shapes={key: shape for key, shape in part.shapes.items() if key != name})


@pytest.mark.parametrize("name", ["blocks.3.attn2.k_norm.weight", "blocks.20.moe.experts.7.net.2.bias"])
def test_the_first_wrong_tensor_is_named(name):
    part = stored("dit-v2-1").under(DENOISER)
    with pytest.raises(CheckpointError, match=re.escape(name)):
        open_denoiser(without(part, name), VARIANTS["hunyuan3d-2.1"])
    wrong = replace(part, shapes={**part.shapes, name: (7,)})
    with pytest.raises(CheckpointError, match=re.escape(name)):
        open_denoiser(wrong, VARIANTS["hunyuan3d-2.1"])


CONFIG = """
model: {target: hy3dshape.models.denoisers.hunyuandit.HunYuanDiTPlain, params: {}}
vae: {target: hy3dshape.models.autoencoders.ShapeVAE, params: {num_latents: 16, scale_factor: 1.25}}
conditioner: {params: {main_image_encoder: {kwargs: {image_size: 56}}}}
scheduler: {target: hy3dgen.shapegen.schedulers.ConsistencyFlowMatchEulerDiscreteScheduler,
            params: {pcm_timesteps: 50}}
image_processor: {params: {size: 64}}
"""


@pytest.fixture
def small_files(tmp_path, tiny_pipeline):
    """A folder with a small checkpoint in the published names, as pickle and as safetensors, and its variant."""
    tensors = {f"model.{name}": value for name, value in tiny_pipeline.denoiser.state_dict().items()}
    tensors |= {f"vae.{name}": value for name, value in tiny_pipeline.autoencoder.state_dict().items()}
    old_names = {
        "q_proj": "attention.query", "k_proj": "attention.key", "v_proj": "attention.value", "o_proj": "output.dense",
    }
    for name, value in tiny_pipeline.image_encoder.state_dict().items():
        for new, old in old_names.items():
            name = name.replace(f"attention.{new}", f"attention.{old}")
        tensors[f"{IMAGE_ENCODER}{name}"] = value
    tensors = {name: value.contiguous() for name, value in tensors.items()}
    (tmp_path / CONFIGURATION).write_text(CONFIG)
    save_file(tensors, tmp_path / "model.fp16.safetensors")
    nested: dict = {}
    for name, value in tensors.items():
        network, rest = name.split(".", 1)
        nested.setdefault(network, {})[rest] = value
    torch.save(nested, tmp_path / "model.fp16.ckpt")
    depth = len(tiny_pipeline.denoiser.blocks)
    return tmp_path, replace(VARIANTS["hunyuan3d-2.1"], depth=depth)


@pytest.mark.parametrize("file", ["model.fp16.safetensors", "model.fp16.ckpt"])
def test_a_small_checkpoint_loads_from_both_containers(small_files, tiny_pipeline, file):
    folder, variant = small_files
    pipeline = load_published(folder, replace(variant, file=file), torch.float32, "cpu")
    for name in ("denoiser", "autoencoder", "image_encoder"):
        ours, theirs = getattr(pipeline, name).state_dict(), getattr(tiny_pipeline, name).state_dict()
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert pipeline.config.tokens == 16
    assert pipeline.config.image_size == 64
    assert pipeline.config.encoder_size == 56
    assert pipeline.autoencoder.config.scale_factor == 1.25
    assert pipeline.scheduler.config.kind == "consistency"
    assert pipeline.scheduler.config.anchors == 50


def test_a_light_decoder_replaces_the_own_one(small_files, tiny_pipeline):
    folder, variant = small_files
    variant = replace(variant, file="model.fp16.safetensors", light_decoder=("a", "b"))
    with pytest.raises(CheckpointError, match="light"):
        load_published(folder, variant, torch.float32, "cpu")
    decoder = {
        name: value for name, value in tiny_pipeline.autoencoder.state_dict().items()
        if not name.startswith(("encoder.", "pre_kl."))
    }
    save_file(decoder, folder / LIGHT_FILE)
    assert not load_published(folder, variant, torch.float32, "cpu").autoencoder.can_encode


def test_loading_can_be_given_up_at_every_tensor(small_files):
    class Stop(Exception):
        pass

    reports = []

    def report(component):
        reports.append(component)
        if len(reports) == 5:
            raise Stop

    with pytest.raises(Stop):
        load_published(*small_files, torch.float32, "cpu", report)
    assert reports == ["denoiser"] * 5


@pytest.mark.parametrize(
    "text", ["scheduler: [", "vae: {params: {scale_factor: big}}", "vae: {params: {num_latents: -1}}"]
)
def test_a_damaged_configuration_is_refused(small_files, text):
    folder, variant = small_files
    (folder / CONFIGURATION).write_text(text)
    with pytest.raises(CheckpointError, match=r"config\.yaml"):
        load_published(folder, variant, torch.float32, "cpu")


class Evil:
    def __reduce__(self):
        return print, ("executed",)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(b"<html>rate limited</html>" * 100),
        lambda path: path.write_bytes(pickle.dumps(Evil())),
        lambda path: torch.save(3, path),
        lambda path: path.unlink(missing_ok=True),
    ],
    ids=["noise", "old pickle with code", "number", "nothing"],
)
def test_corrupt_files_are_refused_and_never_executed(tmp_path, capsys, write):
    path = tmp_path / "model.fp16.ckpt"
    write(path)
    with pytest.raises(CheckpointError, match=r"model\.fp16\.ckpt") as caught:
        open_tensors(path)
    assert caught.value.report.remedy == "download"
    assert "executed" not in capsys.readouterr().out


def test_code_in_a_file_is_not_executed(small_files, capsys):
    folder, variant = small_files
    torch.save({"model": {"x_embedder.weight": Evil(), "other": torch.zeros(1)}}, folder / variant.file)
    with pytest.raises(CheckpointError, match=r"x_embedder\.weight is missing"):
        load_published(folder, variant, torch.float32, "cpu")
    assert "executed" not in capsys.readouterr().out
