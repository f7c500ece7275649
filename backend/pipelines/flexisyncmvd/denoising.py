# SPDX-License-Identifier: GPL-3.0-or-later
"""From noise to the views' latents, all views together (docs/algorithms/flexisyncmvd.md, section 7)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from torch import Tensor

from ...contract.reports import CountReport, ignore
from ..common.sampler import paced
from .backgrounds import DRAWN_FROM, composite
from .noise_prediction import NoisePredictor, Prediction
from .random_draws import Draws
from .schedule import Palette, SamplingStep
from .sync_step import NoiseLevels, Projection, Synchronized, step_texture, step_views


class SyncMode(StrEnum):
    """Where the image walks down the noise schedule: in the texture, as published, or in each view.

    See docs/algorithms/flexisyncmvd.md, section 7.
    """

    TEXTURE = "texture"
    VIEWS = "views"


@dataclass(frozen=True)
class Plan:
    """What is the same for every job with the same number of steps.

    `alphas_cumprod` and `prediction_type` are the scheduler's; `scales` holds each ControlNet's strengths by step.
    """

    steps: Sequence[SamplingStep]
    alphas_cumprod: Tensor
    prediction_type: str
    scales: Sequence[Sequence[float]] = ()


@dataclass(frozen=True)
class StepOutcome:
    """A finished step: the views [V, 4, s, s] that it leads to, each view's own prediction of the clean image, and
    in synchronized steps what came about in the texture."""

    step: SamplingStep
    views: Tensor
    clean: Tensor
    prediction: Prediction
    synchronized: Synchronized | None


@dataclass
class _State:
    views: Tensor
    texture: Tensor
    colors: Tensor


def denoise(
    predictor: NoisePredictor,
    projection: Projection,
    plan: Plan,
    backgrounds: Tensor,
    views: int,
    draws: Draws,
    mode: SyncMode = SyncMode.TEXTURE,
    on_step: Callable[[StepOutcome], None] = ignore,
    report: CountReport = ignore,
) -> Tensor:
    """Latents [V, 4, s, s] in float32. `backgrounds` [14, 4, s, s] are scaled color latents, on the device
    of all that is drawn and computed."""
    state = _start(projection, plan, backgrounds, views, draws)
    for step in paced(plan.steps, backgrounds.device, report):
        scales = [scales[step.index] for scales in plan.scales]
        prediction = predictor.predict(state.views, step, scales)
        outcome = _advance(state, prediction, projection, plan, step, backgrounds, draws, mode)
        if step.palette_after is not Palette.UNCHANGED:
            choices = DRAWN_FROM[step.palette_after]
            state.colors = draws.colors(step.index + 1, views, choices)
        on_step(outcome)
    return state.views


def _start(
    projection: Projection, plan: Plan, backgrounds: Tensor, views: int, draws: Draws
) -> _State:
    shape = (views, *backgrounds.shape[1:])
    around = draws.normal("initial_latents", shape)
    texture = draws.normal("noise_texture", (shape[1], *projection.texture_size))
    noise = draws.normal("initial_background_noise", shape)
    alpha_bar = float(plan.alphas_cumprod[plan.steps[0].timestep + 1])
    on_background = _on_background(projection.render(texture), around, alpha_bar, noise)
    return _State(on_background, texture, draws.colors(0, views, DRAWN_FROM[Palette.ALL]))


def _advance(
    state: _State,
    prediction: Prediction,
    projection: Projection,
    plan: Plan,
    step: SamplingStep,
    backgrounds: Tensor,
    draws: Draws,
    mode: SyncMode,
) -> StepOutcome:
    levels = NoiseLevels.between(plan.alphas_cumprod, step.timestep, step.previous)
    clean = levels.clean(state.views, prediction.guided, plan.prediction_type)
    shape, name = tuple(state.views.shape), f"step{step.index}"
    if not step.synchronized:
        noise = draws.normal(f"{name}.view_noise", shape)
        state.views = levels.step(clean, state.views, noise)
        return StepOutcome(step, state.views, clean, prediction, None)
    if mode is SyncMode.TEXTURE:
        noise = draws.normal(f"{name}.texture_noise", tuple(state.texture.shape))
        done = step_texture(projection, levels, clean, state.texture, step.exponent, noise)
    else:
        noise = draws.normal(f"{name}.view_noise", shape)
        done = step_views(projection, levels, clean, state.views, step.exponent, noise)
    noise = draws.normal(f"{name}.background_noise", shape)
    state.texture = done.texture if done.texture is not None else state.texture
    state.views = _on_background(done.views, backgrounds[state.colors].float(), levels.alpha_bar, noise)
    return StepOutcome(step, state.views, clean, prediction, done)


def _on_background(rendered: Tensor, background: Tensor, alpha_bar: float, noise: Tensor) -> Tensor:
    """Rendered views with alpha as the last channel [V, C + 1, s, s] before a noised background."""
    return composite(background, rendered[:, :-1], rendered[:, -1:], alpha_bar, noise)
