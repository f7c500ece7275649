# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run reports while it goes on, and its results."""

from collections.abc import Callable
from dataclasses import dataclass

from diffusers.utils import BaseOutput
from PIL import Image
from torch import Tensor

from ...contract.reports import StageReport, ignore
from ..common.finiteness import finite
from .denoising import StepOutcome


@dataclass
class TextureOutput(BaseOutput):
    """`texture` float32 [3, H, W] sRGB in [0, 1], row 0 at v = 1, filled everywhere; the `views` [V, 3, 8 s, 8 s] that
    it was baked from, their `latents` [V, 4, s, s], and the `guide` if one was made."""

    texture: Tensor
    views: Tensor
    latents: Tensor
    guide: Image.Image | None = None


@dataclass(frozen=True)
class Reports:
    """Callbacks: for stages, for each step's outcome with the backgrounds' latents, and a check, called more often than
    steps end. Each may raise to cancel."""

    stage: StageReport = ignore
    step: Callable[[StepOutcome, Tensor], None] = ignore
    check: Callable[[], None] = ignore


SILENT = Reports()


def finite_views(latents: Tensor) -> Tensor:
    """The same latents. Raises NotFiniteError."""
    return finite(latents, "A view", "prompt", "Try another seed or less guidance")
