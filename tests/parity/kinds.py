# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of golden files: which function recomputes a file, by the file's pipeline and the start of its name.

A module of this package declares its kinds where it defines their functions:

    @kind("partpacker", "dit_layer")
    def dit_layer(golden: Golden) -> Iterator[Comparison]:
        yield Comparison("y", ours, golden.output("y"))

    companion("partpacker", "bipartite_expected")  # is read by another kind, has no values of its own

Importing the module is all it takes: `load_kinds` imports every module of the package.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path

from .comparison import Comparison
from .golden import Golden, pipeline_named

Case = Callable[[Golden], Iterator[Comparison]]
"""Recomputes one golden file and yields what it compares. It may leave outputs out only by `Golden.leave_out`."""

_CASES: dict[str, dict[str, Case | None]] = {}
"""Pipeline -> start of the file's name -> its case, or None for a companion."""


class UnknownKindError(ValueError):
    """No declared kind fits the file."""


def kind(pipeline: str, *prefixes: str) -> Callable[[Case], Case]:
    """Decorator: the function recomputes the files of `pipeline` whose names start with one of `prefixes`.

    Where several prefixes fit a name, the longest counts: `dit` takes `dit_small`, but not `dit_layer_small`.
    """

    def declare(case: Case) -> Case:
        for prefix in prefixes:
            _declare(pipeline, prefix, case)
        return case

    return declare


def companion(pipeline: str, *prefixes: str) -> None:
    """Declare files of `pipeline` that other kinds read and that hold nothing to compare on their own."""
    for prefix in prefixes:
        _declare(pipeline, prefix, None)


def _declare(pipeline: str, prefix: str, case: Case | None) -> None:
    cases = _CASES.setdefault(pipeline_named(pipeline), {})
    if prefix in cases:
        raise ValueError(f"{pipeline} has two kinds with the prefix {prefix!r}")
    cases[prefix] = case


def load_kinds() -> None:
    """Import the modules of this package, which declare their kinds."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name != "__main__" and not module.name.startswith("test_"):
            importlib.import_module(f"{__package__}.{module.name}")


def is_known(path: Path) -> bool:
    """Whether a kind or companion is declared for the file at `path`."""
    try:
        case_of(path)
    except UnknownKindError:
        return False
    return True


def case_of(path: Path) -> tuple[Golden, Case | None]:
    """The golden file at `path` and its case, None for a companion. Raises UnknownKindError."""
    pipeline = next((pipeline_named(f.name) for f in path.resolve().parents if pipeline_named(f.name) in _CASES), None)
    if pipeline is None:
        raise UnknownKindError(f"no folder above the file is named like a pipeline; known are {', '.join(_CASES)}")
    fitting = [prefix for prefix in _CASES[pipeline] if path.stem.startswith(prefix)]
    if not fitting:
        known = ", ".join(sorted(_CASES[pipeline]))
        raise UnknownKindError(f"{pipeline} has no kind of golden file for {path.stem!r}; known are {known}")
    prefix = max(fitting, key=len)
    return Golden(path, pipeline, prefix), _CASES[pipeline][prefix]
