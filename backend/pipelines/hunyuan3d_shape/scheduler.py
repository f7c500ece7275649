# SPDX-License-Identifier: GPL-3.0-or-later
"""The times of the sampler's steps, from 0 (noise) to 1 (data); each step is an Euler step of the velocity.

See docs/algorithms/hunyuan3d_shape.md, "Sampling".
"""

from typing import Literal

import numpy as np
import torch
from diffusers import ConfigMixin
from diffusers.configuration_utils import register_to_config
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from torch import Tensor

ScheduleKind = Literal["flow", "consistency"]
CONSISTENCY_GRID = 1000
"""Points of the grid from which the consistency schedule chooses."""


class ShapeScheduler(SchedulerMixin, ConfigMixin):
    """Even times for flow matching ("flow"), or the anchors of a distilled consistency model ("consistency").

    Time runs the other way than in diffusers' own flow scheduler.
    """

    @register_to_config
    def __init__(self, kind: ScheduleKind = "flow", shift: float = 1.0, anchors: int = 100):
        """`anchors` is the number of phases that a consistency model was distilled for."""

    def times(self, steps: int) -> Tensor:
        """Bounds of the steps, float32 `[S + 1]` from 0 to 1.

        For flow matching S is `steps - 1` (and 1 for one step): the original's last step starts and ends at 1.
        """
        if self.config.kind == "consistency":
            times = self._anchor_times(steps)
        else:
            times = np.linspace(0, 1, max(steps, 2))
            times = self.config.shift * times / (1 + (self.config.shift - 1) * times)
        return torch.from_numpy(times.astype(np.float32))

    def _anchor_times(self, steps: int) -> np.ndarray:
        grid = np.linspace(0, 1, CONSISTENCY_GRID)
        ends = np.arange(1, self.config.anchors) * (CONSISTENCY_GRID // self.config.anchors) - 1
        anchors = np.concatenate([[0], ends])
        chosen = np.arange(steps) * self.config.anchors // steps
        return np.append(grid[anchors[chosen]], 1.0)
