# SPDX-License-Identifier: GPL-3.0-or-later
"""A chain of tasks as data: which task follows which, and what feeds what. Read from one JSON file each."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..contract import BadInput, write_text_whole
from ..contract.json_form import from_json, to_json
from ..contract.parameter import Value

OWN_CHAINS = Path(__file__).with_name("chains")
"""Folder of the chains that come with Meshwright."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True)
class Step:
    """One task of a chain.

    Attributes:
        tasks: the task, or several that can take its place, each as "task" or "pipeline/task"; the artist chooses.
        inputs: what feeds each input and text parameter of the task: the name of an earlier step, whose meshes it
            takes, else the name under which the whole chain asks for it.
        parameters: values that the chain sets, for the tasks that have such parameters; a text that the artist gives
            counts before them.
        model: which way of doing the step is chosen at first, as "pipeline/task/weights"; "" for the first.
        preset: which preset is chosen at first; "" for the model's defaults.
    """

    name: str
    label: str
    tasks: tuple[str, ...]
    inputs: Mapping[str, str]
    parameters: Mapping[str, Value] = field(default_factory=dict)
    model: str = ""
    preset: str = ""


@dataclass(frozen=True)
class Chain:
    """Steps in the order in which they run. The last one's meshes are the result."""

    name: str
    label: str
    description: str
    steps: tuple[Step, ...]

    def earlier(self, step: Step) -> tuple[str, ...]:
        """Names of the steps before this one."""
        names = [each.name for each in self.steps]
        return tuple(names[: names.index(step.name)])


def read_chain(path: Path) -> Chain:
    """The chain in a file. Raises BadInput that names everything wrong with it."""
    try:
        chain = from_json(Chain, json.loads(path.read_text(encoding="utf-8")), "workflow")
    except (OSError, ValueError, RecursionError) as error:  # BadInput is a ValueError
        raise BadInput(f"The workflow {path.name} cannot be read.", str(error), "Correct the file, or delete it."
                       ) from error
    if complaints := list(_complaints(chain)):
        raise BadInput(f"The workflow {path.name} cannot be offered.", " ".join(complaints), "Correct the file.")
    return chain


def write_chain(chain: Chain, path: Path) -> None:
    """Write the chain's file. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_whole(path, json.dumps(to_json(chain), ensure_ascii=False, indent=1))


def _complaints(chain: Chain) -> Iterator[str]:
    names = [step.name for step in chain.steps]
    if not names:
        yield "It has no steps."
    yield from (f"'{name}' is not a name of lowercase letters, digits and underscores." for name in (chain.name, *names)
                if not _NAME.fullmatch(name))
    yield from (f"Two steps are called '{name}'." for name in sorted(set(names)) if names.count(name) > 1)
    yield from (f"The step '{step.name}' has no task." for step in chain.steps if not step.tasks)
    for number, step in enumerate(chain.steps):
        yield from (f"The step '{step.name}' takes the result of '{source}', which runs later."
                    for source in step.inputs.values() if source in names[number:])
