# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line: `python -m tests.parity PATH...` compares golden files, or all of a folder, and prints a table."""

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from . import CASES
from .comparison import Comparison
from .golden import Golden


def load_cases() -> None:
    """Import the modules of this package that fill `CASES`."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name != "__main__" and not module.name.startswith("test_"):
            importlib.import_module(f"{__package__}.{module.name}")


def golden_files(paths: list[Path]) -> list[Path]:
    """Every safetensors file among `paths` and in the folders among them; FileNotFoundError if there is none."""
    files = [file for path in paths for file in (sorted(path.rglob("*.safetensors")) if path.is_dir() else [path])]
    missing = [str(file) for file in files if not file.is_file()]
    if missing or not files:
        raise FileNotFoundError(f"no golden file at {', '.join(missing or map(str, paths))}")
    return files


def compare(path: Path) -> tuple[Golden, Iterator[Comparison]]:
    """The golden file at `path` and its comparisons; ValueError when the case is unknown."""
    golden = Golden.open(path, {pipeline for pipeline, _ in CASES})
    if (golden.pipeline, golden.case) not in CASES:
        known = ", ".join(sorted(case for pipeline, case in CASES if pipeline == golden.pipeline))
        raise ValueError(f"{path}: {golden.pipeline} has no case {golden.case!r}; known are {known}")
    return golden, CASES[golden.pipeline, golden.case](golden)


@torch.no_grad()
def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__)
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="golden file, or folder of golden files")
    paths = parser.parse_args(arguments).paths
    load_cases()
    try:
        files = golden_files(paths)
        failed = sum(_report(path) for path in files)
    except (FileNotFoundError, ValueError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(f"{len(files)} files, {failed} values out of tolerance\n")
    return 1 if failed else 0


def _report(path: Path) -> int:
    """Print the table of one file; how many values are out of tolerance."""
    golden, comparisons = compare(path)
    failed = 0
    for comparison in comparisons:
        failed += not comparison.passed
        verdict = "" if comparison.passed else "  FAILED"
        case = f"{golden.pipeline}/{golden.case}"
        sys.stdout.write(
            f"{case:28} {comparison.name:44} {comparison.error:9.2e}  tolerance {comparison.tolerance:.0e}{verdict}\n"
        )
    return failed


if __name__ == "__main__":
    sys.exit(main())
