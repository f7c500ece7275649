# SPDX-License-Identifier: GPL-3.0-or-later
"""An image of the front, made first, which then leads all views as an image prompt.

See docs/algorithms/flexisyncmvd.md, section 6.
"""

from collections.abc import Sequence

from torch import Tensor

from ...contract.reports import CountReport
from ..common.sampler import paced
from .denoising import Plan
from .noise_prediction import Control, Guidance, NoisePredictor
from .random_draws import Draws
from .schedule import ControlSchedule
from .sync_step import NoiseLevels

GUIDE_SCALE = 5.0
HALF_STRENGTH = ControlSchedule(0.5, 0.5, 0.0, 1.0)


def guidance_of_guide(guidance: Guidance) -> Guidance:
    """Less guidance than for the views: an ordinary image needs no more."""
    return Guidance(GUIDE_SCALE, together=guidance.together)


def controls_of_front(controls: Sequence[Control], front: int) -> list[Control]:
    """The ControlNets with the front view's image alone."""
    return [Control(control.network, control.images[front : front + 1], HALF_STRENGTH) for control in controls]


def draw_guide(
    predictor: NoisePredictor, plan: Plan, latents: Tensor, draws: Draws, report: CountReport
) -> Tensor:
    """From noise `latents` [1, 4, s, s] to those of one image, without any view or texture."""
    for step in paced(plan.steps, latents.device, report):
        prediction = predictor.predict(latents, step, [scales[step.index] for scales in plan.scales])
        levels = NoiseLevels.between(plan.alphas_cumprod, step.timestep, step.previous)
        clean = levels.clean(latents, prediction.guided, plan.prediction_type)
        noise = draws.normal(f"guide{step.index}.noise", tuple(latents.shape))
        latents = levels.step(clean, latents, noise)
    return latents
