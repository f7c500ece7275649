# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of a result: what an earlier run wrote there is replaced as a whole, all else of it stays."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..contract import Result

SUMMARY = "result.json"


@contextmanager
def replaced_files(target: Path, formats: tuple[str, ...]) -> Iterator[Path]:
    """Yield a folder to write into; on leaving, its files take the places of an earlier run's in `target`.

    `formats` are those of meshes, which do not stand in `result.json`. When the body raises, `target` stays as it was.
    Raises OSError.
    """
    target.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=target))
    try:
        yield draft
        for name in _earlier_files(target, formats):
            (target / name).unlink(missing_ok=True)
        for file in draft.iterdir():
            file.replace(target / file.name)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _earlier_files(target: Path, formats: tuple[str, ...]) -> set[str]:
    """Names of the files that `result.json` of an earlier run stands for."""
    try:
        result = Result.from_json(json.loads((target / SUMMARY).read_text("utf-8")))
    except (OSError, ValueError):  # none, or the artist's own file of that name
        return set()
    names = {SUMMARY, "log.txt"}
    for artifact in result.artifacts:
        if artifact.kind == "mesh":
            names |= {f"{artifact.name}.{suffix}" for suffix in formats}
            names |= {f"{target.name}_{artifact.group.replace('.', '')}.obj", f"{target.name}.glb"}
        else:
            names |= {artifact.file, f"{target.name}.glb"}
    return {name for name in names if Path(name).name == name}
