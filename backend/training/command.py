# SPDX-License-Identifier: GPL-3.0-or-later
"""What the training commands of all pipelines have in common: options, log, deadline, processes."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed

from ..contract import BadInput, MeshwrightError

logger = logging.getLogger(__name__)

TrainingPreset = TypeVar("TrainingPreset", bound=Any)
"""A frozen dataclass with `objects` and stages, each with `steps` and `batch`."""


def build_run_parser(
    pipeline: str, description: str, presets: Iterable[str], stages: Sequence[str] = ()
) -> argparse.ArgumentParser:
    """Return the parser of ``train PIPELINE`` with the options of every recipe; a recipe adds its own.

    With several ``stages`` one of them can be chosen, and each one's length given.
    """
    parser = argparse.ArgumentParser(prog=f"python -m backend train {pipeline}", description=description)
    parser.add_argument("--preset", choices=sorted(presets), default="starter")
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoints, curves and logs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoints in --out")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop cleanly after this time and save")
    parser.add_argument("--stop-at", type=int, help="stop cleanly after this step of the stage and save")
    parser.add_argument("--batch", type=int, help="objects per step and process, in place of the preset's")
    parser.add_argument("--objects", type=int, help="training objects, in place of the preset's")
    if stages:
        parser.add_argument("--stage", choices=[*stages, "all"], default="all")
    for stage in stages:
        parser.add_argument(f"--{stage}-steps", type=int, help="length of the stage and of its schedule")
    return parser


def build_export_parser(form: str, presets: Iterable[str]) -> argparse.ArgumentParser:
    """Return the parser with the options of every export; ``form`` says in words what is written."""
    parser = argparse.ArgumentParser(description=f"Write a run's weights as a float16 {form}.")
    parser.add_argument("--run", type=Path, required=True, help="the training command's --out")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--preset", choices=sorted(presets), default="starter")
    parser.add_argument("--metrics", type=Path, help="JSON that the metrics command wrote")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def with_options(
    preset: TrainingPreset, options: argparse.Namespace, stages: Mapping[str, int | None]
) -> TrainingPreset:
    """Return the preset with ``--batch``, ``--objects`` and the given lengths of its stages in place of its own."""
    for stage, steps in stages.items():
        settings = getattr(preset, stage)
        settings = replace(settings, steps=steps or settings.steps, batch=options.batch or settings.batch)
        preset = replace(preset, **{stage: settings})
    return replace(preset, objects=options.objects or preset.objects)


def preset_of(
    options: argparse.Namespace, presets: Mapping[str, TrainingPreset], stages: Iterable[str]
) -> TrainingPreset:
    """Return the chosen preset with the options that replace some of its numbers, of a recipe of several stages."""
    lengths = {f"{stage}_stage": getattr(options, f"{stage}_steps") for stage in stages}
    return with_options(presets[options.preset], options, lengths)


def chosen_stages(
    options: argparse.Namespace, stages: Mapping[str, Callable[[], bool]]
) -> Iterable[Callable[[], bool]]:
    """Return the stage that ``--stage`` names, or all in their order."""
    return stages.values() if options.stage == "all" else [stages[options.stage]]


def run_stages(stages: Iterable[Callable[[], bool]]) -> int:
    """Train stage after stage until one stops before its last step; return the command's exit status."""
    done = all(stage() for stage in stages)
    logger.info("all steps done" if done else "stopped before the last step; continue with --resume")
    return 0


def exit_status(command: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> int:
    """Run a command of its own; an error goes to stderr, as ``python -m backend`` writes it, and returns 1."""
    try:
        return command(arguments)
    except MeshwrightError as error:
        sys.stderr.write(error.report.lines)
        return 1


def deadline(options: argparse.Namespace) -> float:
    """Return the moment, by time.monotonic, at which ``--minutes`` are over."""
    return time.monotonic() + 60.0 * options.minutes


def start_processes(options: argparse.Namespace) -> Accelerator:
    """Join the processes of ``accelerate launch``, or stand alone; seed them alike and open the log of the first.

    The networks' initial weights come from the seed, so all processes begin with the same. The first process alone
    writes: ``log.txt`` in ``--out``, and INFO on stderr; the others log warnings only.
    """
    accelerator = Accelerator(mixed_precision="bf16" if torch.cuda.is_available() else "no")
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if accelerator.is_main_process:
        options.out.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(options.out / "log.txt", encoding="utf-8"))
    level = logging.INFO if accelerator.is_main_process else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(message)s", handlers=handlers)
    # A machine without a C compiler cannot compile: then the blocks run as they are, only slower.
    torch._dynamo.config.suppress_errors = True
    torch._dynamo.config.recompile_limit = 64
    set_seed(options.seed)
    return accelerator


def own_generator(number: int, seed: int, accelerator: Accelerator) -> torch.Generator:
    """Return a generator for one purpose, by its ``number`` below 100, and this process, on its device."""
    seed = seed * 100 + number + 1_000_003 * accelerator.process_index
    return torch.Generator(accelerator.device).manual_seed(seed)


def own_share(count: int, accelerator: Accelerator) -> slice:
    """Return which of ``count`` objects this process trains on: every object belongs to one process.

    Raises BadInput where there are fewer objects than processes.
    """
    if count < accelerator.num_processes:
        raise BadInput(f"{count} objects cannot be shared out among {accelerator.num_processes} processes.",
                       "Every process trains on objects of its own.", "Raise --objects, or launch fewer processes.")
    return slice(accelerator.process_index, None, accelerator.num_processes)
