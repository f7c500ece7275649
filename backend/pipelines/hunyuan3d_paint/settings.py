# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of the pipeline is given besides the mesh and the image, what it reports, and what it leaves behind."""

from collections.abc import Callable
from dataclasses import dataclass, field

from diffusers.utils import BaseOutput
from torch import Tensor

from ...contract.reports import StageReport, ignore
from ...painting.view_bake import BakeSettings
from .rig import ALWAYS, Pose

PIXELS_PER_MARGIN = 512
"""A margin of one pixel is left out along outlines for so many pixels of an image, along a side."""


@dataclass(frozen=True)
class PaintSettings:
    """How a mesh is painted.

    Attributes:
        view_size: pixels a side of the views, a multiple of 64.
        views: how many views are painted at most, at least six.
        steps: sampler steps.
        guidance: how closely the views follow the image; 1 runs a single branch.
        texture_size: texels a side of each object's textures.
        together: whether both branches of guidance run at once; apart they take half the memory.
        decoded_together: views that the autoencoder decodes at once.
        bake: how views are blended; the margin is for images of `PIXELS_PER_MARGIN` pixels.
    """

    view_size: int = 512
    views: int = ALWAYS
    steps: int = 15
    guidance: float = 3.0
    texture_size: int = 2048
    together: bool = True
    decoded_together: int = 2
    bake: BakeSettings = field(default_factory=lambda: BakeSettings(margin=1))


@dataclass
class PaintOutput(BaseOutput):
    """What a run leaves behind.

    Attributes:
        textures: of each object, float32 `[S, S, 5]` in [0, 1], row 0 at v = 1: base color (sRGB), metallic, roughness.
        views: uint8 `[P, N, R, R, 3]`, base colors and metallic-roughness images before they were enlarged.
        poses: of the N views.
    """

    textures: list[Tensor]
    views: Tensor
    poses: list[Pose]


@dataclass(frozen=True)
class Reports:
    """Callbacks of a run; each may raise to cancel.

    Attributes:
        stage: gets `(stage, step, of)`.
        views: gets images of all views, uint8 `[V, H, W, 3]`, when there are new ones to show.
        check: called more often than steps, while work goes on.
    """

    stage: StageReport = ignore
    views: Callable[[Tensor], None] = ignore
    check: Callable[[], None] = ignore


SILENT = Reports()
