# SPDX-License-Identifier: GPL-3.0-or-later
"""No name of a pipeline or a task outside its folder: what the product knows of a model, its spec says."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from backend.contract import Delivery, MeshNeed, Role, Selection
from backend.contract.result import ArtifactKind
from backend.contract.task_spec import InputKind
from backend.pipelines import registry

REPOSITORY = Path(__file__).parents[2]
ROOMS = ("backend", "blender_addon", "wheels")
SPECS = [spec for spec in registry.specs().values() if spec.name not in (registry.SHARED, registry.WORKFLOW)]
"""Without the shared models and the workflows, which the registry itself offers."""
OWN = tuple(REPOSITORY / "backend" / room / name for name in (spec.name for spec in SPECS)
            for room in ("pipelines", "weights/starter"))
CONTRACT_WORDS = {word for words in (Delivery, MeshNeed, Role, Selection, ArtifactKind, InputKind)
                  for word in get_args(words)}
"""Words of the contract, which a task may be called, too: "texture" is what a mesh can bring."""
TASKS = {task.name for spec in SPECS for task in spec.tasks} - CONTRACT_WORDS


def sources() -> Iterator[Path]:
    """Every Python file of the product that belongs to no pipeline."""
    files = [*REPOSITORY.glob("*.py"), *(path for room in ROOMS for path in (REPOSITORY / room).rglob("*.py"))]
    return (path for path in files if not any(path.is_relative_to(folder) for folder in OWN))


def pipeline_names(text: str) -> set[str]:
    """Names and labels of pipelines in a text, however written; references to pages about algorithms do not count."""
    text = re.sub(r"docs/algorithms/\w+\.md", "", text)
    words = {word for spec in SPECS for word in (spec.name, spec.label)}
    return {word for word in words if re.search(rf"(?<![a-z]){re.escape(word)}(?![a-z])", text, re.IGNORECASE)}


def task_names(text: str) -> set[str]:
    """Names of tasks that code asks for: as a whole string, or as an identifier of several words."""
    tree = ast.parse(text)
    strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    words = set(re.findall(r"\w+", text))
    labels = {task.label for spec in SPECS for task in spec.tasks if " " in task.label}
    return (TASKS & strings) | {name for name in TASKS if "_" in name and name in words} | {
        label for label in labels for string in strings if label in string}


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_no_pipeline_and_no_task_is_named(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert pipeline_names(text) == set() and task_names(text) == set()


@pytest.mark.parametrize(("text", "pipelines", "tasks"), [
    ("'''Only partpacker can.'''", {"partpacker", "PartPacker"}, set()),
    ("# see docs/algorithms/partpacker.md", set(), set()),
    ("if task.name == 'remesh': pass", set(), {"remesh"}),
    ("bpy.ops.x.generate_parts()", set(), {"generate_parts"}),
    ("label = 'Press Repair Mesh first'", set(), {"Repair Mesh"}),
    ("remesh = mesh.texture  # partpackers", set(), set()),
])
def test_the_search_finds_what_it_is_for(text: str, pipelines: set[str], tasks: set[str]) -> None:
    assert (pipeline_names(text), task_names(text)) == (pipelines, tasks)
