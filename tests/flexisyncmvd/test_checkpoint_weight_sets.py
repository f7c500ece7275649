# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue of published weights: what it lists is where the loader looks, and weighs what it says."""

import math
from pathlib import Path

import pytest
import torch

from backend.command_line.license_table import page
from backend.contract import PipelineSpec, WeightFile
from backend.pipelines.common.components import CLIP_VIT_H
from backend.pipelines.flexisyncmvd.checkpoint.files import published_shapes
from backend.pipelines.flexisyncmvd.checkpoint.library import CheckpointLibrary
from backend.pipelines.flexisyncmvd.published_networks import MANIFEST_OF
from backend.pipelines.flexisyncmvd.weight_sets import published_sets
from backend.weights.location import locate, set_folder

from .checkpoint_forms import write_set

SETS = {weights.name: weights for weights in published_sets({"steps": 30}, {"steps": 20})}
CONTROLS = {"sd15": ("depth",), "sdxl_all": ("depth", "canny", "tile")}


@pytest.mark.parametrize("name", CONTROLS)
def test_the_loader_finds_every_file_where_the_download_puts_it(name, tmp_path):
    family, whole = name.removesuffix("_all"), name.endswith("_all")
    spec = PipelineSpec("flexisyncmvd", "FlexiSyncMVD", "", (), tuple(SETS.values()))
    folder = set_folder(spec, SETS[name], tmp_path)
    write_set(folder, family, CONTROLS[name], adapter=whole)
    for file in SETS[name].files:
        path = folder / file.local
        plain = path.with_name(path.name.replace(".fp16", ""))
        if path.name == "special_tokens_map.json":  # the tiny vocabulary needs none
            path.write_text("{}")
        assert plain.is_file(), f"the loader looks elsewhere for {file.local}"
        plain.rename(path)
    shared = tmp_path / "shared" / CLIP_VIT_H.name
    if whole:
        shared.parent.mkdir()
        (folder / "ip_adapter" / "image_encoder").rename(shared)
    assert locate(spec, SETS[name], tmp_path) == folder
    library = CheckpointLibrary(folder, torch.float32, "cpu", published=False, image_encoder=shared)
    components = library.components(controls=CONTROLS[name], image=whole)
    assert components.family == family and tuple(components.controlnets) == CONTROLS[name]


@pytest.mark.parametrize("name", SETS)
def test_sizes_are_those_of_the_published_tensors(name):
    total = sum(_bytes(file, name.removesuffix("_all")) for file in SETS[name].files)
    assert SETS[name].gigabytes == pytest.approx(total / 1e9, rel=0.02)


def _bytes(file: WeightFile, family: str) -> int:
    path = Path(file.local)
    if path.suffix != ".safetensors":
        return 0
    component = "controlnet" if "controlnet" in path.parts else "ip_adapter" if path.stem == "ip-adapter-plus" else \
        path.parent.name
    wide = "fp16-fix" in file.repository
    numbers = sum(math.prod(shape) for shape in published_shapes(MANIFEST_OF[family, component]).values())
    return numbers * (4 if wide else 2)


def test_the_large_sets_hold_the_small_ones_in_the_same_folder():
    for family in ("sd15", "sdxl"):
        small, large = SETS[family], SETS[f"{family}_all"]
        assert set(small.files) < set(large.files) and small.folder == large.folder
        locals_ = [file.local for file in large.files]
        assert len(set(locals_)) == len(locals_)
    assert SETS["sd15"].parameter_defaults == {"steps": 30} and SETS["sdxl_all"].parameter_defaults == {"steps": 20}


def test_the_license_page_can_show_them():
    text = page([PipelineSpec("flexisyncmvd", "FlexiSyncMVD", "", (), tuple(SETS.values()))])
    assert text.count("[CreativeML Open RAIL-M](https://") == 2
    assert text.count("[CreativeML Open RAIL++-M](https://") == 2
    for word in ("minors", "medical advice", "pass on the license", "Apache-2.0"):
        assert text.count(word) >= 2, "in the text of each of the two licenses"
