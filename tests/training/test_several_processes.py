# SPDX-License-Identifier: GPL-3.0-or-later
"""The training command under ``accelerate launch`` with two processes on the CPU."""

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from safetensors.torch import load_file

from backend.pipelines import registry
from backend.pipelines.flexisyncmvd.spec import SPEC
from backend.pipelines.flexisyncmvd.training.procedural_meshes import write_folder
from backend.pipelines.flexisyncmvd.weight_sets import STARTER
from backend.pipelines.partpacker.training.learning import AutoencoderLearning, new_autoencoder
from backend.pipelines.partpacker.training.presets import PRESETS
from backend.procedural.dataset import Split, draw_objects
from backend.procedural.primitives import ObjectBatch
from backend.training.stage import Stage
from backend.weights.location import set_folder

REPOSITORY = Path(__file__).resolve().parents[2]
SHORT = ["--preset", "smoke", "--objects", "4", "--batch", "2", "--autoencoder-steps", "4", "--denoiser-steps", "4"]
OTHERS = [name for name in registry.trainable() if name != "partpacker"]
pytestmark = pytest.mark.slow
LAUNCH = ["--multi_gpu", "--num_processes", "2", "--num_machines", "1", "--main_process_port", "0",
          "--mixed_precision", "no", "--dynamo_backend", "no", "--num_cpu_threads_per_process", "1"]


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict]]:
    """In one launch PartPacker from start to end, then with an autoencoder that stops at step 2, then two steps of the
    other pipelines, then fine-tuning of the texture pipeline's starter weights, stopped and resumed.

    Returns the folder and both processes' notes.
    """
    folder = tmp_path_factory.mktemp("launched")
    train = ["train", "partpacker", *SHORT, "--out"]
    halves = [*train, str(folder / "halves")]
    commands = [[*train, str(folder / "whole")], [*halves, "--stop-at", "2"], [*halves, "--resume"]]
    for name in OTHERS:
        commands.append(["train", name, "--preset", "smoke", "--stop-at", "2", "--out", str(folder / name)])
    write_folder(folder / "meshes", 2, Split.TRAINING, 0, grid=24, texture=64)
    tune = ["fine-tune", "--weights", str(set_folder(SPEC, STARTER, folder)), "--meshes", str(folder / "meshes"),
            "--size", "64", "--batch", "2", "--steps", "2", "--out", str(folder / "tuned")]
    commands += [[*tune, "--stop-at", "1"], [*tune, "--resume"]]
    # The launcher starts several processes for GPUs only; this variable has them meet on the CPU, by gloo.
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [sys.executable, "-m", "accelerate.commands.launch", *LAUNCH, "-m", "tests.training.launched", str(folder),
         json.dumps(commands)],
        cwd=REPOSITORY, env=environment, check=True, timeout=200,
    )
    return folder, [json.loads((folder / f"process-{rank}.json").read_text()) for rank in (0, 1)]


def test_both_processes_run_every_stage_to_its_end(launched: tuple[Path, list[dict]]) -> None:
    for notes in launched[1]:
        assert set(notes["codes"]) == {0}
        ended = [(stage["stage"], stage["step"]) for stage in notes["stages"]]
        partpacker = [("autoencoder", 4), ("denoiser", 4), ("autoencoder", 2), ("autoencoder", 4), ("denoiser", 4)]
        assert ended[: len(partpacker)] == partpacker
        assert [step for _, step in ended[len(partpacker) : -2]] == [2] * len(OTHERS)
        assert ended[-2:] == [("lora", 1), ("lora", 2)]


def test_every_object_of_partpackers_belongs_to_one_process(launched: tuple[Path, list[dict]]) -> None:
    firsts, seconds = ([stage for stage in notes["stages"] if stage["data"]] for notes in launched[1])
    assert len(firsts) == 5
    for first, second in zip(firsts, seconds, strict=True):
        assert len(first["data"]) == len(second["data"]) == 2
        assert not set(first["data"]) & set(second["data"])


def test_both_processes_hold_the_same_weights(launched: tuple[Path, list[dict]]) -> None:
    for first, second in zip(*(notes["stages"] for notes in launched[1]), strict=True):
        assert first["weights"] == second["weights"]
        assert first["average"] == second["average"]


def test_the_first_process_alone_writes(launched: tuple[Path, list[dict]]) -> None:
    first, second = (notes["writes"] for notes in launched[1])
    assert {"whole", "whole/log.txt"} <= set(first)
    for name in ("state", "weights"):
        assert any(path.startswith(f"whole/autoencoder/.{name}.") for path in first), f"no draft of {name}"
    assert (launched[0] / "tuned" / "lora.safetensors").is_file()
    assert second == []


def test_a_resumed_run_ends_where_the_whole_one_does(launched: tuple[Path, list[dict]]) -> None:
    folder, _ = launched
    for name in ("autoencoder/weights", "autoencoder/normalized", "denoiser/weights", "denoiser/average"):
        whole, halves = (load_file(folder / run / f"{name}.safetensors") for run in ("whole", "halves"))
        assert all(torch.equal(whole[key], halves[key]) for key in whole), name


def test_a_step_takes_the_mean_over_both_shares(launched: tuple[Path, list[dict]]) -> None:
    folder, _ = launched
    set_seed(0)
    objects = ObjectBatch.from_arrays(draw_objects(Split.TRAINING, 4))
    preset = replace(PRESETS["smoke"], autoencoder_stage=replace(PRESETS["smoke"].autoencoder_stage, steps=4, batch=2))
    shares = [AutoencoderLearning(objects[process::2], preset) for process in (0, 1)]

    def mean_loss(module: torch.nn.Module, generator: torch.Generator) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        second = torch.Generator().manual_seed(generator.initial_seed() + 1)
        losses = [share(module, own)[0] for share, own in zip(shares, (generator, second), strict=True)]
        return sum(losses) / 2, {}

    stage = Stage(Accelerator(cpu=True), new_autoencoder(preset), preset.autoencoder_stage, folder / "alone", 0)
    assert stage.run(mean_loss, dict, deadline=math.inf)
    weights = load_file(folder / "whole" / "autoencoder" / "weights.safetensors")
    for name, ours in zip(stage.names, stage.parameters, strict=True):
        assert torch.allclose(ours, weights[name], atol=2e-5), name
