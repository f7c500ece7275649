# SPDX-License-Identifier: GPL-3.0-or-later
"""The cameras around the object, and which views look at which (spec 2.4, 2.16b)."""

from dataclasses import dataclass
from functools import cached_property

AZIMUTHS = (-180.0, -135.0, -90.0, -45.0, 0.0, 45.0, 90.0, 135.0)
TOP_ELEVATION = 30.0


@dataclass(frozen=True)
class Pose:
    """Where a camera stands, in degrees: azimuth 0 before the object's front, 90 at its +X side; it looks at the
    origin."""

    elevation: float
    azimuth: float


@dataclass(frozen=True)
class CameraRig:
    """A ring of cameras at elevation 0, and two that look down on front and back.

    `azimuths` in degrees, in the order in which neighbours attend to each other; the ring closes. `reference` finds the
    front as the original does, which takes an azimuth of -10 for one of 350 and so for no front.
    """

    azimuths: tuple[float, ...] = AZIMUTHS
    top_cameras: bool = True
    reference: bool = False

    @classmethod
    def even(cls, count: int, top_cameras: bool = True) -> "CameraRig":
        """`count` cameras evenly around the object, one of them before its front if the count is even."""
        return cls(tuple(-180.0 + 360.0 * i / count for i in range(count)), top_cameras)

    @cached_property
    def poses(self) -> tuple[Pose, ...]:
        """The ring, then the top cameras; azimuths in [0, 360)."""
        tops = (Pose(TOP_ELEVATION, 0.0), Pose(TOP_ELEVATION, 180.0)) if self.top_cameras else ()
        return (*(Pose(0.0, azimuth % 360) for azimuth in self.azimuths), *tops)

    @cached_property
    def front(self) -> int:
        """Index of the view that shows the front: every view may look at it."""
        azimuths = [azimuth % 360 for azimuth in self.azimuths]
        if self.reference:
            return azimuths.index(min(azimuths))
        return min(range(len(azimuths)), key=lambda i: min(azimuths[i], 360 - azimuths[i]))

    @cached_property
    def back(self) -> int:
        """Index of the view that shows the back."""
        return min(range(len(self.azimuths)), key=lambda i: abs(self.azimuths[i] % 360 - 180))

    @cached_property
    def neighbours(self) -> tuple[tuple[int, ...], ...]:
        """For each view the views whose keys and values it attends to."""
        count = len(self.azimuths)
        ring = [((i - 1) % count, i, (i + 1) % count) for i in range(count)]
        tops = [(self.front, count), (self.back, count + 1)] if self.top_cameras else []
        return (*ring, *tops)
