# SPDX-License-Identifier: GPL-3.0-or-later
"""Every task of every pipeline, in the order of the tab, with the one name that its Blender classes share."""

import functools
import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import bpy

from .backend.contract import DOWNLOAD_WEIGHTS, Delivery, PipelineSpec, Request, TaskSpec, WeightSet
from .backend.pipelines import registry

LONGEST_KEY = 49
"""Blender's class names have at most 63 characters, and "MESHWRIGHT_OT_" takes 14."""
PLAIN_ICON = "PLAY"
_DIGEST = 8
_ORDER: dict[Delivery, int] = {"parts": 0, "object": 1, "material": 2, "replace": 3, "groups": 4, "text": 5}
"""Generators first, then what works on a mesh that is there. Workflows, which are made of these, come last."""


@dataclass(frozen=True, eq=False)
class OfferedTask:
    """A task of a pipeline. `key` names its property group and its operator; `label` is what the artist
    reads there. Both are unique among all."""

    spec: PipelineSpec
    task: TaskSpec
    key: str
    label: str

    @property
    def weights(self) -> tuple[WeightSet, ...]:
        """The sets of weights that serve it, the default first; none for a task that needs no weights."""
        return self.spec.weights_for(self.task)


_offered: tuple[OfferedTask, ...] = ()


def refresh(reserved: Collection[str]) -> None:
    """Read the pipelines' specs once more. No task gets one of the `reserved` names as its key."""
    global _offered
    pairs = [(spec, task) for spec in registry.specs().values() for task in spec.tasks]
    in_order = sorted(pairs, key=lambda pair: (pair[0].name == registry.WORKFLOW, _ORDER[pair[1].delivery]))
    _offered = tuple(_keyed(in_order, reserved))


def offered() -> tuple[OfferedTask, ...]:
    """All tasks, in their order in the tab."""
    return _offered


def find(pipeline: str, task: str) -> OfferedTask | None:
    """The task of that name of the pipeline of that name; None when there is none."""
    return next((item for item in _offered if (item.spec.name, item.task.name) == (pipeline, task)), None)


def label_of(request: Request) -> str:
    """What the artist calls the task of a job; its name where this version does not have it."""
    known = find(request.pipeline, request.task)
    return known.label if known else DOWNLOAD_WEIGHTS.label if request.task == DOWNLOAD_WEIGHTS.name else request.task


def icon_of(request: Request) -> str:
    """Blender's icon of the task of a job."""
    known = find(request.pipeline, request.task)
    return blender_icon(known.task) if known else "IMPORT" if request.task == DOWNLOAD_WEIGHTS.name else PLAIN_ICON


def blender_icon(task: TaskSpec) -> str:
    """The task's icon; a plain one where it has none, or names one that this Blender does not have."""
    return task.icon if task.icon in _icons() else PLAIN_ICON


@functools.cache
def _icons() -> frozenset[str]:
    return frozenset(bpy.types.UILayout.bl_rna.functions["label"].parameters["icon"].enum_items.keys())


def identifier(name: str) -> str:
    """The name with an underscore in the place of what a Python name cannot have."""
    return re.sub(r"\W", "_", name)


def _keyed(pairs: Iterable[tuple[PipelineSpec, TaskSpec]], reserved: Collection[str]) -> Iterator[OfferedTask]:
    """The key is `pipeline_task` where that is short and unique, else its beginning with a digest of both names; the
    label is the task's, with the pipeline's where several tasks have the same one."""
    plain = [(spec, task, identifier(f"{spec.name}_{task.name}")) for spec, task in pairs]
    counts = Counter(key for _, _, key in plain)
    labels = Counter(task.label for _, task, _ in plain)
    for spec, task, key in plain:
        if len(key) > LONGEST_KEY or counts[key] > 1 or key in reserved:
            digest = hashlib.sha256(f"{spec.name}/{task.name}".encode()).hexdigest()[:_DIGEST]
            key = f"{key[:LONGEST_KEY - _DIGEST - 1]}_{digest}"
        label = task.label if labels[task.label] == 1 else f"{task.label} ({spec.label})"
        yield OfferedTask(spec, task, key, label)
