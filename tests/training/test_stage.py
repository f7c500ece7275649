# SPDX-License-Identifier: GPL-3.0-or-later
"""One stage on a network of six numbers: it learns, stops, goes on, and logs the means of what it saw."""

import csv
import math
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from backend.training.schedule import StageSettings
from backend.training.stage import Stage

SETTINGS = StageSettings(steps=20, batch=1, rate=0.05, warm_up=2, evaluate_every=10)
TARGET = torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]])


def _stage(folder: Path) -> Stage:
    module = nn.Linear(3, 2, bias=False)
    nn.init.zeros_(module.weight)
    return Stage(Accelerator(cpu=True), module, SETTINGS, folder, seed=3)


def _loss(module: nn.Module, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
    x = torch.randn(8, 3, generator=generator)
    loss = (module(x) - x @ TARGET.T).square().mean()
    return loss, {"loss_square": loss, "one": torch.ones(())}


def _curves(folder: Path) -> dict[tuple[str, int], float]:
    with (folder / "curves.csv").open(newline="") as file:
        return {(name, int(step)): float(value) for step, name, value in list(csv.reader(file))[1:]}


def test_it_learns_and_evaluates_the_average(tmp_path: Path) -> None:
    stage = _stage(tmp_path)
    seen: list[Tensor] = []

    def evaluate() -> dict[str, float]:
        seen.append(stage.module.weight.detach().clone())
        return {"error": float((stage.module.weight.detach() - TARGET).square().sum())}

    assert stage.run(_loss, evaluate, math.inf)
    curves = _curves(tmp_path)
    assert curves["error", 20] < curves["error", 10] < TARGET.square().sum()
    assert torch.equal(seen[-1], stage.average[0])
    assert not torch.equal(seen[-1], stage.module.weight), "the weights themselves are back after an evaluation"


@pytest.mark.parametrize("stop", [1, 7, 10])
def test_a_stopped_stage_goes_on_to_the_same_weights(tmp_path: Path, stop: int) -> None:
    whole, first, second = (_stage(tmp_path / name) for name in ("whole", "halves", "halves"))
    assert whole.run(_loss, dict, math.inf)
    assert not first.run(_loss, dict, math.inf, stop_at=stop)
    assert second.resume()
    assert second.step == stop
    assert second.run(_loss, dict, math.inf)
    assert torch.equal(whole.module.weight, second.module.weight)
    assert torch.equal(whole.average[0], second.average[0])


def test_the_log_holds_means_also_after_a_resume(tmp_path: Path) -> None:
    assert not _stage(tmp_path).run(_loss, dict, math.inf, stop_at=3)
    second = _stage(tmp_path)
    second.resume()
    assert second.run(_loss, dict, math.inf)
    curves = _curves(tmp_path)
    assert curves["one", 3] == curves["one", 20] == 1.0
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_a_time_that_is_over_takes_no_step_and_writes_nothing(tmp_path: Path) -> None:
    stage = _stage(tmp_path / "late")
    assert not stage.run(_loss, dict, -math.inf)
    assert stage.step == 0
    assert not (tmp_path / "late").exists()
    assert not _stage(tmp_path / "late").resume()
