# SPDX-License-Identifier: GPL-3.0-or-later
"""The trials of a contract in a process of its own, with another seed for Python's hashes than any other.

    python -m tests.pipelines.new_process tests.partpacker.test_contract WORK '{"tiny": "FOLDER"}'

prints the SHA-256 of every file of every trial as JSON.
"""

import hashlib
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
Hashes = dict[str, dict[str, str]]
"""By trial and file."""


def hashes_of(files: Mapping[str, bytes]) -> dict[str, str]:
    """The SHA-256 of each content."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def in_new_process(module: str, work: Path, weights: Mapping[str, Path]) -> Hashes:
    """The hashes of all trials of `TestContract` in that module, run in a new process with these folders of weights."""
    folders = json.dumps({name: str(path) for name, path in weights.items()})
    ended = subprocess.run(
        [sys.executable, "-m", __name__, module, str(work), folders],
        cwd=REPOSITORY, env={**os.environ, "PYTHONHASHSEED": "7"}, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    found: Hashes = json.loads(ended.stdout.splitlines()[-1])
    return found


def _main(module: str, work: str, weights: str) -> None:
    from backend.pipelines import registry
    from tests.pipelines.contract import Bench

    contract = importlib.import_module(module).TestContract()
    registry.use_folder(contract.foreign_folder)
    Path(work).mkdir(parents=True)
    bench = Bench(contract, Path(work), {name: Path(path) for name, path in json.loads(weights).items()})
    found = {str(trial): hashes_of(bench.run(trial).files) for trial in contract.trials}
    sys.stdout.write(f"\n{json.dumps(found)}\n")


if __name__ == "__main__":
    _main(*sys.argv[1:])
