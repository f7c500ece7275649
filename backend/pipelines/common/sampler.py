# SPDX-License-Identifier: GPL-3.0-or-later
"""The sampler's schedule and starting noise: flow matching with Euler steps (spec section 2.5).

Convention: `x = (1 - sigma) data + sigma noise`, the denoiser predicts `noise - data`, its timestep is 1000 sigma.
"""

import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor

SHIFT = 3.0


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
