# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a result is placed and how large it is. World frame, meters."""

from dataclasses import dataclass

import numpy as np

from ..delivery_note import DeliveryNote, Target


@dataclass(frozen=True)
class Placement:
    """A point p of the result's own frame goes to `location + (p - origin) * scale`."""

    origin: np.ndarray
    scale: float
    location: np.ndarray

    def local(self, point: np.ndarray) -> np.ndarray:
        """The point relative to `location`."""
        return (point - self.origin) * self.scale


def placement(note: DeliveryNote, low: np.ndarray, high: np.ndarray) -> Placement:
    """Place bounds `low`, `high` (float64 [3]) on the cursor at the wanted size, or inside the targets' bounds."""
    extent = high - low
    if note.fit and note.targets:
        target_low, target_high = target_bounds(note.targets)
        room = target_high - target_low
        fitting = extent > 1e-9
        return Placement(_foot(low, high), float((room[fitting] / extent[fitting]).min()),
                         _foot(target_low, target_high))
    return Placement(_foot(low, high), note.size / max(float(extent.max()), 1e-9), np.array(note.cursor, np.float64))


def in_place(low: np.ndarray, high: np.ndarray, origin: tuple[float, ...]) -> Placement:
    """Where the result already is as seen from `origin` in the world, with its location at the middle of the bounds'
    bottom.
    """
    return Placement(_foot(low, high), 1.0, _foot(low, high) + origin)


def target_bounds(targets: tuple[Target, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest corner, float64 [3] each, of all targets."""
    return (np.min([target.low for target in targets], axis=0).astype(np.float64),
            np.max([target.high for target in targets], axis=0).astype(np.float64))


def _foot(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The middle of the bounds' bottom."""
    middle: np.ndarray = (low + high) / 2
    middle[2] = low[2]
    return middle
