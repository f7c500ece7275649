# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task takes on the command line, drawn from its spec, and the parsed options read back."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from ..contract import BadInput, InputSpec, Parameter, PipelineSpec, TaskSpec, WeightSet
from ..contract.parameter import Value

FORMATS = ("glb", "ply", "obj", "stl")
UV_CHOICES = ("auto", "keep", "new")
SOURCES_FLAG = "--sources"
"""For configuration files: what is worked on where the command line names nothing."""
OWN_OPTIONS = ("out", "seed", "weights", "preset", "uv", "format", "batch", "keep_previews", "device", "second_device",
               "memory_mode", "compile", "models", "statistics", "background_model")
"""Names of the options that every task may have, as a configuration file writes them."""
_RESERVED = frozenset((*OWN_OPTIONS, "help", "config", "sources", "configured_sources", "command", "pipeline", "task"))


def source_slot(task: TaskSpec) -> InputSpec | None:
    """The input that files without a flag go to: the mesh, or the first image, a required one before others; None where
    there is neither.
    """
    images = sorted((wanted for wanted in task.inputs if wanted.kind == "image"), key=lambda image: not image.required)
    return task.mesh_input or next(iter(images), None)


def flagged_slots(task: TaskSpec) -> tuple[InputSpec, ...]:
    """The inputs that have a flag each."""
    return tuple(wanted for wanted in task.inputs if wanted is not source_slot(task))


def destination(name: str) -> str:
    """Where argparse keeps the option of that name: elsewhere than the command line's own of the same name."""
    return f"task_{name}" if name in _RESERVED else name


def flag(name: str) -> str:
    """The flag of a parameter or an input."""
    return "--" + destination(name).replace("_", "-")


def text_flags(task: TaskSpec) -> frozenset[str]:
    """The flags whose value is free text."""
    return frozenset(flag(parameter.name) for parameter in task.parameters if parameter.kind == "text")


def in_help(text: str) -> str:
    """The text as argparse shows it unchanged."""
    return text.replace("%", "%%")


def chosen_weights(options: argparse.Namespace) -> WeightSet | None:
    """The set of weights that the task runs with; None for a task that needs none."""
    return options.pipeline.weight_set(options.weights) if options.task.needs_weights else None


def given_parameters(options: argparse.Namespace) -> dict[str, Value]:
    """Every parameter: what was given, else the default of the weights and the preset. Raises BadInput."""
    task: TaskSpec = options.task
    given = {parameter.name: getattr(options, destination(parameter.name)) for parameter in task.parameters}
    known = {name: value for name, value in given.items() if value is not None}
    return task.validated(task.defaults(chosen_weights(options), options.preset) | known)


def given_images(options: argparse.Namespace) -> dict[str, Path]:
    """The images that were given by a flag, by the name of their input."""
    given = {wanted.name: getattr(options, destination(wanted.name)) for wanted in flagged_slots(options.task)}
    return {name: path for name, path in given.items() if path is not None}


def named_files(options: argparse.Namespace) -> list[Path]:
    """The files and folders to work on; those of the command line count before those of a configuration file."""
    return options.sources or options.configured_sources or []


def given_batch(options: argparse.Namespace) -> int:
    """How many files run together. Raises BadInput for a number out of the task's range."""
    slot = source_slot(options.task)
    return int(Parameter("batch", "int", 1, "The batch", "", 1, slot.batch if slot else 1).validated(options.batch))


def check_missing(options: argparse.Namespace, given: Iterable[str]) -> None:
    """Raise BadInput where the task lacks something, or its weights have no use for what was `given`."""
    missing = options.task.missing(frozenset(given), chosen_weights(options))
    if missing is not None:
        report = missing.report
        raise BadInput(report.what, report.why, f"{report.advice} {_flags_of(options.task)}")


def add_task(parser: argparse.ArgumentParser, pipeline: PipelineSpec, task: TaskSpec) -> None:
    """The task's own options; `sources` are the files that it works on."""
    _add_inputs(parser, task)
    parser.add_argument("--config", type=Path, metavar="FILE",
                        help="YAML file of options by name; those of the command line count before it")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the results, one in it each")
    parser.add_argument("--keep-previews", action="store_true", help="keep what is shown while it runs, as files")
    _add_form_options(parser, task)
    weights = pipeline.weights_for(task)
    if task.seeded:
        parser.add_argument("--seed", type=int, help="the same seed gives the same result (%(default)s)")
    if weights:
        parser.add_argument("--weights", choices=[each.name for each in weights], help="(%(default)s)")
    if task.presets:
        words = "; ".join(f"{preset.name}: {preset.description}" for preset in task.presets)
        parser.add_argument("--preset", choices=[preset.name for preset in task.presets], help=in_help(words))
    options = parser.add_argument_group("options of the task")
    for parameter in task.parameters:
        _add_parameter(options, parameter, weights)
    first = (weights or pipeline.weights)[:1]
    parser.set_defaults(pipeline=pipeline, task=task, seed=0, batch=1, uv="auto", format="glb", preset="",
                        weights=first[0].name if first else "")


def _add_inputs(parser: argparse.ArgumentParser, task: TaskSpec) -> None:
    slot = source_slot(task)
    if slot is not None:
        parser.add_argument("sources", nargs="*", type=Path, metavar=slot.kind.upper(),
                            help=in_help(f"{slot.description}. A folder stands for all such files in it"))
        also = () if slot.required else (flag(slot.name),)
        parser.add_argument(*also, SOURCES_FLAG, dest="configured_sources", action="append", type=Path,
                            help=argparse.SUPPRESS)
        if slot.batch > 1:
            parser.add_argument("--batch", type=int, metavar="N",
                                help=f"files that run together, from 1 to {slot.batch}: more are faster, and need more "
                                     "memory (%(default)s)")
    for wanted in flagged_slots(task):
        parser.add_argument(flag(wanted.name), dest=destination(wanted.name), type=Path, metavar="FILE",
                            help=in_help(wanted.description))


def _add_form_options(parser: argparse.ArgumentParser, task: TaskSpec) -> None:
    mesh = task.mesh_input
    if mesh is not None and "uvs" in mesh.needs:
        parser.add_argument("--uv", choices=UV_CHOICES,
                            help="keep: the file's UVs; new: a new layout; auto: the file's where they can be painted "
                                 "on (%(default)s)")
    if task.delivery in ("object", "parts", "replace"):
        parser.add_argument("--format", choices=FORMATS, help="of each mesh (%(default)s)")


def _add_parameter(
    options: argparse._ArgumentGroup, parameter: Parameter, weights: tuple[WeightSet, ...]
) -> None:
    defaults = [f"default {'none' if parameter.default == '' else parameter.default}"] + [
        f"{each.name} weights {each.parameter_defaults[parameter.name]}"
        for each in weights
        if parameter.name in each.parameter_defaults
    ]
    text = in_help(f"{parameter.description}: {parameter.expectation()} ({', '.join(defaults)})")
    name, dest = flag(parameter.name), destination(parameter.name)
    if parameter.kind == "bool":
        options.add_argument(name, dest=dest, action=argparse.BooleanOptionalAction, default=None, help=text)
        return
    kind = {"int": int, "float": float}.get(parameter.kind, str)
    # The range is checked with the request, in the same words as everywhere.
    options.add_argument(name, dest=dest, type=kind, default=None, metavar=parameter.kind.upper(), help=text)


def _flags_of(task: TaskSpec) -> str:
    """"(--prompt, --image)": how the inputs and texts are given here."""
    texts = (parameter.name for parameter in task.parameters if any(parameter.name in group
                                                                    for group in task.needs_one_of))
    names = [flag(name) for name in (*texts, *(wanted.name for wanted in flagged_slots(task)))]
    return f"({', '.join(names)})" if names else ""
