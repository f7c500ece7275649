# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop that all samplers share, starting noise, and the schedule of flow matching with Euler steps.

Convention of the schedule (Lipman et al. 2023, as in diffusers): `x = (1 - sigma) data + sigma noise`, the denoiser
predicts `noise - data`, its timestep is 1000 sigma.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor

from ...contract.reports import CountReport
from .pacing import Pace

Step = TypeVar("Step")
SHIFT = 3.0


def paced(steps: Sequence[Step], device: torch.device | str, report: CountReport) -> Iterator[Step]:
    """Go through a sampler's steps at the device's pace; the loop's body queues the work of one.

    After each step `report` is given how many are done, and of how many; what it raises ends the loop.
    """
    pace = Pace(device)
    for done, step in enumerate(steps, start=1):
        yield step
        pace.step()
        report(done, len(steps))


def guided(conditional: Tensor, unconditional: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance (Ho and Salimans 2022), float32: at scale 1 the conditional, at 0 the other."""
    return unconditional.float() + scale * (conditional.float() - unconditional.float())


def flow_scheduler() -> FlowMatchEulerDiscreteScheduler:
    """The published scheduler; its timesteps must be set by `set_flow_timesteps`."""
    return FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=SHIFT)


def set_flow_timesteps(
    scheduler: FlowMatchEulerDiscreteScheduler, steps: int, device: torch.device | str | None = None
) -> Tensor:
    """Set and return the timesteps, float32 `[steps]`, from 1000 downward; the last step ends at sigma 0.

    The grid that is shifted runs evenly from 1 and would end at 0; the scheduler's own default grid ends elsewhere
    and is off by up to 0.049. The timesteps are given too, because the scheduler would round them twice.
    """
    shift = scheduler.config.shift
    grid = [1 - i / steps for i in range(steps)]
    timesteps = [scheduler.config.num_train_timesteps * shift * u / (1 + (shift - 1) * u) for u in grid]
    scheduler.set_timesteps(sigmas=grid, timesteps=timesteps, device=device)
    scheduler.set_begin_index(0)
    return scheduler.timesteps


def starting_noise(
    shape: tuple[int, ...],
    device: torch.device | str,
    seed: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Standard normal float32 noise on `device`.

    A seed is drawn on the CPU whatever the device, so that it names the same noise on every machine; the published
    tool draws on its GPU, so its seeds give other objects. A `generator` is used as it is and goes before the seed.
    """
    if generator is None and seed is not None:
        generator = torch.Generator("cpu").manual_seed(seed)
    return randn_tensor(shape, generator=generator, device=torch.device(device), dtype=torch.float32)
