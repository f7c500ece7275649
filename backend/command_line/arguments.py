# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line's grammar, drawn from the pipelines' specs."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from ..contract import Parameter, PipelineSpec, TaskSpec, WeightSet
from ..contract.parameter import Value
from ..pipelines import registry
from ..worker.settings import Settings

HOME = Path.home() / ".cache" / "meshwright"
FORMATS = ("glb", "ply", "obj", "stl")
SOURCES_FLAG = "--sources"
"""For configuration files: what is worked on where the command line names nothing."""
UV_CHOICES = ("auto", "keep", "new")
_NEGATIVE = re.compile(r"-\.?\d")


def commands() -> dict[str, tuple[PipelineSpec, TaskSpec]]:
    """Every task by its command. Where an earlier pipeline offers the same, the later one's bears its name too."""
    named: dict[str, tuple[PipelineSpec, TaskSpec]] = {}
    for pipeline in registry.specs().values():
        for task in pipeline.tasks:
            name = task.name.replace("_", "-")
            named[f"{pipeline.name}-{name}" if name in named else name] = pipeline, task
    return named


def build_parser() -> argparse.ArgumentParser:
    """The parser; parsed options hold `command`, and for a task also `pipeline` and `task`, as specs."""
    parser = argparse.ArgumentParser(
        prog="python -m backend", description="Meshwright's backend: generative pipelines for 3D artists."
    )
    every = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_worker_options(every.add_parser("worker", help="take jobs as JSON lines on stdin (Blender starts this)"))
    for name, (pipeline, task) in commands().items():
        _add_task(every.add_parser(name, help=f"{task.description} ({pipeline.label})", description=task.description),
                  pipeline, task)
    _add_download(every)
    train = every.add_parser("train", help="train a pipeline; its own options: train PIPELINE --help")
    train.add_argument("pipeline", choices=registry.trainable())
    specs = every.add_parser("specs", help="print what there is")
    specs.add_argument("--json", action="store_true", help="as JSON")
    return parser


def with_dashes(arguments: Sequence[str]) -> list[str]:
    """The arguments with `--azimuths -90,0,90` as `--azimuths=-90,0,90`, for all of the task's texts: argparse takes
    what starts with a dash for an option, but no option starts with a number.
    """
    known = commands().get(arguments[0]) if arguments else None
    texts = {_flag(wanted.name) for wanted in (*known[1].parameters, *known[1].inputs[1:]) if wanted.kind == "text"
             } if known else set()
    joined: list[str] = []
    for word in arguments:
        if joined and joined[-1] in texts and _NEGATIVE.match(word):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def worker_settings(options: argparse.Namespace) -> Settings:
    """What `_add_worker_options` parsed."""
    return Settings(options.models, options.device, options.second_device, options.low_memory, options.statistics,
                    options.compile)


def given_parameters(options: argparse.Namespace) -> dict[str, Value]:
    """The task's options: given ones, then the weights' own defaults. The task's defaults fill in the rest later."""
    task: TaskSpec = options.task
    given = {parameter.name: getattr(options, parameter.name) for parameter in task.parameters}
    defaults = options.pipeline.weight_set(options.weights).parameter_defaults or {}
    known = {name: value for name, value in defaults.items() if name in given}
    return known | {name: value for name, value in given.items() if value is not None}


def given_inputs(options: argparse.Namespace) -> dict[str, str | Path]:
    """The task's further inputs that were given, by name: a text, or the path of an image."""
    given = {wanted.name: getattr(options, wanted.name) for wanted in options.task.inputs[1:]}
    return {name: value for name, value in given.items() if value is not None}


def given_batch(options: argparse.Namespace) -> int:
    """How many files are computed together. Raises BadInput for a number out of the task's range."""
    most = options.task.inputs[0].largest_batch
    return int(Parameter("batch", "int", 1, "The batch", "", 1, most).validated(options.batch))


def _add_worker_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", type=Path, default=HOME / "models", metavar="DIR",
                        help="folder of downloaded weights (%(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cuda:0, mps or cpu (%(default)s)")
    parser.add_argument("--second-device", default="", metavar="DEVICE", help="where decoders run, if elsewhere")
    parser.add_argument("--low-memory", action="store_true", help="keep weights off the GPU until needed; slower")
    parser.add_argument("--compile", action="store_true",
                        help="compile PartPacker's networks: the first run 10 s slower, later ones faster (NVIDIA)")
    parser.add_argument("--statistics", type=Path, default=HOME / "statistics.json", metavar="FILE",
                        help="times of earlier runs, for the time left (%(default)s)")


def _add_task(parser: argparse.ArgumentParser, pipeline: PipelineSpec, task: TaskSpec) -> None:
    source = "IMAGE" if task.inputs[0].kind == "image" else "MESH"
    parser.add_argument("sources", nargs="*", type=Path, metavar=source,
                        help=f"{task.inputs[0].description}. A folder stands for all such files in it")
    parser.add_argument(SOURCES_FLAG, dest="configured_sources", action="append", type=Path, help=argparse.SUPPRESS)
    _add_further_inputs(parser, task)
    parser.add_argument("--config", type=Path, metavar="FILE",
                        help="YAML file of options by name; those of the command line count before it")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the results, one in it each")
    parser.add_argument("--keep-previews", action="store_true", help="keep what is shown while it runs, as files")
    parser.set_defaults(seed=0, batch=1, uv="auto", format="glb")
    if task.inputs[0].kind == "uv_meshes":
        parser.add_argument("--uv", choices=UV_CHOICES,
                            help="keep: the file's UVs; new: a new layout; auto: the file's where they can be painted "
                                 "on (%(default)s)")
    else:
        parser.add_argument("--format", choices=FORMATS, help="of single parts (%(default)s)")
    if (most := task.inputs[0].largest_batch) > 1:
        parser.add_argument("--batch", type=int, metavar="N",
                            help=f"files that are computed together, from 1 to {most}: more are faster, and need more "
                                 "memory (%(default)s)")
    if task.seeded:
        parser.add_argument("--seed", type=int, help="the same seed gives the same result (%(default)s)")
    parser.add_argument("--weights", choices=[weights.name for weights in pipeline.weights],
                        default=pipeline.weights[0].name, help="(%(default)s)")
    _add_worker_options(parser)
    options = parser.add_argument_group("options of the task")
    for parameter in task.parameters:
        _add_parameter(options, parameter, pipeline.weights)
    parser.set_defaults(pipeline=pipeline, task=task)


def _add_further_inputs(parser: argparse.ArgumentParser, task: TaskSpec) -> None:
    for wanted in task.inputs[1:]:
        image = wanted.kind == "image"
        parser.add_argument(_flag(wanted.name), type=Path if image else str, metavar="FILE" if image else "TEXT",
                            required=wanted.required, help=wanted.description)


def _add_parameter(
    options: argparse._ArgumentGroup, parameter: Parameter, weights: tuple[WeightSet, ...]
) -> None:
    defaults = [f"default {'none' if parameter.default == '' else parameter.default}"] + [
        f"{kept.name} weights {kept.parameter_defaults[parameter.name]}"
        for kept in weights
        if kept.parameter_defaults and parameter.name in kept.parameter_defaults
    ]
    text = f"{parameter.description}: {parameter.expectation()} ({', '.join(defaults)})".replace("%", "%%")
    flag = _flag(parameter.name)
    if parameter.kind == "bool":
        options.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        return
    kind = {"int": int, "float": float}.get(parameter.kind, str)
    # The range is checked with the request, in the same words as everywhere.
    options.add_argument(flag, type=kind, default=None, metavar=parameter.kind.upper(), help=text)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _add_download(every: argparse._SubParsersAction) -> None:
    parser = every.add_parser("download", help="fetch published weights")
    parser.add_argument("pipeline", choices=list(registry.specs()))
    parser.add_argument("weights", metavar="WEIGHTS", help="name of the set, as `specs` prints it")
    parser.add_argument("--accept-license", action="store_true", help="you have read and accept the license")
    _add_worker_options(parser)
