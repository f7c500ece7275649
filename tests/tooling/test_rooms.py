# SPDX-License-Identifier: GPL-3.0-or-later
"""The rooms' import rules (docs/architecture.md): no arrow points upward, and one pipeline knows no other."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

BACKEND = Path(__file__).resolve().parents[2] / "backend"

BELOW: dict[str, tuple[str, ...]] = {
    "contract": (),
    "geometry": ("contract",),
    "painting": ("contract", "geometry"),
    "procedural": ("contract", "geometry"),
    "training": ("contract", "procedural"),
    "pipelines/common": ("contract", "geometry"),
    "pipelines/<name>": ("contract", "geometry", "painting", "pipelines/common"),
    "pipelines/<name>/training": ("contract", "geometry", "painting", "procedural", "training", "pipelines/common"),
    "workflows": ("contract", "geometry"),
    "pipelines": ("contract", "pipelines/common", "workflows"),
    "weights": ("contract", "pipelines"),
    "worker_client": ("contract", "pipelines"),
    "worker": ("contract", "pipelines", "pipelines/common", "weights", "workflows"),
}
"""What the modules of each room may import besides their own room; "pipelines" is the registry, which finds the specs.
Rooms that are not named here may import all."""


def room_of(path: Path) -> tuple[str, str]:
    """The room of a module below `BACKEND`, and its pipeline, or ""."""
    parts = path.relative_to(BACKEND).with_suffix("").parts
    if parts[0] == "pipelines" and len(parts) > 2 and parts[1] != "common":
        return "pipelines/<name>" + "/training" * (parts[2] == "training"), parts[1]
    return "/".join(parts[:2]) if parts[:2] == ("pipelines", "common") else parts[0], ""


def imported(path: Path) -> Iterator[Path]:
    """The modules and packages of the backend that a module imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            for alias in node.names:
                module = base / alias.name
                found = [place for place in (module.with_suffix(".py"), module / "__init__.py", base.with_suffix(".py"),
                                             base / "__init__.py") if place.is_file()]
                yield found[0]


def forbidden(path: Path) -> Iterator[str]:
    """What a module imports against the rules."""
    room, pipeline = room_of(path)
    if room not in BELOW:
        return
    for target in imported(path):
        other, other_pipeline = room_of(target)
        own = other == room or (room.startswith("pipelines/<name>") and other.startswith("pipelines/<name>"))
        allowed = other_pipeline == pipeline if own else other in BELOW[room]
        if not allowed:
            yield f"{path.relative_to(BACKEND)} imports {target.relative_to(BACKEND)}"


def libraries(path: Path) -> Iterator[str]:
    """Libraries beyond the standard one that a module imports at its top."""
    for node in ast.parse(path.read_text("utf-8")).body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names = [node.module]
        yield from (top for name in names if (top := name.split(".")[0]) not in sys.stdlib_module_names)


def test_no_arrow_points_upward() -> None:
    wrong = [complaint for path in sorted(BACKEND.rglob("*.py")) for complaint in forbidden(path)]
    assert not wrong, "\n".join(wrong)


def test_the_contract_needs_only_numpy() -> None:
    wrong = {f"{path.name}: {name}" for path in (BACKEND / "contract").rglob("*.py") for name in libraries(path)}
    assert {complaint for complaint in wrong if not complaint.endswith(": numpy")} == set()


def test_what_blender_reads_of_the_pipelines_needs_only_numpy() -> None:
    waiting = [BACKEND / "pipelines" / "registry.py", *BACKEND.glob("pipelines/*/spec.py")]
    seen: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            assert set(libraries(path)) <= {"numpy"}, path
            waiting += imported(path)
    assert any("common" in path.parts for path in seen), "the starter license is among them"


@pytest.mark.parametrize(("file", "source", "found"), [
    ("geometry/new.py", "from ..pipelines.common import memory\n", 1),
    ("pipelines/silksong/new.py", "def run():\n    from ..partpacker import denoiser\n", 1),
    ("pipelines/silksong/new.py", "from ...procedural import dense\n", 1),
    ("pipelines/silksong/new.py", "from ..common import memory\nfrom . import spec\n", 0),
    ("contract/new.py", "from ..geometry.frames import blender_to_y_up\n", 1),
])
def test_an_arrow_upward_is_found(file: str, source: str, found: int, monkeypatch: pytest.MonkeyPatch) -> None:
    path, read = BACKEND / file, Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda self, *given: source if self == path else read(self, *given))
    assert len(list(forbidden(path))) == found
