# SPDX-License-Identifier: GPL-3.0-or-later
"""One word for one thing: where two public classes would have one name, a reader has to ask which is meant."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def classes(folder: Path) -> Iterator[str]:
    """The names of the public classes in the modules below a folder."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name


PIPELINES = [spec.parent for spec in (ROOT / "backend" / "pipelines").glob("*/spec.py")]
BACKEND_ROOMS = [room for room in (ROOT / "backend").iterdir() if room.is_dir() and room.name != "pipelines"]
BACKEND_ROOMS.append(ROOT / "backend" / "pipelines" / "common")
BELOW_PIPELINES = [room for room in BACKEND_ROOMS
                   if room.name in ("contract", "geometry", "painting", "procedural", "training", "common")]


def repeated(names: Counter[str]) -> list[str]:
    return sorted(name for name, count in names.items() if count > 1)


def test_the_rooms_of_the_backend_use_a_name_once():
    assert repeated(Counter(name for room in BACKEND_ROOMS for name in classes(room))) == []


def test_the_extension_uses_a_name_once_and_none_of_what_it_speaks_with():
    extension = Counter(classes(ROOT / "blender_addon"))
    partners = {name for room in ("contract", "worker") for name in classes(ROOT / "backend" / room)}
    assert (repeated(extension), sorted(extension.keys() & partners)) == ([], [])


@pytest.mark.parametrize("pipeline", PIPELINES, ids=lambda folder: folder.name)
def test_a_pipeline_uses_a_name_once_and_none_of_what_it_imports(pipeline):
    """Two pipelines may: each is a room of its own, and the same part of two networks deserves the same name."""
    below = {name for room in BELOW_PIPELINES for name in classes(room)}
    names = Counter(classes(pipeline))
    assert (repeated(names), sorted(names.keys() & below)) == ([], [])


def test_the_rooms_were_found():
    assert len(PIPELINES) >= 6 and len(BELOW_PIPELINES) == 6
