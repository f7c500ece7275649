# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks' guided answer for all views at one timestep (docs/algorithms/flexisyncmvd.md, sections 5 and 7)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from diffusers.models.attention import BasicTransformerBlock
from torch import Tensor, nn

from ...contract.reports import ignore
from .attention import ViewSharing, beginning_once, sharing_views
from .prompts import TextEncoding, ViewPrompts
from .schedule import ControlSchedule, SamplingStep

POSITIVE, NEGATIVE = "positive", "negative"
ROWS_OF_HINTS = 4
"""Images that a ControlNet embeds at a time: at full resolution one takes much memory."""


@dataclass(frozen=True)
class Guidance:
    """Classifier-free guidance. `together` runs both signs in one batch: faster, the same result, more memory.

    `guess_mode` gives the ControlNets to the positive sign only, weaker in the outer layers.
    """

    scale: float = 15.5
    rescale: float = 0.0
    guess_mode: bool = False
    together: bool = True

    @property
    def signs(self) -> tuple[str, ...]:
        """The predictions needed, the negative one first."""
        return (NEGATIVE, POSITIVE) if self.scale > 1 else (POSITIVE,)

    def combine(self, positive: Tensor, negative: Tensor | None) -> Tensor:
        """The guided prediction of [V, C, s, s] outputs, float32."""
        positive = positive.float()
        if negative is None:
            return positive
        guided = negative.float() + self.scale * (positive - negative.float())
        if not self.rescale:
            return guided
        deviations = positive.std((1, 2, 3), keepdim=True) / guided.std((1, 2, 3), keepdim=True)
        return self.rescale * guided * deviations + (1 - self.rescale) * guided


@dataclass(frozen=True)
class Control:
    """One ControlNet, its images [V, 3, 8 s, 8 s] and its strength over the steps."""

    network: ControlNetModel
    images: Tensor
    schedule: ControlSchedule


@dataclass(frozen=True)
class Conditions:
    """What the views shall show: texts, ControlNets (possibly none), and for each image adapter in the UNet the hidden
    states [2, N, T, W] of its images, negative first."""

    prompts: ViewPrompts
    controls: Sequence[Control] = ()
    image: Sequence[Tensor] = ()


@dataclass(frozen=True)
class Prediction:
    """Outputs [V, C, s, s]: each sign's as the network gave it, and the guided one in float32."""

    guided: Tensor
    positive: Tensor
    negative: Tensor | None


class NoisePredictor:
    """UNet and ControlNets with everything that stays the same from step to step.

    Args:
        conditions: on the device and in the dtype of the UNet.
        sharing: which views look at which; None for images that have nothing to do with each other.
        time_ids: SDXL's sizes [6], None for Stable Diffusion 1.5.
        check: called before every block of the networks; may raise to cancel.
    """

    def __init__(
        self,
        unet: UNet2DConditionModel,
        conditions: Conditions,
        sharing: ViewSharing | None,
        guidance: Guidance,
        time_ids: Tensor | None = None,
        check: Callable[[], None] = ignore,
    ) -> None:
        self._unet, self._sharing, self._guidance, self._check = unet, sharing, guidance, check
        self._controls, prompts = conditions.controls, conditions.prompts
        self._views = len(prompts.positive.sequence)
        signs = guidance.signs
        self._passes = [signs] if guidance.together else [(sign,) for sign in signs]
        self._texts = {part: _joined([getattr(prompts, sign) for sign in part]) for part in self._passes}
        self._added = {part: self._added_conditions(part, conditions.image, time_ids) for part in self._passes}
        self._hinted_signs = 1 if guidance.guess_mode or not guidance.together else len(signs)
        self._images = [control.images.repeat(self._hinted_signs, 1, 1, 1) for control in self._controls]

    def _added_conditions(
        self, part: tuple[str, ...], image: Sequence[Tensor], time_ids: Tensor | None
    ) -> dict[str, Any]:
        text = self._texts[part]
        conditions: dict[str, Any] = {}
        rows = len(text.sequence) // len(part)
        if text.pooled is not None:
            assert time_ids is not None  # SDXL has both
            conditions = {"text_embeds": text.pooled, "time_ids": time_ids.expand(len(text.sequence), -1)}
        if image:
            chosen = [[NEGATIVE, POSITIVE].index(sign) for sign in part]
            conditions["image_embeds"] = [states[chosen].repeat_interleave(rows, dim=0) for states in image]
        return conditions

    @contextmanager
    def prepared(self) -> Iterator[None]:
        """Within, the UNet's views share their attention, and images are embedded once and not at every step."""
        with ExitStack() as stack:
            if self._sharing is not None:
                stack.enter_context(sharing_views(self._unet, self._sharing))
            for network in (self._unet, *(control.network for control in self._controls)):
                stack.enter_context(_fed_in_parts(network, self._views))
                for block in (*network.down_blocks, network.mid_block, *getattr(network, "up_blocks", ())):
                    stack.enter_context(block.register_forward_pre_hook(lambda *_: self._check()))
            for control in self._controls:
                stack.enter_context(beginning_once(control.network, self._hinted_signs))
                stack.enter_context(_computed_once(control.network, "controlnet_cond_embedding", ROWS_OF_HINTS))
            if self._unet.config.encoder_hid_dim_type == "ip_image_proj":
                stack.enter_context(_computed_once(self._unet, "encoder_hid_proj", None))
            yield

    def predict(self, views: Tensor, step: SamplingStep, scales: Sequence[float]) -> Prediction:
        """Outputs for noisy `views` [V, C, s, s]; `scales` are the ControlNets' strengths in this step."""
        views = views.to(self._unet.dtype)
        if self._sharing is not None:
            self._sharing.reference_weight = step.reference_weight
        outputs: dict[str, Tensor] = {}
        for part in self._passes:
            rows = self._pass(part, views, step.timestep, scales)
            outputs |= zip(part, rows.chunk(len(part)), strict=True)
        negative = outputs.get(NEGATIVE)
        return Prediction(self._guidance.combine(outputs[POSITIVE], negative), outputs[POSITIVE], negative)

    def _pass(self, part: tuple[str, ...], views: Tensor, timestep: int, scales: Sequence[float]) -> Tensor:
        rows = views.repeat(len(part), 1, 1, 1)
        at = torch.full((), timestep, device=views.device)  # filled there: a copy would wait for the step before
        down, middle = self._residuals(part, rows, at, scales)
        return self._unet(
            rows,
            at,
            self._texts[part].sequence,
            added_cond_kwargs=self._added[part],
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
            return_dict=False,
        )[0]

    def _residuals(
        self, part: tuple[str, ...], rows: Tensor, at: Tensor, scales: Sequence[float]
    ) -> tuple[list[Tensor] | None, Tensor | None]:
        """The sum of what the ControlNets at work add to the UNet's blocks; None where none is at work."""
        guess = self._guidance.guess_mode
        if guess and POSITIVE not in part:
            return None, None
        text, added = self._texts[part], self._added[part]
        hinted = rows
        if guess:  # the positive sign is the last
            views = len(rows) // len(part)
            hinted, text = rows[-views:], TextEncoding(text.sequence[-views:], text.pooled)
            added = {name: tensor[-views:] for name, tensor in added.items() if name != "image_embeds"}
        total: list[Tensor] | None = None
        for control, images, scale in zip(self._controls, self._images, scales, strict=True):
            if not scale:
                continue
            down, middle = control.network(
                hinted, at, text.sequence, images, scale, added_cond_kwargs=added, guess_mode=guess, return_dict=False
            )
            residuals = [*down, middle]
            total = residuals if total is None else [a + b for a, b in zip(total, residuals, strict=True)]
        if total is None:
            return None, None
        if guess and len(hinted) < len(rows):
            total = [torch.cat([torch.zeros_like(part_), part_]) for part_ in total]
        return total[:-1], total[-1]


def _joined(texts: Sequence[TextEncoding]) -> TextEncoding:
    pooled = [text.pooled for text in texts if text.pooled is not None]  # SDXL's texts have it, all or none
    return TextEncoding(torch.cat([text.sequence for text in texts]), torch.cat(pooled) if pooled else None)


class _Once(nn.Module):
    """A module that answers again what it answered last when it is given the same object."""

    def __init__(self, module: nn.Module, rows: int | None) -> None:
        super().__init__()
        self._module, self._rows = module, rows
        self._given: object = None
        self._answer: object = None

    def forward(self, given: Any) -> Any:
        if given is not self._given:
            self._given = given
            pieces = [given] if self._rows is None else given.split(self._rows)
            answers = [self._module(piece) for piece in pieces]
            self._answer = answers[0] if len(answers) == 1 else torch.cat(answers)
        return self._answer


@contextmanager
def _fed_in_parts(network: nn.Module, rows: int) -> Iterator[None]:
    """Within, feed-forward layers take so many rows at a time: their hidden states are the widest of all."""
    blocks = [block for block in network.modules() if isinstance(block, BasicTransformerBlock)]
    for block in blocks:
        block.set_chunk_feed_forward(rows, 0)
    try:
        yield
    finally:
        for block in blocks:
            block.set_chunk_feed_forward(None, 0)


@contextmanager
def _computed_once(owner: nn.Module, name: str, rows: int | None) -> Iterator[None]:
    module = getattr(owner, name)
    setattr(owner, name, _Once(module, rows))
    try:
        yield
    finally:
        setattr(owner, name, module)
