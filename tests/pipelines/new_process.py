# SPDX-License-Identifier: GPL-3.0-or-later
"""A contract's trials in a process of its own, with another seed for Python's hashes, under the same fixtures."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
_ASKED = "MESHWRIGHT_TEST_NEW_PROCESS"
Hashes = dict[str, dict[str, str]]
"""SHA-256 by trial and file."""


@dataclass(frozen=True)
class Asked:
    """What a new process is to do: run all trials with these folders of weights, and write their hashes."""

    out: Path
    folders: Mapping[str, Path]

    @classmethod
    def here(cls) -> "Asked | None":
        """What this process was started for; None in any other."""
        if _ASKED not in os.environ:
            return None
        given = json.loads(os.environ[_ASKED])
        return cls(Path(given["out"]), {name: Path(path) for name, path in given["folders"].items()})

    def run(self, test: str) -> Hashes:
        """Run the test of that id, as `file.py::Class::name`, in a new process; it must call `answer`."""
        given = json.dumps({"out": str(self.out), "folders": {name: str(path) for name, path in self.folders.items()}})
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", test, "-q", "-p", "no:cacheprovider"], cwd=REPOSITORY,
            env={**os.environ, "PYTHONHASHSEED": "7", _ASKED: given}, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout[-3000:]
        found: Hashes = json.loads(self.out.read_text("utf-8"))
        return found

    def answer(self, hashes: Hashes) -> None:
        """Write the hashes for the process that asks."""
        self.out.write_text(json.dumps(hashes), "utf-8")


def hashes_of(files: Mapping[str, bytes]) -> dict[str, str]:
    """The SHA-256 of each content."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
