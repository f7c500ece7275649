# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line: `python -m tests.parity PATH...` compares golden files, or all of a folder, and prints a table."""

import argparse
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import torch

from .comparison import Comparison
from .golden import Golden
from .kinds import UnknownKindError, case_of, is_known, load_kinds


def golden_files(paths: list[Path]) -> list[Path]:
    """Every golden file among `paths` and in the folders among them; FileNotFoundError if there is none.

    In a folder these are the safetensors files, the JSON files next to one of them, and other JSON files of a known
    kind.
    """
    files = [file for path in paths for file in (_in_folder(path) if path.is_dir() else [path])]
    missing = [str(file) for file in files if not file.is_file()]
    if missing or not files:
        raise FileNotFoundError(f"no golden file at {', '.join(missing or map(str, paths))}")
    return files


def _in_folder(folder: Path) -> list[Path]:
    tensors = set(folder.rglob("*.safetensors"))
    rooms = {file.parent for file in tensors}
    documents = {file for file in folder.rglob("*.json") if file.parent in rooms or is_known(file)}
    return sorted(tensors | documents)


def compare(path: Path) -> tuple[Golden, Iterator[Comparison]]:
    """The golden file at `path` and its comparisons, none for a companion. Raises UnknownKindError.

    If there are none, or outputs of the file that no comparison asked for, a failing one follows.
    """
    golden, case = case_of(path)
    return golden, iter(()) if case is None else _complete(golden, case(golden))


def _complete(golden: Golden, comparisons: Iterator[Comparison]) -> Iterator[Comparison]:
    compared = 0
    for comparison in comparisons:
        compared += 1
        yield comparison
    if not compared:
        yield Comparison("number of compared values", 0, "at least 1")
    if golden.unread_outputs:
        yield Comparison(f"not compared: {', '.join(golden.unread_outputs)}", False, True)


@torch.no_grad()
def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__)
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="golden file, or folder of golden files")
    paths = parser.parse_args(arguments).paths
    load_kinds()
    try:
        files = golden_files(paths)
    except FileNotFoundError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    results = [_report(path) for path in files]
    compared = sum(values for values, _ in results)
    failed = sum(failures for _, failures in results)
    sys.stdout.write(f"{len(files)} files, {compared} values compared, {failed} failures\n")
    return 0 if compared and not failed else 1


def _report(path: Path) -> tuple[int, int]:
    """Print the table of one file; how many values it compared, and how many failures that gave."""
    try:
        golden, comparisons = compare(path)
    except UnknownKindError as error:
        sys.stderr.write(f"error: {path}: {error}\n")
        return 0, 1
    compared = failed = 0
    name = f"{golden.pipeline}/{golden.case}"
    try:
        for comparison in comparisons:
            compared += 1
            failed += not comparison.passed
            verdict = f"tolerance {comparison.tolerance:.0e}" + ("" if comparison.passed else "  FAILED")
            sys.stdout.write(f"{name:28} {comparison.name:44} {comparison.error:9.2e}  {verdict}\n")
    except Exception as error:  # noqa: BLE001 - one damaged file must not keep the others from being compared
        sys.stderr.write("".join(traceback.format_exception(error)) + f"error: {path} could not be compared\n")
        return compared, failed + 1
    for output, reason in golden.left_out.items():
        sys.stdout.write(f"{name:28} {output:44} left out: {reason}\n")
    if not compared:
        sys.stdout.write(f"{name:28} (read by other files' cases)\n")
    return compared, failed


if __name__ == "__main__":
    sys.exit(main())
