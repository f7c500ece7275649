# SPDX-License-Identifier: GPL-3.0-or-later
"""Options from a YAML file. Its names are those of the command line, or the published pipeline's own."""

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ..contract import BadInput, PipelineSpec, TaskSpec
from ..pipelines import registry
from .arguments import commands
from .task_arguments import OWN_OPTIONS, SOURCES_FLAG, flag, flagged_slots, source_slot


def with_configuration(arguments: Sequence[str]) -> list[str]:
    """The arguments, those of the file that `--config` names put first, so that the given ones count.

    Raises BadInput for a file that cannot be read, or an option that the command does not have.
    """
    early = argparse.ArgumentParser(add_help=False)
    early.add_argument("--config", type=Path, nargs="?")
    path = early.parse_known_args(arguments[1:])[0].config
    if path is None or arguments[0] not in commands():
        return list(arguments)
    pipeline, task = commands()[arguments[0]]
    values = _translated(_read(path), pipeline, path)
    return [arguments[0], *_flags(values, task, path), *arguments[1:]]


def _read(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, RecursionError, yaml.YAMLError) as error:
        raise BadInput(f"The configuration {path} cannot be read.", str(error),
                       "Check the path, and that the file is YAML.") from error
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise BadInput(f"The configuration {path} holds no options.", "It is no table of names and values.",
                       "Write one option a line: `steps: 30`.")
    return values


def _translated(values: dict[str, Any], pipeline: PipelineSpec, path: Path) -> dict[str, Any]:
    """The values under our names. A pipeline that takes a published one's names has a module for them."""
    module = f"{registry.__package__}.{pipeline.name}.published_options"
    if importlib.util.find_spec(module) is None:
        return values
    own, remarks = importlib.import_module(module).translated(values, path.absolute().parent)
    for remark in remarks:
        sys.stderr.write(f"{path.name}: {remark}\n")
    return own


def _flags(values: Mapping[str, Any], task: TaskSpec, path: Path) -> list[str]:
    switches = {parameter.name for parameter in task.parameters if parameter.kind == "bool"}
    slot = source_slot(task)
    of_task = {parameter.name for parameter in task.parameters} | {wanted.name for wanted in flagged_slots(task)}
    known = of_task | {*OWN_OPTIONS} | ({slot.name} if slot else set())
    flags = []
    for name, value in values.items():
        if name not in known:
            raise BadInput(f"{path.name}: there is no option '{name}'.", f"Supported: {', '.join(sorted(known))}.",
                           "Correct the name, or take it out.")
        is_source = slot is not None and name == slot.name
        for single in value if is_source and isinstance(value, list) else [value]:
            if isinstance(single, list | dict):
                raise BadInput(f"{path.name}: {name} cannot be {single}.", "It takes a single value.", "Give one.")
            option = SOURCES_FLAG if is_source else flag(name) if name in of_task else "--" + name.replace("_", "-")
            if isinstance(single, bool):
                flags += [option] if single else [option.replace("--", "--no-", 1)] if name in switches else []
            elif single is not None:
                flags.append(f"{option}={single}")
    return flags
