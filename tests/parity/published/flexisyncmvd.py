# SPDX-License-Identifier: GPL-3.0-or-later
"""FlexiSyncMVD's faults besides those of its projection (docs/algorithms/flexisyncmvd.md, section 8)."""

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from backend.geometry.projection import Cameras, UVMesh, ViewGeometry, view_geometry
from backend.painting.baking import EXPONENT
from backend.pipelines.flexisyncmvd.conditioning import ControlKind, edges, smooth
from backend.pipelines.flexisyncmvd.denoising import Plan
from backend.pipelines.flexisyncmvd.noise_prediction import Control
from backend.pipelines.flexisyncmvd.pipeline import FlexiSyncMVDPipeline
from backend.pipelines.flexisyncmvd.rig import CameraRig
from backend.pipelines.flexisyncmvd.schedule import TRAIN_STEPS, ControlSchedule, control_scales
from backend.pipelines.flexisyncmvd.settings import Scene, TextureSettings

from .projection import PublishedProjector, published_fragments


class PublishedRig(CameraRig):
    """Takes an azimuth of -10 for one of 350, and so for no front."""

    @cached_property
    def front(self) -> int:
        azimuths = [azimuth % 360 for azimuth in self.azimuths]
        return azimuths.index(min(azimuths))


def published_suffix(direction: str) -> str:
    """The end of a prompt; without a direction it has two blanks in place of one."""
    return f", {direction} view."


def published_scales(control: ControlSchedule, timesteps: Sequence[int]) -> list[float]:
    """Strength of a ControlNet at each step: `scale` at first, then from `scale_end` back to `scale`, a step late."""
    inside = [scale > 0 for scale in control_scales(ControlSchedule(1, 1, control.start, control.end), timesteps)]
    scales = [control.scale, *(_annealed(control, 1 - timestep / TRAIN_STEPS) for timestep in timesteps[:-1])]
    return [scale if keep else 0.0 for scale, keep in zip(scales, inside, strict=True)]


def _annealed(control: ControlSchedule, passed: float) -> float:
    if passed < control.start:
        return control.scale
    if passed > control.end:
        return control.scale_end
    share = (passed - control.start) / (control.end - control.start)
    return share * control.scale + (1 - share) * control.scale_end


def published_geometry(mesh: UVMesh, cameras: Cameras, size: int) -> ViewGeometry:
    return view_geometry(mesh, cameras, published_fragments(mesh, cameras, size))


def published_condition(kind: ControlKind, geometry: ViewGeometry, cameras: Cameras, size: int) -> Tensor:
    """The image of one kind for every view, float32 [V, 3, size, size]; normals in [-1, 1]."""
    if kind is ControlKind.DEPTH:
        return smooth(_depth_image(geometry), size)
    normals = smooth(_normal_image(geometry, cameras), size)
    return normals if kind is ControlKind.NORMAL else edges(normals / 2 + 0.5)


def _depth_image(geometry: ViewGeometry) -> Tensor:
    """Ours but for flat views, of which it stretches the rounding errors."""
    mask = geometry.mask[:, None]
    inverse = 1 / torch.where(mask, geometry.depth[:, None], 100.0)
    nearest = inverse.amax((2, 3), keepdim=True)
    farthest = torch.where(mask, inverse, torch.inf).amin((2, 3), keepdim=True).minimum(nearest)
    spread = nearest - farthest
    stretched = ((inverse - farthest) / torch.where(spread > 0, spread, 1)).clamp(0, 1) * mask
    return stretched.expand(-1, 3, -1, -1)


def _normal_image(geometry: ViewGeometry, cameras: Cameras) -> Tensor:
    """Normals that are not of unit length, blue stretched 99 times by the projection, in [-1, 1]."""
    projection = cameras.full_projection()[:, :3, :3]
    normals = torch.einsum("vhwi,vij->vhwj", geometry.normal, projection.transpose(1, 2).inverse())
    colors = ((normals * normals.new_tensor([1, 1, -1]) + 1) / 2).clamp(0, 1)
    colors = torch.where(geometry.mask[..., None], colors, colors.new_tensor([0.5, 0.5, 1]))
    return colors.permute(0, 3, 1, 2) * 2 - 1


class PublishedPipeline(FlexiSyncMVDPipeline):
    """Ours with the published strengths of ControlNets and the published bake, at the size of the latent texture."""

    def plan(self, settings: TextureSettings, controls: Sequence[Control]) -> Plan:
        plan = super().plan(settings, controls)
        timesteps = [step.timestep for step in plan.steps]
        scales = [published_scales(control.schedule, timesteps) for control in controls]
        return Plan(plan.steps, plan.alphas_cumprod, plan.prediction_type, scales)

    @staticmethod
    def color_projector(scene: Scene, settings: TextureSettings) -> PublishedProjector:
        sizes = settings.sizes
        return PublishedProjector(scene.mesh, scene.cameras, sizes.view, sizes.texture, fill_cosine=False)

    def published_texture(self, views: Tensor, projector: PublishedProjector) -> Tensor:
        """Images [V, 3, 8 s, 8 s] baked into a texture float32 [3, H, W]."""
        size = projector.texels.shape[-1]
        return projector.bake(functional.interpolate(views, (size, size), mode="nearest-exact"), EXPONENT).texture
