# SPDX-License-Identifier: GPL-3.0-or-later
"""PartPacker from an image to two surfaces, stage by stage in the order of the algorithm.

See docs/algorithms/partpacker.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.utils import BaseOutput
from torch import Tensor
from transformers import Dinov2Model

from ...contract import BadInput, MeshData
from ...contract.reports import StageReport, ignore
from ..common.attention import fastest_attention
from ..common.finiteness import finite
from ..common.image_preparation import INTERPOLATION, ResizeMode, RgbaArray, check_image, prepare_image
from ..common.memory import available_device, running_device
from ..common.sampler import guided, paced, set_flow_timesteps, starting_noise
from ..common.saved_pipeline import SavedPipeline
from ..common.surface_extraction import no_surface, sample_field, surface_of
from .autoencoder import PartPackerAutoencoder
from .denoiser import PartPackerDenoiser
from .image_condition import condition_tokens

VOLUMES = 2


@dataclass
class PartPackerOutput(BaseOutput):
    """`meshes`: one surface per volume in the decoder's own frame (z up, the cube [-1, 1]^3), possibly empty.
    `latent`: float32 `[1, 2 * tokens_per_volume, latent_width]`, volume 0 first."""

    meshes: list[MeshData]
    latent: Tensor


class PartPackerPipeline(SavedPipeline):
    """One image of an object to two surfaces which together hold its parts."""

    component_classes = {
        "image_encoder": (Dinov2Model,),
        "denoiser": (PartPackerDenoiser,),
        "autoencoder": (PartPackerAutoencoder,),
        "scheduler": (FlowMatchEulerDiscreteScheduler,),
    }
    model_cpu_offload_seq = "image_encoder->denoiser->autoencoder"
    _callback_tensor_inputs = ["latents"]

    def __init__(
        self,
        image_encoder: Dinov2Model,
        denoiser: PartPackerDenoiser,
        autoencoder: PartPackerAutoencoder,
        scheduler: FlowMatchEulerDiscreteScheduler,
        tokens_per_volume: int = 4096,
        image_size: int = 518,
    ):
        super().__init__()
        self.register_modules(
            image_encoder=image_encoder, denoiser=denoiser, autoencoder=autoencoder, scheduler=scheduler
        )
        self.register_to_config(tokens_per_volume=tokens_per_volume, image_size=image_size)
        self._interrupt = False

    @property
    def interrupt(self) -> bool:
        """Set `_interrupt` in a step callback to end the sampling early and go on with the latent as it is."""
        return self._interrupt

    def place(
        self, device: torch.device | str, autoencoder_device: torch.device | str | None = None
    ) -> "PartPackerPipeline":
        """Move the networks to `device`, the autoencoder to a second one if it is there (it saves memory on each)."""
        self.image_encoder.to(device)
        self.denoiser.to(device)
        self.autoencoder.to(available_device(autoencoder_device, device))
        return self

    def device_of(self, model: torch.nn.Module) -> torch.device:
        """Where a network runs."""
        return running_device(self, model)

    @torch.no_grad()
    def __call__(
        self,
        image: RgbaArray,
        num_inference_steps: int = 50,
        guidance_scale: float = 7.0,
        grid_resolution: int = 384,
        resize: ResizeMode = "area",
        seed: int | None = None,
        generator: torch.Generator | None = None,
        points_per_query: int | None = None,
        callback_on_step_end: Callable[..., dict[str, Any]] | None = None,
        progress: StageReport = ignore,
    ) -> PartPackerOutput:
        """Two surfaces from one cut-out image, RGBA uint8 `[H, W, 4]`.

        `seed` gives the same object on every machine, up to rounding; a `generator` goes before it. `guidance_scale`
        of 1 runs without guidance, at half the cost. `callback_on_step_end(pipeline, i, timestep, {"latents": x})`
        may return other latents. `progress` is described at `StageReport`; what it raises ends the run.

        Raises BadInput, NotFiniteError (damaged weights, too little precision) and NoSurfaceError.
        """
        self.check_inputs(image, num_inference_steps, guidance_scale, grid_resolution, resize)
        self._interrupt = False
        try:
            pixels = self.prepare_image(image, resize)
            progress("image", 1, 1)
            condition = self.encode_condition(pixels)
            progress("condition", 1, 1)
            latent = self.prepare_latents(seed, generator)
            latent = self.denoise(
                latent, condition, num_inference_steps, guidance_scale, callback_on_step_end, progress
            )
            hidden = self.decode_volumes(latent, progress)
            grids = self.evaluate_fields(hidden, grid_resolution, points_per_query, progress)
            meshes = self.extract_surfaces(grids, progress)
        finally:
            self.maybe_free_model_hooks()
        return PartPackerOutput(meshes=meshes, latent=latent)

    def check_inputs(
        self, image: RgbaArray, steps: int, guidance_scale: float, grid_resolution: int, resize: str
    ) -> None:
        """Raises BadInput for an image without an object, ValueError for a parameter out of its range."""
        if image.ndim != 3 or image.shape[2] != 4 or image.dtype != "uint8":
            raise ValueError(f"image must be RGBA uint8 [H, W, 4], not {image.dtype} {list(image.shape)}")
        check_image(image)
        if steps < 1:
            raise ValueError(f"num_inference_steps must be at least 1, not {steps}")
        if guidance_scale < 1:
            raise ValueError(f"guidance_scale must be at least 1, not {guidance_scale}")
        if grid_resolution < 2:
            raise ValueError(f"grid_resolution must be at least 2, not {grid_resolution}")
        if resize not in INTERPOLATION:
            raise BadInput(f"There is no resize mode '{resize}'.", f"Supported: {', '.join(INTERPOLATION)}.",
                           "Choose one of them.")

    def prepare_image(self, image: RgbaArray, resize: ResizeMode = "area") -> Tensor:
        """Float32 `[1, 3, S, S]` in [0, 1], the object centered on white."""
        return prepare_image(image, self.config.image_size, resize)

    def encode_condition(self, image: Tensor) -> Tensor:
        """Condition tokens `[1, T, W]` of a prepared image, on the denoiser's device and in its dtype."""
        tokens = condition_tokens(self.image_encoder, image.to(self.device_of(self.image_encoder)))
        return tokens.to(self.device_of(self.denoiser), self.denoiser.dtype)

    def prepare_latents(self, seed: int | None = None, generator: torch.Generator | None = None) -> Tensor:
        """Starting noise, float32 `[1, 2 * tokens_per_volume, latent_width]`."""
        shape = (1, VOLUMES * self.config.tokens_per_volume, self.denoiser.config.latent_width)
        return starting_noise(shape, self.device_of(self.denoiser), seed, generator)

    @fastest_attention
    def denoise(
        self,
        latent: Tensor,
        condition: Tensor,
        steps: int,
        guidance_scale: float,
        callback_on_step_end: Callable[..., dict[str, Any]] | None = None,
        progress: StageReport = ignore,
    ) -> Tensor:
        """Noise `[1, L, C]` to latent in float32. Raises NotFiniteError."""
        timesteps = set_flow_timesteps(self.scheduler, steps, latent.device)
        cache = self.denoiser.condition_cache(condition) if guidance_scale > 1 else None
        for i, timestep in enumerate(paced(timesteps.unbind(), latent.device, partial(progress, "sample"))):
            if self.interrupt:
                break
            if cache is None:
                velocity = self.denoiser(latent, timestep[None], condition).float()
            else:
                conditional, unconditional = self.denoiser.guided_velocities(latent, timestep[None], cache)
                velocity = guided(conditional, unconditional, guidance_scale)
            latent = self.scheduler.step(velocity, timestep, latent, return_dict=False)[0]
            if callback_on_step_end is not None:
                latent = callback_on_step_end(self, i, timestep, {"latents": latent}).get("latents", latent)
        for volume, half in enumerate(latent.chunk(VOLUMES, dim=1)):
            finite(half, _of_volume("latent", volume), "image", "Try another seed or full precision")
        return latent

    @fastest_attention
    def decode_volumes(self, latent: Tensor, progress: StageReport = ignore) -> list[Tensor]:
        """Hidden tokens `[1, tokens_per_volume, width]` of each volume, on the autoencoder's device."""
        device = self.device_of(self.autoencoder)
        return [
            self.autoencoder.decode(
                half.to(device),
                lambda done, of, before=volume: progress("decode", before * of + done, VOLUMES * of),
            )
            for volume, half in enumerate(latent.chunk(VOLUMES, dim=1))
        ]

    @fastest_attention
    def evaluate_fields(
        self,
        hidden: list[Tensor],
        grid_resolution: int,
        points_per_query: int | None = None,
        progress: StageReport = ignore,
    ) -> list[Tensor]:
        """Field grids float32 `[R + 1] * 3` of each volume, indexed [x, y, z]. Raises NotFiniteError.

        What lies far from the surface is filled by sign and not evaluated.
        """
        return [
            self._evaluate_field(tokens, volume, len(hidden), grid_resolution, points_per_query, progress)
            for volume, tokens in enumerate(hidden)
        ]

    def extract_surfaces(self, grids: list[Tensor], progress: StageReport = ignore) -> list[MeshData]:
        """One mesh per volume, empty where the field never changes sign. NoSurfaceError if all of them are."""
        meshes = []
        for volume, grid in enumerate(grids):
            meshes.append(surface_of(grid))
            progress("surface", volume + 1, len(grids))
        if all(mesh.is_empty for mesh in meshes):
            raise no_surface("The field of neither volume has a surface.")
        return meshes

    def _evaluate_field(
        self,
        tokens: Tensor,
        volume: int,
        volumes: int,
        grid_resolution: int,
        points_per_query: int | None,
        progress: StageReport,
    ) -> Tensor:
        context = self.autoencoder.field_context(tokens)

        def report(done: int, of: int) -> None:
            progress("field", volume * of + done, volumes * of)

        return sample_field(
            lambda points: self.autoencoder.query(points[None], context)[0], grid_resolution, device=tokens.device,
            chunk=points_per_query, holder=_of_volume("field", volume), report=report,
        )


def _of_volume(what: str, volume: int) -> str:
    return f"The {what} of volume {volume + 1}"
