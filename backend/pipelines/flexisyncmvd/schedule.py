# SPDX-License-Identifier: GPL-3.0-or-later
"""What each denoising step does: when views are blended and how sharply, when they look at the front, how strong each
ControlNet is (docs/algorithms/flexisyncmvd.md, sections 6 and 7)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from diffusers import DDPMScheduler

TRAIN_STEPS = 1000
CLEAN = -1
"""The timestep of the image without noise."""


class Palette(StrEnum):
    """Which background colors may be drawn after a step."""

    ALL = "all"
    BLACK_AND_WHITE = "black and white"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class SyncSchedule:
    """How the views are kept together, as shares of the noise schedule that have passed.

    Views are blended until `sync_end`, weighted by the cosine of the viewing angle to an exponent that rises from
    `exponent_start` to `exponent_end`. They look at the front until `reference_end`. Background colors are any until
    `colors_end`, then black or white until `shuffle_end`.
    """

    sync_end: float = 0.8
    exponent_start: float = 0.0
    exponent_end: float = 6.0
    reference_end: float = 0.2
    colors_end: float = 0.4
    shuffle_end: float = 0.8


@dataclass(frozen=True)
class SamplingStep:
    """One step of the sampler. `previous` is the timestep it leads to, possibly `CLEAN`."""

    index: int
    timestep: int
    previous: int
    synchronized: bool
    exponent: float
    reference_weight: float
    palette_after: Palette


@dataclass(frozen=True)
class ControlSchedule:
    """Strength of one ControlNet from `scale` to `scale_end` while the share of steps in [start, end] passes."""

    scale: float = 0.7
    scale_end: float = 0.9
    start: float = 0.0
    end: float = 0.99


def ddpm_scheduler(prediction_type: str = "epsilon", **config: object) -> DDPMScheduler:
    """The only sampler, at Stable Diffusion's noise schedule unless `config` says otherwise."""
    settings = {
        "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": False,
        "steps_offset": 1, "timestep_spacing": "leading", "prediction_type": prediction_type,
    }
    return DDPMScheduler(**(settings | config))


def plan_steps(timesteps: Sequence[int], schedule: SyncSchedule) -> list[SamplingStep]:
    """The steps at these timesteps of 1000, which fall by 1000 // their number."""
    count = len(timesteps)
    stride = TRAIN_STEPS // count
    rise = (schedule.exponent_end - schedule.exponent_start) / count
    # As in the original, thresholds are compared in floats: t = 200 lies above (1 - 0.8) * 1000 = 199.99999999999994.
    return [
        SamplingStep(
            index,
            timestep,
            max(timestep - stride, CLEAN),
            timestep > (1 - schedule.sync_end) * TRAIN_STEPS,
            schedule.exponent_start + rise * index,
            1.0 if timestep > TRAIN_STEPS * (1 - schedule.reference_end) else 0.0,
            _palette(1 - timestep / TRAIN_STEPS, schedule),
        )
        for index, timestep in enumerate(timesteps)
    ]


def _palette(passed: float, schedule: SyncSchedule) -> Palette:
    if passed < schedule.colors_end:
        return Palette.ALL
    return Palette.BLACK_AND_WHITE if passed < schedule.shuffle_end else Palette.UNCHANGED


def control_scales(control: ControlSchedule, timesteps: Sequence[int]) -> list[float]:
    """Strength of a ControlNet at each step; 0 outside its window, where it need not run."""
    count = len(timesteps)
    scales = [_scale(control, 1 - timestep / TRAIN_STEPS) for timestep in timesteps]
    inside = [index / count >= control.start and (index + 1) / count <= control.end for index in range(count)]
    return [scale if keep else 0.0 for scale, keep in zip(scales, inside, strict=True)]


def _scale(control: ControlSchedule, passed: float) -> float:
    if passed < control.start:
        return control.scale
    if passed > control.end:
        return control.scale_end
    share = (passed - control.start) / (control.end - control.start)
    return (1 - share) * control.scale + share * control.scale_end
