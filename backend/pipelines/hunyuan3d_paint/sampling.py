# SPDX-License-Identifier: GPL-3.0-or-later
"""From noise to the latents of all materials in all views (docs/algorithms/hunyuan3d_paint.md, "Sampling")."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import UniPCMultistepScheduler
from torch import Tensor

from ...contract.reports import CountReport, ignore
from ..common.sampler import guided, paced
from .conditions import Conditions
from .unet import PaintUNet

SCHEDULE: Mapping[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "steps_offset": 1,
}


def paint_scheduler(schedule: Mapping[str, Any] = SCHEDULE) -> UniPCMultistepScheduler:
    """UniPC for a noise schedule, from the last training step down: the first latents are noise alone."""
    scheduler: UniPCMultistepScheduler = UniPCMultistepScheduler.from_config(
        dict(schedule), timestep_spacing="trailing"
    )
    return scheduler


@dataclass(frozen=True)
class Predictor:
    """The guided velocity of all latents.

    Attributes:
        unet: the painting network.
        controls: `[N, 8, h, h]`, latents of the normal and of the position maps.
        passes: conditions, one or two branches in all, the unguided one first. In one pass they run together, in
            two they need half the memory.
        guidance: how far to go from the unguided to the full prediction; 1 with a single branch.
    """

    unet: PaintUNet
    controls: Tensor
    passes: Sequence[Conditions]
    guidance: float

    def __call__(self, latents: Tensor, timestep: Tensor | int) -> Tensor:
        """Velocity float32 `[P * N, 4, h, h]` of latents of that shape."""
        branches = self.branches(latents, timestep)
        if len(branches) == 1:
            return branches[0]
        unconditional, conditional = branches
        return guided(conditional, unconditional, self.guidance)

    def branches(self, latents: Tensor, timestep: Tensor | int) -> Tensor:
        """Velocity of each branch, float32 `[B, P * N, 4, h, h]`."""
        controls = self.controls.repeat(len(latents) // len(self.controls), 1, 1, 1)
        sample = torch.cat([latents.to(self.controls.dtype), controls], dim=1).to(self.unet.dtype)
        outputs = [
            self.unet(sample.repeat(conditions.branches, 1, 1, 1), timestep, conditions) for conditions in self.passes
        ]
        return torch.cat(outputs).float().unflatten(0, (-1, len(latents)))


def sample(
    predict: Callable[[Tensor, Tensor], Tensor],
    scheduler: UniPCMultistepScheduler,
    latents: Tensor,
    steps: int,
    report: CountReport = ignore,
) -> Tensor:
    """Clean latents float32 of the shape of `latents`, which are noise."""
    scheduler.set_timesteps(steps, device=latents.device)
    for timestep in paced(list(scheduler.timesteps), latents.device, report):
        latents = scheduler.step(predict(latents, timestep), timestep, latents, return_dict=False)[0]
    return latents
