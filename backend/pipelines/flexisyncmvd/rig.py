# SPDX-License-Identifier: GPL-3.0-or-later
"""The cameras around the object, and which views look at which (docs/algorithms/flexisyncmvd.md, sections 2 and 7)."""

from dataclasses import dataclass
from functools import cached_property
from math import atan, degrees

from ...geometry.projection import Cameras, orbit_cameras

AZIMUTHS = (-180.0, -135.0, -90.0, -45.0, 0.0, 45.0, 90.0, 135.0)
TOP_ELEVATION = 30.0
DISTANCE = 4.0
PERSPECTIVE = degrees(2 * atan(1 / DISTANCE))
"""Field of view at which a perspective camera sees as much around the origin as an orthographic one."""


@dataclass(frozen=True)
class Pose:
    """Where a camera stands, in degrees: azimuth 0 before the object's front, 90 at its +X side; it looks at the
    origin."""

    elevation: float
    azimuth: float


@dataclass(frozen=True)
class CameraRig:
    """A ring of cameras, two that look down on front and back, and two that look up at them.

    All angles in degrees. `azimuths` are in the order in which neighbors attend to each other; the ring closes.
    `height` is the elevation of the cameras above, and below zero of those below.
    """

    azimuths: tuple[float, ...] = AZIMUTHS
    elevation: float = 0.0
    top_cameras: bool = True
    bottom_cameras: bool = False
    height: float = TOP_ELEVATION

    @staticmethod
    def even(count: int) -> tuple[float, ...]:
        """Azimuths of `count` cameras evenly around, one of them before the front if the count is even."""
        return tuple(-180.0 + 360.0 * i / count for i in range(count))

    @cached_property
    def poses(self) -> tuple[Pose, ...]:
        """The ring, the cameras above, the cameras below; azimuths in [0, 360)."""
        ring = (Pose(self.elevation, azimuth % 360) for azimuth in self.azimuths)
        return (*ring, *(Pose(elevation, azimuth) for elevation in self._heights for azimuth in (0.0, 180.0)))

    def cameras(self, perspective: bool = False) -> Cameras:
        """The cameras at the poses, on the CPU."""
        poses = [(pose.elevation, pose.azimuth) for pose in self.poses]
        return orbit_cameras(poses, distance=DISTANCE, field_of_view=PERSPECTIVE if perspective else None)

    @property
    def _heights(self) -> tuple[float, ...]:
        """Elevations of the pairs before front and back."""
        return (self.height,) * self.top_cameras + (-self.height,) * self.bottom_cameras

    @cached_property
    def front(self) -> int:
        """Index of the view that shows the front: every view may look at it."""
        azimuths = [azimuth % 360 for azimuth in self.azimuths]
        return min(range(len(azimuths)), key=lambda i: min(azimuths[i], 360 - azimuths[i]))

    @cached_property
    def back(self) -> int:
        """Index of the view that shows the back."""
        return min(range(len(self.azimuths)), key=lambda i: abs(self.azimuths[i] % 360 - 180))

    @cached_property
    def neighbors(self) -> tuple[tuple[int, ...], ...]:
        """For each view the views whose keys and values it attends to."""
        count = len(self.azimuths)
        ring = [((i - 1) % count, i, (i + 1) % count) for i in range(count)]
        pairs = [(seen, count + 2 * pair + side) for pair in range(len(self._heights))
                 for side, seen in enumerate((self.front, self.back))]
        return (*ring, *pairs)
