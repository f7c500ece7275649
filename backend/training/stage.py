# SPDX-License-Identifier: GPL-3.0-or-later
"""One training stage: optimizer, schedule, moving average, checkpoints, log. What is learned comes from outside."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..contract import replace_whole, write_text_whole
from .curves import Curves
from .schedule import StageSettings, learning_rate

logger = logging.getLogger(__name__)

LOG_EVERY = 100
SAVE_EVERY = 2000
ASK_EVERY = 10
EMA_DECAY = 0.9995
MOMENTS = ("exp_avg", "exp_avg_sq")

Loss = Callable[[nn.Module, torch.Generator], tuple[Tensor, dict[str, Tensor]]]
"""From the prepared module and the step's own generator to the loss and the terms that the log shows."""
Evaluate = Callable[[], dict[str, float]]


def write_whole(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file that is there whole or not at all, whenever the run is stopped."""
    with replace_whole(path) as draft:
        save_file({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}, draft)


class Stage:
    """Trains ``module`` and keeps its state in ``folder``; resumable at the exact step.

    Every step draws all its random numbers from a generator seeded by (seed, step, process), so a resumed run takes
    the same steps as one that was never stopped.
    """

    def __init__(
        self, accelerator: Accelerator, module: nn.Module, settings: StageSettings, folder: Path, seed: int
    ) -> None:
        self.accelerator, self.settings, self.folder, self.seed = accelerator, settings, folder, seed
        self.module = module.to(accelerator.device)
        trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=settings.rate, betas=settings.betas, weight_decay=0.01)
        self.prepared, self.optimizer = accelerator.prepare(self.module, optimizer)
        self.names = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
        self.parameters = trained
        self.average = [parameter.detach().clone() for parameter in trained]
        self.step = 0
        self.curves = Curves(folder)

    @property
    def done(self) -> bool:
        """Whether the last step is done."""
        return self.step >= self.settings.steps

    def run(self, loss: Loss, evaluate: Evaluate, deadline: float, stop_at: int | None = None) -> bool:
        """Train to the last step, to ``stop_at`` or to the deadline (time.monotonic); return whether all is done."""
        last = min(self.settings.steps, stop_at or self.settings.steps)
        terms: dict[str, Tensor] = {}
        began, first, logged = time.monotonic(), self.step, self.step
        while self.step < last and not self._overdue(deadline):
            new = self._train_step(loss)
            terms = {name: terms.get(name, 0.0) + value for name, value in new.items()}
            if self.step % LOG_EVERY == 0 or self.step == last:
                count, logged = self.step - logged, self.step
                pace = (time.monotonic() - began) / (self.step - first)
                self._log({name: float(value) / count for name, value in terms.items()}, pace)
                terms = {}
            if self.step % SAVE_EVERY == 0:
                self.save()
            if self.step % self.settings.evaluate_every == 0 or self.step == self.settings.steps:
                self.evaluate(evaluate)
        if self.step > first:
            self.save()
        return self.done

    def _train_step(self, loss: Loss) -> dict[str, Tensor]:
        device = self.accelerator.device
        generator = torch.Generator(device)
        generator.manual_seed((self.seed * 1_000_003 + self.step) * 1024 + self.accelerator.process_index)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, self.settings)
        value, terms = loss(self.prepared, generator)
        self.accelerator.backward(value)
        self.accelerator.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        keep = min(EMA_DECAY, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(self.average, [parameter.detach() for parameter in self.parameters], 1.0 - keep)
        return {name: term.detach() for name, term in terms.items()}

    def _overdue(self, deadline: float) -> bool:
        """Ask the first process now and then, so that all of them stop at the same step."""
        if self.step % ASK_EVERY:
            return False
        flag = torch.tensor([float(time.monotonic() > deadline)], device=self.accelerator.device)
        return bool(broadcast(flag).item())

    def _log(self, terms: dict[str, float], pace: float) -> None:
        if self.accelerator.is_main_process:
            self.curves.add(self.step, {**terms, "rate": learning_rate(self.step - 1, self.settings)})
            text = " ".join(f"{name} {value:.4f}" for name, value in terms.items())
            logger.info("%s step %d/%d %s %.1f ms", self.folder.name, self.step, self.settings.steps, text, 1e3 * pace)

    def evaluate(self, evaluate: Evaluate) -> None:
        """Measure the averaged weights in the first process; log and keep the metrics."""
        began = time.monotonic()
        # Evaluation has shapes of its own; compiling for them would take longer than it saves.
        with self.averaged(), torch.compiler.set_stance("force_eager"):
            metrics = evaluate() if self.accelerator.is_main_process else {}
        if metrics:
            self.curves.add(self.step, metrics)
            text = " ".join(f"{name} {value:.3f}" for name, value in metrics.items())
            logger.info("%s HELD OUT step %d: %s (%.1f s)", self.folder.name, self.step, text, time.monotonic() - began)
        self.accelerator.wait_for_everyone()

    def averaged(self) -> Averaged:
        """A context in which the module holds the moving average of its weights."""
        return Averaged(self)

    def save(self) -> None:
        """Write weights, moving average, both moments of the optimizer (a file each) and the step."""
        if not self.accelerator.is_main_process:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write("weights", [parameter.detach() for parameter in self.parameters])
        self._write("average", self.average)
        for moment in MOMENTS:
            self._write(moment, [self.optimizer.state[parameter][moment] for parameter in self.parameters])
        write_text_whole(self.folder / "state.json", json.dumps({"step": self.step}))
        self.curves.save()

    def resume(self) -> bool:
        """Load what ``save`` wrote; return False where there is nothing."""
        state = self.folder / "state.json"
        if not state.is_file():
            return False
        self.step = json.loads(state.read_text(encoding="utf-8"))["step"]
        with torch.no_grad():
            for name, targets in (("weights", self.parameters), ("average", self.average)):
                for target, value in zip(targets, self._read(name), strict=True):
                    target.copy_(value)
        for moment in MOMENTS:
            for parameter, value in zip(self.parameters, self._read(moment), strict=True):
                slot = self.optimizer.state[parameter]
                slot["step"] = torch.tensor(float(self.step))
                slot[moment] = value.to(parameter.device)
        self.curves.load(self.step)
        logger.info("%s resumes at step %d", self.folder.name, self.step)
        return True

    def _write(self, name: str, values: list[Tensor]) -> None:
        write_whole(self.folder / f"{name}.safetensors", dict(zip(self.names, values, strict=True)))

    def _read(self, name: str) -> list[Tensor]:
        tensors = load_file(self.folder / f"{name}.safetensors")
        return [tensors[key] for key in self.names]


class Averaged:
    """Swaps a stage's weights with their moving average on entry and back on exit."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def _swap(self) -> None:
        with torch.no_grad():
            for parameter, average in zip(self.stage.parameters, self.stage.average, strict=True):
                kept = parameter.detach().clone()
                parameter.copy_(average)
                average.copy_(kept)

    def __enter__(self) -> None:
        self._swap()

    def __exit__(self, *_: object) -> None:
        self._swap()
