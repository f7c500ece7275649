# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line's grammar, drawn from the pipelines' specs."""

import argparse
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..contract import MEMORY_MODES, PipelineSpec, TaskSpec
from ..pipelines import registry
from ..server.arguments import add_mcp, add_relay, add_serve
from ..worker.settings import AUTO, Settings
from .task_arguments import add_task, in_help, text_flags

HOME = Path.home() / ".cache" / "meshwright"
OWN_COMMANDS = ("worker", "serve", "relay", "mcp", "download", "remove", "train", "specs")
_NEGATIVE = re.compile(r"-\.?\d")


def commands() -> dict[str, tuple[PipelineSpec, TaskSpec]]:
    """Every task by its command, `<pipeline>-<task>`, and by the task's name alone where no earlier pipeline has it."""
    named: dict[str, tuple[PipelineSpec, TaskSpec]] = {}
    for pipeline in registry.specs().values():
        for task in pipeline.tasks:
            for name in (task.name, f"{pipeline.name}-{task.name}"):
                if (command := name.replace("_", "-")) not in (*named, *OWN_COMMANDS):
                    named[command] = pipeline, task
    return named


def _names_by_task() -> Iterator[tuple[tuple[PipelineSpec, TaskSpec], list[str]]]:
    known = commands()
    for pipeline in registry.specs().values():
        for task in pipeline.tasks:
            names = [name for name, (owner, named) in known.items() if owner is pipeline and named is task]
            if names:
                yield (pipeline, task), names


def build_parser() -> argparse.ArgumentParser:
    """The parser; parsed options hold `command`, and for a task also `pipeline` and `task`, as specs."""
    parser = argparse.ArgumentParser(
        prog="python -m backend", description="Meshwright's backend: generative pipelines for 3D artists."
    )
    every = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_worker_options(every.add_parser("worker", help="take jobs as JSON lines on stdin (Blender starts this)"))
    serve = every.add_parser("serve", help="the same worker behind HTTP, for other machines and programs")
    add_serve(serve)
    _add_worker_options(serve)
    add_relay(every.add_parser("relay", help="pass a worker's messages on to a server (Blender starts this)"))
    agents = every.add_parser("mcp", help="offer the tasks to an assistant, by the Model Context Protocol")
    add_mcp(agents)
    _add_worker_options(agents)
    for (pipeline, task), (first, *others) in _names_by_task():
        command = every.add_parser(first, aliases=others, help=in_help(f"{task.description} ({pipeline.label})"),
                                   description=task.description, conflict_handler="resolve")
        add_task(command, pipeline, task)
        _add_worker_options(command)
    _add_download(every)
    remove = every.add_parser("remove", help="delete downloaded weights, and shared models that no others need")
    _add_set(remove)
    _add_worker_options(remove)
    train = every.add_parser("train", help="train a pipeline; its own options: train PIPELINE --help")
    train.add_argument("pipeline", choices=registry.trainable())
    specs = every.add_parser("specs", help="print the pipelines, their options and weights")
    specs.add_argument("--json", action="store_true", help="as JSON")
    return parser


def with_task_joined(arguments: Sequence[str]) -> list[str]:
    """The arguments with a pipeline and its task as one command: `workflow asset` as `workflow-asset`."""
    command = "-".join(arguments[:2])
    return [command, *arguments[2:]] if len(arguments) > 1 and command in commands() else list(arguments)


def with_dashes(arguments: Sequence[str]) -> list[str]:
    """The arguments with `--azimuths -90,0,90` as `--azimuths=-90,0,90`, for all of the task's texts: argparse takes
    what starts with a dash for an option, but no option starts with a number.
    """
    known = commands().get(arguments[0]) if arguments else None
    texts = text_flags(known[1]) if known else frozenset()
    joined: list[str] = []
    for word in arguments:
        if joined and joined[-1] in texts and _NEGATIVE.match(word):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def worker_settings(options: argparse.Namespace) -> Settings:
    """What `_add_worker_options` parsed."""
    return Settings(options.models, options.device, options.second_device, options.memory_mode, options.statistics,
                    options.compile, options.background_model)


def _add_worker_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", type=Path, default=HOME / "models", metavar="DIR",
                        help="folder of downloaded weights (%(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cuda:0, mps or cpu (%(default)s)")
    parser.add_argument("--second-device", default="", metavar="DEVICE", help="where decoders run, if elsewhere")
    parser.add_argument("--memory-mode", choices=(AUTO, *MEMORY_MODES), default=AUTO,
                        help="full: the whole model on the GPU; balanced: one component at a time; low: block by "
                             "block, slowest; auto: the fastest that fits (%(default)s)")
    parser.add_argument("--compile", action="store_true",
                        help="compile networks where the device gains by it: a slower first run, faster later ones")
    parser.add_argument("--background-model", default="", metavar="MODEL",
                        help="what removes backgrounds: birefnet-lite, isnet-general-use or u2net, which `download "
                             "shared` fetches, or an ONNX file, as isnet:FILE where its form is not found out (forms: "
                             "u2net, isnet, birefnet). Without one, a simple way is used")
    parser.add_argument("--statistics", type=Path, default=HOME / "statistics.json", metavar="FILE",
                        help="times of earlier runs, for the time left (%(default)s)")


def _add_download(every: argparse._SubParsersAction) -> None:
    parser = every.add_parser("download", help="fetch published weights")
    _add_set(parser)
    parser.add_argument("--accept-license", action="store_true", help="you have read and accept the licenses")
    _add_worker_options(parser)


def _add_set(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pipeline", choices=list(registry.specs()))
    parser.add_argument("weights", metavar="WEIGHTS", help="name of the set, as `specs` prints it")
