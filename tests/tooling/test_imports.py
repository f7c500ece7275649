# SPDX-License-Identifier: GPL-3.0-or-later
"""Who imports whom, read from the sources: data flows one way, so no module may reach itself."""

import ast
from collections.abc import Iterator
from pathlib import Path

import networkx
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def _modules(room: Path) -> dict[str, Path]:
    """Every module of a room by its dotted name."""
    files = {".".join(path.relative_to(room.parent).with_suffix("").parts): path for path in room.rglob("*.py")}
    return {name.removesuffix(".__init__"): path for name, path in files.items()}


def _imported(name: str, path: Path) -> Iterator[tuple[str, ...]]:
    """What a module imports relatively, anywhere in it: for every name the module that it may be, then its package."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            parents = package.split(".")
            base = ".".join([*parents[: len(parents) - node.level + 1], *([node.module] if node.module else [])])
            yield from ((f"{base}.{alias.name}", base) for alias in node.names)


def import_circles(room: Path) -> list[list[str]]:
    """The groups of modules of a room that reach each other, imports inside functions included."""
    modules = _modules(room)
    graph = networkx.DiGraph()
    for name, path in modules.items():
        for candidates in _imported(name, path):
            graph.add_edge(name, next((known for known in candidates if known in modules), ""))
    return [sorted(group) for group in networkx.strongly_connected_components(graph) if len(group) > 1]


@pytest.mark.parametrize("room", ["backend", "blender_addon"])
def test_no_import_circle(room: str) -> None:
    assert import_circles(REPOSITORY / room) == []


def test_a_circle_through_a_function_is_found(tmp_path: Path) -> None:
    room = tmp_path / "room"
    (room / "panels").mkdir(parents=True)
    for file, source in {"__init__.py": "", "settings.py": "def draw():\n    from .panels.box import box\n",
                         "panels/__init__.py": "", "panels/box.py": "from .. import settings\nfrom ..words import w\n",
                         "words.py": "import os\n"}.items():
        (room / file).write_text(source)
    assert import_circles(room) == [["room.panels.box", "room.settings"]]
