# SPDX-License-Identifier: GPL-3.0-or-later
"""One job of the history, as small as thousands of them can be kept and drawn."""

import datetime
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..backend.contract import MeshwrightError, Request, Result, TaskSpec
from ..backend.pipelines import registry
from ..history import Entry, State, entry_of

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True, slots=True)
class Card:
    """One job folder, by its name.

    Attributes:
        started_at: seconds since 1970.
        deliverable: whether it has a result for the scene.
        seen: whether the artist had its result in a scene, or there is none to be had.
        task: the task as the artist calls it.
        seed: None where the result does not depend on it.
        thumbnail: an image of the result, else of what it was made from; None where there is none.
        bytes: size of all files.
        stamp: changes with the folder: nanoseconds.
    """

    name: str
    started_at: float
    state: State
    deliverable: bool
    seen: bool
    subject: str
    task: str
    prompt: str
    seed: int | None
    thumbnail: Path | None
    bytes: int
    stamp: int

    @property
    def words(self) -> str:
        """Task and date."""
        return f"{self.task} · {self.when}"

    @property
    def when(self) -> str:
        """Day and time."""
        return f"{datetime.datetime.fromtimestamp(self.started_at):%d %b %H:%M}"

    def matches(self, search: str) -> bool:
        """Whether every word of the search is somewhere in its texts."""
        text = f"{self.subject} {self.task} {self.prompt} {self.name} {self.state}".casefold()
        return all(word in text for word in search.casefold().split())


def read_card(path: Path, stamp: int) -> Card | None:
    """The card of a job folder; None while there is no request in it."""
    request = path / "request.json"
    if not request.is_file():
        return None
    entry = entry_of(path, request.stat().st_mtime)
    result, asked = _result(entry), entry.request
    task = _task(asked) if asked else None
    deliverable = asked is not None and result is not None and bool(result.artifacts)
    seen = entry.delivered or (asked is not None and result is not None and not result.artifacts)
    return Card(
        name=path.name, started_at=entry.started_at, state=entry.state, deliverable=deliverable, seen=seen,
        subject=asked.subject if asked else path.name, task=task.label if task else asked.task if asked else "Unknown",
        prompt=_prompt(asked, task) if asked and task else "",
        seed=asked.seed if asked and (task is None or task.seeded) else None,
        thumbnail=_thumbnail(entry, result), bytes=sum(status.st_size for status in _files(path)), stamp=stamp)


def _result(entry: Entry) -> Result | None:
    try:
        return entry.folder.read_result()
    except MeshwrightError:
        return None


def _task(request: Request) -> TaskSpec | None:
    try:
        return registry.spec(request.pipeline).task(request.task)
    except MeshwrightError:  # of a pipeline that this version does not have, or a download
        return None


def _prompt(request: Request, task: TaskSpec) -> str:
    texts = [str(request.parameters.get(parameter.name, "")) for parameter in task.parameters
             if parameter.multiline and parameter.default == ""]
    return " ".join(" ".join(texts).split())


def _thumbnail(entry: Entry, result: Result | None) -> Path | None:
    made = [artifact for artifact in result.artifacts if artifact.kind == "image"] if result else []
    made.sort(key=lambda artifact: {"preview": 0, "base_color": 1}.get(artifact.role, 2))
    given = [name for files in (entry.request.inputs.values() if entry.request else ()) for name in files]
    candidates = [entry.folder.thumbnail, *(entry.folder.outputs / Path(artifact.file).name for artifact in made),
                  *(entry.folder.inputs / Path(name).name for name in given)]
    return next((path for path in candidates if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()), None)


def _files(path: Path) -> Iterator[os.stat_result]:
    with os.scandir(path) as items:
        for item in items:
            if item.is_dir(follow_symlinks=False):
                yield from _files(Path(item.path))
            else:
                yield item.stat(follow_symlinks=False)
