# SPDX-License-Identifier: GPL-3.0-or-later
"""Hunyuan3D shape from views to one surface, stage by stage in the order of the algorithm.

See docs/algorithms/hunyuan3d_shape.md.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from diffusers.utils import BaseOutput
from torch import Tensor
from transformers import Dinov2Model

from ...contract import BadInput, MeshData
from ...contract.reports import CountReport, StageReport, ignore
from ...geometry.coarse_to_fine import resolution_ladder
from ..common.attention import fastest_attention
from ..common.finiteness import finite
from ..common.image_files import RgbaArray
from ..common.image_preparation import check_image
from ..common.memory import running_device
from ..common.pacing import Pace
from ..common.sampler import guided, paced, starting_noise
from ..common.saved_pipeline import SavedPipeline
from ..common.surface_extraction import TICKS, no_surface, sample_field, sample_levels, surface_of
from .attention import KeyValue
from .autoencoder import ShapeAutoencoder
from .image import prepare_view
from .image_condition import VIEWS, condition_tokens
from .mixture_denoiser import MixtureDenoiser
from .restricted_field import RestrictedField
from .scheduler import ShapeScheduler
from .two_stream_denoiser import TwoStreamDenoiser

Denoiser = MixtureDenoiser | TwoStreamDenoiser
Decoding = Literal["dense", "hierarchical", "flash"]
DECODINGS: tuple[Decoding, ...] = ("dense", "hierarchical", "flash")
HALF_SIDE = 1.01
"""Half the side of the cube in which the field is evaluated; shapes fit into [-1, 1]^3."""
POINTS_PER_QUERY = {"cuda": 65536, "mps": 16384, "cpu": 8192}
"""Chunk of field queries by device; any chunk gives the same values."""
Views = Mapping[str, RgbaArray]
"""Cut-outs, RGBA uint8 `[H, W, 4]`, by the names of `VIEWS`."""
EstimateReport = Callable[[Tensor], None]
"""Given the latent `[1, N, C]` that the sampler would end at if it went straight on."""


@dataclass
class ShapeOutput(BaseOutput):
    """`mesh` in the models' own frame (y up, front toward +z, within [-1.01, 1.01]^3); `latent` float32 `[1, N, C]`."""

    mesh: MeshData
    latent: Tensor


class HunyuanShapePipeline(SavedPipeline):
    """One image of an object, or up to four named views of it, to one surface."""

    component_classes = {
        "image_encoder": (Dinov2Model,),
        "denoiser": (MixtureDenoiser, TwoStreamDenoiser),
        "autoencoder": (ShapeAutoencoder,),
        "scheduler": (ShapeScheduler,),
    }
    model_cpu_offload_seq = "image_encoder->denoiser->autoencoder"

    def __init__(
        self,
        image_encoder: Dinov2Model,
        denoiser: Denoiser,
        autoencoder: ShapeAutoencoder,
        scheduler: ShapeScheduler,
        tokens: int = 4096,
        image_size: int = 512,
        encoder_size: int = 518,
        named_views: bool = False,
        sharp_share: float = 0.0,
    ):
        """`image_size` and `encoder_size` are the pixels of a side that an image is prepared for and then seen at;
        `sharp_share` is the share of an encoded mesh's tokens that start on its sharp edges."""
        super().__init__()
        self.register_modules(
            image_encoder=image_encoder, denoiser=denoiser, autoencoder=autoencoder, scheduler=scheduler
        )
        self.register_to_config(
            tokens=tokens, image_size=image_size, encoder_size=encoder_size, named_views=named_views,
            sharp_share=sharp_share,
        )

    def place(self, device: torch.device | str) -> "HunyuanShapePipeline":
        """Move the networks to `device`."""
        for network in self.networks:
            network.to(device)
        return self

    @property
    def networks(self) -> tuple[torch.nn.Module, ...]:
        """All networks, in the order in which they run."""
        return self.image_encoder, self.denoiser, self.autoencoder

    def device_of(self, model: torch.nn.Module) -> torch.device:
        """Where a network runs."""
        return running_device(self, model)

    @torch.no_grad()
    def __call__(
        self,
        views: Views,
        num_inference_steps: int = 50,
        guidance_scale: float = 5.0,
        grid_resolution: int = 384,
        decoding: Decoding = "flash",
        seed: int | None = None,
        generator: torch.Generator | None = None,
        points_per_query: int | None = None,
        on_estimate: EstimateReport | None = None,
        estimate_every: int = 10,
        progress: StageReport = ignore,
    ) -> ShapeOutput:
        """One surface from cut-outs; models without named views take the view "front" only.

        `seed` gives the same object on every machine, up to rounding; a `generator` goes before it. `guidance_scale`
        of 1 runs without guidance, at half the cost where guidance is not embedded. `on_estimate` is given the
        estimated latent every `estimate_every` steps. `progress` is described at `StageReport`; what it raises ends
        the run.

        Raises BadInput, NotFiniteError (damaged weights, too little precision) and NoSurfaceError.
        """
        self.check_inputs(views, num_inference_steps, guidance_scale, grid_resolution, decoding)
        try:
            images = self.prepare_views(views)
            progress("image", 1, 1)
            condition = self.encode_condition(images, self.view_numbers(views))
            progress("condition", 1, 1)
            latent = self.denoise(
                self.prepare_latents(seed, generator), condition, num_inference_steps, guidance_scale,
                on_estimate, estimate_every, progress,
            )
            tokens = self.decode(latent, progress)
            grid = self.evaluate_field(tokens, grid_resolution, decoding, points_per_query, progress)
            mesh = self.extract_surface(grid)
            progress("surface", 1, 1)
        finally:
            self.maybe_free_model_hooks()
        return ShapeOutput(mesh=mesh, latent=latent)

    def check_inputs(
        self, views: Views, steps: int, guidance_scale: float, grid_resolution: int, decoding: str
    ) -> None:
        """Raises BadInput for images without an object, ValueError for a parameter out of its range."""
        if not views or not set(views) <= set(VIEWS):
            raise ValueError(f"views must be some of {', '.join(VIEWS)}, not {', '.join(views) or 'none'}")
        if not self.config.named_views and set(views) != {"front"}:
            raise ValueError("these weights take the view 'front' only")
        for name, image in views.items():
            if image.ndim != 3 or image.shape[2] != 4 or image.dtype != "uint8":
                raise ValueError(f"{name} must be RGBA uint8 [H, W, 4], not {image.dtype} {list(image.shape)}")
            check_image(image, f"The {name} view" if len(views) > 1 else "The image")
        if steps < 1:
            raise ValueError(f"num_inference_steps must be at least 1, not {steps}")
        if guidance_scale < 1:
            raise ValueError(f"guidance_scale must be at least 1, not {guidance_scale}")
        if grid_resolution < 2:
            raise ValueError(f"grid_resolution must be at least 2, not {grid_resolution}")
        if decoding not in DECODINGS:
            raise BadInput(f"There is no decoding '{decoding}'.", f"Supported: {', '.join(DECODINGS)}.",
                           "Choose one of them.")

    def prepare_views(self, views: Views) -> Tensor:
        """Float32 `[V, 3, S, S]` in [-1, 1], each object centered on white, in the order of `VIEWS`."""
        return torch.cat([prepare_view(views[name], self.config.image_size) for name in VIEWS if name in views])

    def view_numbers(self, views: Views) -> Tensor | None:
        """The numbers of the given views, int64 `[V]`; None for weights that do not know views."""
        return torch.tensor([VIEWS.index(name) for name in VIEWS if name in views]) if self.config.named_views else None

    def encode_condition(self, images: Tensor, view_numbers: Tensor | None = None) -> Tensor:
        """Condition tokens `[1, T, W]` of prepared views `[V, 3, S, S]`, on the denoiser's device and in its dtype."""
        images = images.to(self.device_of(self.image_encoder))
        if view_numbers is not None:
            images = images[None]
        tokens = condition_tokens(self.image_encoder, images, self.config.encoder_size, view_numbers)
        return tokens.to(self.device_of(self.denoiser), self.denoiser.dtype)

    def prepare_latents(self, seed: int | None = None, generator: torch.Generator | None = None) -> Tensor:
        """Starting noise, float32 `[1, tokens, latent_width]`."""
        shape = (1, self.config.tokens, self.denoiser.config.latent_width)
        return starting_noise(shape, self.device_of(self.denoiser), seed, generator)

    @fastest_attention
    def denoise(
        self,
        latent: Tensor,
        condition: Tensor,
        steps: int,
        guidance_scale: float,
        on_estimate: EstimateReport | None = None,
        estimate_every: int = 10,
        progress: StageReport = ignore,
    ) -> Tensor:
        """Noise `[1, N, C]` to latent, in float32. Raises NotFiniteError."""
        times = self.scheduler.times(steps).to(latent.device)
        velocity = self._velocity(condition, guidance_scale)
        count = len(times) - 1
        for i in paced(range(count), latent.device, partial(progress, "sample")):
            direction = velocity(latent, times[i : i + 1])
            if on_estimate is not None and (i + 1) % estimate_every == 0 and i + 1 < count:
                on_estimate(latent + (1 - times[i]) * direction)
            latent = latent + (times[i + 1] - times[i]) * direction
        return finite(latent, "The latent", "image", "Try another seed or full precision")

    def _velocity(self, condition: Tensor, guidance_scale: float) -> Callable[[Tensor, Tensor], Tensor]:
        """The guided velocity, float32 `[1, N, C]`, as a function of latent and time `[1]`."""
        denoiser = self.denoiser
        prepared = denoiser.prepare_condition(condition)
        if denoiser.guidance_embedded:
            guidance = torch.tensor([guidance_scale], device=condition.device)
            return lambda latent, time: denoiser.velocity(latent, time, prepared, guidance).float()
        if guidance_scale == 1:
            return lambda latent, time: denoiser.velocity(latent, time, prepared).float()

        def velocity(latent: Tensor, time: Tensor) -> Tensor:
            conditional, unconditional = denoiser.guided_velocities(latent, time, prepared)
            return guided(conditional, unconditional, guidance_scale)

        return velocity

    @fastest_attention
    def decode(self, latent: Tensor, progress: StageReport = ignore) -> Tensor:
        """Tokens `[1, N, W]` of a denoised latent `[1, N, C]`, on the autoencoder's device."""
        latent = latent.to(self.device_of(self.autoencoder)) / self.autoencoder.config.scale_factor
        return self.autoencoder.decode(latent, lambda done, of: progress("decode", done, of))

    @fastest_attention
    def evaluate_field(
        self,
        tokens: Tensor,
        grid_resolution: int,
        decoding: Decoding = "flash",
        points_per_query: int | None = None,
        progress: StageReport = ignore,
    ) -> Tensor:
        """Field grid, float32 `[R + 1] * 3`, indexed [x, y, z], without NaN. Raises NotFiniteError.

        What lies far from the surface is filled by sign and not evaluated, unless `decoding` is dense.
        """
        context = self.autoencoder.field_context(tokens)
        chunk = points_per_query or POINTS_PER_QUERY.get(tokens.device.type, POINTS_PER_QUERY["cpu"])
        if decoding == "flash":
            return self._restricted_field(context, grid_resolution, chunk, partial(progress, "field"))
        return sample_field(
            lambda points: self.autoencoder.query(points[None], context)[0], grid_resolution, device=tokens.device,
            chunk=chunk, half_side=HALF_SIDE, dense=decoding == "dense", report=partial(progress, "field"),
        )

    def _restricted_field(self, context: KeyValue, resolution: int, chunk: int, report: CountReport) -> Tensor:
        device, levels = context.key.device, len(resolution_ladder(resolution))
        pace = Pace(device)

        def report_share(level: int, done: int, of: int) -> None:
            pace.step()
            report(round(TICKS * (level + done / of) / levels), TICKS)

        field = RestrictedField(self.autoencoder, context, chunk, report_share)
        return sample_levels(field, resolution, device=device, half_side=HALF_SIDE)

    def extract_surface(self, grid: Tensor) -> MeshData:
        """The mesh of a field grid, closed where the solid reaches the grid's border too. Raises NoSurfaceError."""
        mesh = surface_of(with_outside_border(grid), HALF_SIDE)
        if mesh.is_empty:
            raise no_surface("The field has no surface.")
        return mesh


def with_outside_border(grid: Tensor) -> Tensor:
    """A copy of the grid whose outermost samples lie outside of the solid."""
    inner = grid[1:-1, 1:-1, 1:-1]
    closed = grid.clamp(max=-1.0)
    closed[1:-1, 1:-1, 1:-1] = inner
    return closed
