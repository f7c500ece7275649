# SPDX-License-Identifier: GPL-3.0-or-later
"""Every set of weights as a card of the preferences: what is on the disk of it, looked up seldom and never hashed."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from . import jobs
from .backend.contract import WEIGHTS_TASKS, PipelineSpec, WeightSet
from .backend.pipelines import registry
from .preferences import models_folder

Presence = Literal["included", "complete", "partial", "absent"]
SECONDS_BETWEEN = 5.0
"""What was looked up is shown for so long while nothing of ours has changed it."""


@dataclass(frozen=True)
class ModelCard:
    """One set of weights. `bytes` is what its folder takes, with what has arrived of a download."""

    spec: PipelineSpec
    weights: WeightSet
    presence: Presence
    files: int
    bytes: int

    @property
    def is_shared(self) -> bool:
        """Whether it is a model that several pipelines use."""
        return self.spec.name == registry.SHARED

    @property
    def title(self) -> str:
        """As lists call it."""
        return self.weights.label if self.is_shared else f"{self.spec.label} · {self.weights.label}"

    @property
    def state(self) -> str:
        """What is there, in words."""
        if self.presence == "included":
            return "Included"
        if self.presence == "complete":
            return f"Ready, {self.bytes / 1e9:.2f} GB"
        if self.presence == "partial":
            return f"Incomplete: {self.files} of {len(self.weights.files)} files, {self.bytes / 1e9:.2f} GB"
        return f"Not downloaded, {self.weights.gigabytes:g} GB"

    @property
    def needs(self) -> str:
        """Size, memory and shared models, in words; "" where there is nothing to say."""
        weights = self.weights
        words = [f"{weights.gigabytes:g} GB on disk"] if weights.gigabytes else []
        if weights.memory:
            least = min(weights.memory.values())
            words.append(f"{weights.memory_gib:g} GiB of GPU memory" + (
                f", {least:g} GiB in {weights.memory_modes[-1].title()} mode" if least < weights.memory_gib else ""))
        if weights.components:
            words.append(f"uses {', '.join(part.label for part in weights.components)}")
        return " · ".join(words)

    @property
    def terms(self) -> str:
        """The license in one sentence: what outputs may be used for, and where."""
        license = self.weights.license
        use = "for any purpose" if license.commercial_use else "for non-commercial purposes only"
        return f"{license.name}: outputs may be used {use}, {license.territory}"


_cards: tuple[ModelCard, ...] = ()
_looked_at = float("-inf")
_looked_for: tuple[Path, tuple[str, ...]] = (Path(), ())


def cards() -> tuple[ModelCard, ...]:
    """All sets of weights, shared models last."""
    global _cards, _looked_at, _looked_for
    wanted = (models_folder(), tuple(registry.specs()))
    if time.monotonic() - _looked_at > SECONDS_BETWEEN or wanted != _looked_for:
        _cards, _looked_at, _looked_for = tuple(_look(wanted[0])), time.monotonic(), wanted
    return _cards


def look_again() -> None:
    """Have the next question look at the disk: a job may have changed it."""
    global _looked_at
    _looked_at = float("-inf")


def job_of(card: ModelCard) -> jobs.Job | None:
    """The unfinished job that changes or checks these weights; None while there is none."""
    names = {task.name for task in WEIGHTS_TASKS}
    return next((job for job in jobs.jobs() if not job.ended and job.request.task in names and (
        job.request.pipeline, job.request.weights) == (card.spec.name, card.weights.name)), None)


def disk_words() -> str:
    """What all downloaded weights take, and where they are. Sets that share a folder count once."""
    sizes = {_folder(card.spec, card.weights): card.bytes for card in cards() if card.presence != "included"}
    return f"{sum(sizes.values()) / 1e9:.2f} GB in {models_folder()}"


def _folder(spec: PipelineSpec, weights: WeightSet) -> Path:
    return models_folder() / spec.name / (weights.folder or weights.name)


def _look(models: Path) -> Iterator[ModelCard]:
    for spec in sorted(registry.specs().values(), key=lambda spec: spec.name == registry.SHARED):
        for weights in spec.weights:
            if weights.bundled:
                yield ModelCard(spec, weights, "included", 0, 0)
                continue
            folder = models / spec.name / (weights.folder or weights.name)
            here = sum(_is_there(folder / file.local, file.bytes) for file in weights.files)
            size = _size(folder)
            presence: Presence = "complete" if here == len(weights.files) else "partial" if size else "absent"
            yield ModelCard(spec, weights, presence, here, size)


def _is_there(path: Path, expected: int | None) -> bool:
    try:
        size = path.stat().st_size
    except OSError:
        return False
    return size > 0 and expected in (None, size)


def _size(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(Path(parent, name)).st_size
            except OSError:  # a draft that is renamed at this moment
                continue
    return total
