# SPDX-License-Identifier: GPL-3.0-or-later
"""Loaded models: the one in use stays, others only while there is room; the least recently used goes first."""

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..contract import MemoryMode, PipelineSpec, Resources, WeightSet
from . import devices
from .memory_modes import HEADROOM

logger = logging.getLogger(__name__)

Key = tuple[str, str, str, str, str]


class ModelStore:
    """Keeps models between jobs. Used from the thread that runs jobs only."""

    def __init__(self) -> None:
        self._models: OrderedDict[Key, Any] = OrderedDict()

    def get(self, spec: PipelineSpec, weights: WeightSet, resources: Resources, load: Callable[[], Any]) -> Any:
        """The kept model, or what `load` gives after room was made for it. What `load` raises leaves nothing behind."""
        key = _key(spec, weights, resources)
        if key not in self._models:
            self._make_room(weights.memory[resources.memory_mode] * HEADROOM, resources.device)
            self._models[key] = load()
        self._models.move_to_end(key)
        return self._models[key]

    def holds(self, spec: PipelineSpec, weights: WeightSet, resources: Resources) -> bool:
        """Whether a job with these weights would start without loading."""
        return _key(spec, weights, resources) in self._models

    def mode_of(self, spec: PipelineSpec, weights: WeightSet, resources: Resources) -> MemoryMode | None:
        """The memory mode in which these weights are loaded on these devices, the fastest first; None if they are not.
        """
        return next((mode for mode in weights.memory_modes
                     if self.holds(spec, weights, replace(resources, memory_mode=mode))), None)

    def free(self) -> None:
        """Unload everything."""
        self._models.clear()
        devices.release_unused()

    def forget(self, spec: PipelineSpec, weights: WeightSet) -> None:
        """Unload one set, whose files have changed."""
        for key in [key for key in self._models if key[:2] == (spec.name, weights.name)]:
            del self._models[key]
        devices.release_unused()

    def _make_room(self, gib: float, device: str) -> None:
        while self._models and devices.free_gib(device) < gib:
            key, _ = self._models.popitem(last=False)
            logger.info("Unloading %s (%s): %.1f GiB are needed on %s", key[0], key[1], gib, device)
            devices.release_unused()


def _key(spec: PipelineSpec, weights: WeightSet, resources: Resources) -> Key:
    return spec.name, weights.name, resources.device, resources.second_device, resources.memory_mode
