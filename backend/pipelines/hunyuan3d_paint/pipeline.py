# SPDX-License-Identifier: GPL-3.0-or-later
"""Hunyuan3D-2.1 paint from a mesh and an image to base color, metallic and roughness, in the algorithm's order.

docs/algorithms/hunyuan3d_paint.md, "The way".
"""

from dataclasses import replace
from functools import partial

import torch
from diffusers import AutoencoderKL, UniPCMultistepScheduler
from PIL import Image
from torch import Tensor
from transformers import Dinov2Model

from ...geometry.projection import Fragments, rasterize_uvs, rasterize_views
from ...painting.squares import square_mesh
from ...painting.surface_fill import fill_surface
from ...painting.view_bake import bake_views
from ..common.attention import fastest_attention
from ..common.finiteness import finite
from ..common.image_condition import image_tokens
from ..common.rrdbnet import RRDBNet, enlarge
from ..common.saved_pipeline import SavedPipeline
from .attention import MATERIALS
from .autoencoding import FACTOR, decode, encode, to_pixels
from .conditions import Conditions
from .control_maps import control_maps
from .random_draws import Draws
from .reference_image import encoder_image, pixels_of, reference_view
from .rotary import position_values, voxel_indices
from .sampling import Predictor, sample
from .scene import PaintScene
from .settings import PIXELS_PER_MARGIN, SILENT, PaintOutput, PaintSettings, Reports
from .unet import PaintUNet, ReferenceUNet

RENDERED_LARGER = 4
"""Control maps are rendered at so many times the views' size: no less than what the enlarged views are baked at."""
VOXELS_PER_LATENT = 8


class Hunyuan3DPaintPipeline(SavedPipeline):
    """Paints meshes by one diffusion of all materials in all views. Without `upscaler` these are baked as they are."""

    component_classes = {
        "image_encoder": (Dinov2Model,),
        "vae": (AutoencoderKL,),
        "reference_unet": (ReferenceUNet,),
        "unet": (PaintUNet,),
        "scheduler": (UniPCMultistepScheduler,),
        "upscaler": (RRDBNet,),
    }
    model_cpu_offload_seq = "image_encoder->reference_unet->unet->vae->upscaler"
    _optional_components = ["upscaler"]

    def __init__(
        self,
        image_encoder: Dinov2Model,
        vae: AutoencoderKL,
        reference_unet: ReferenceUNet,
        unet: PaintUNet,
        scheduler: UniPCMultistepScheduler,
        upscaler: RRDBNet | None = None,
    ) -> None:
        super().__init__()
        self.register_modules(image_encoder=image_encoder, vae=vae, reference_unet=reference_unet, unet=unet,
                              scheduler=scheduler, upscaler=upscaler)

    @torch.no_grad()
    def __call__(
        self,
        scene: PaintScene,
        image: Image.Image,
        settings: PaintSettings,
        seed: int = 0,
        reports: Reports = SILENT,
    ) -> PaintOutput:
        """Paint the scene's objects after `image`, which shows them from the front, is square and RGBA or RGB.

        Raises NotFiniteError.
        """
        draws = Draws(seed, self._execution_device)
        try:
            shown, normals, positions = self.render(scene, settings, reports)
            conditions = self.condition(image, positions, settings, draws, reports)
            controls = self.encode_maps(normals, positions, draws, reports)
            latents = self.denoise(controls, conditions, settings, draws, reports)
            views = self.decode(latents, settings, reports)
            enlarged = self.enlarge(views, reports)
            textures = self.bake(scene, shown, enlarged, settings, reports)
        finally:
            self.maybe_free_model_hooks()
        return PaintOutput(textures=textures, views=views.unflatten(0, (len(MATERIALS), -1)), poses=scene.poses)

    def render(
        self, scene: PaintScene, settings: PaintSettings, reports: Reports = SILENT
    ) -> tuple[Fragments, Tensor, Tensor]:
        """What the views show, and their normal and position maps uint8 `[N, R, R, 3]`."""
        reports.stage("prepare", 0, 3)
        shown = rasterize_views(scene.mesh, scene.cameras, RENDERED_LARGER * settings.view_size, cull=False)
        reports.stage("prepare", 1, 3)
        normals, positions = control_maps(scene.mesh, shown, settings.view_size)
        reports.views(torch.cat([normals, positions]))
        return shown, normals, positions

    def condition(
        self, image: Image.Image, positions: Tensor, settings: PaintSettings, draws: Draws, reports: Reports = SILENT
    ) -> list[Conditions]:
        """What guides the network, for one pass with all branches or one pass for each, the unguided one first."""
        device, views = self._execution_device, len(positions)
        reference = reference_view(image, settings.view_size)
        tokens = image_tokens(self.image_encoder, encoder_image(reference).to(device)).all.to(self.unet.dtype)
        reports.check()
        colors = pixels_of(reference).to(device) / 255.0
        side = settings.view_size // FACTOR
        noise = draws.normal((1, self.vae.config.latent_channels, side, side))
        latent = encode(self.vae, colors.permute(2, 0, 1)[None], noise)
        features = self.reference_unet(latent.to(self.reference_unet.dtype))
        reports.stage("prepare", 2, 3)
        voxels = self.voxels(positions.to(device), side)
        branches = [(1.0, tokens)] if settings.guidance == 1 else [(0.0, torch.zeros_like(tokens)), (1.0, tokens)]
        passes = [branches] if settings.together else [[branch] for branch in branches]
        return [
            Conditions(views, tuple(scale for scale, _ in branches), torch.cat([seen for _, seen in branches]),
                       features, voxels)
            for branches in passes
        ]

    def voxels(self, positions: Tensor, side: int) -> dict[int, Tensor]:
        """Voxels of the latent pixels of all views, for each level of the network, by tokens of one view."""
        values = position_values(positions)
        sides = [side >> level for level in range(len(self.unet.config.block_out_channels))]
        return {each**2: voxel_indices(values, each, VOXELS_PER_LATENT * each)[None] for each in sides}

    def encode_maps(self, normals: Tensor, positions: Tensor, draws: Draws, reports: Reports = SILENT) -> Tensor:
        """Latents of the maps, `[N, 8, h, h]` in the network's precision."""
        latents = []
        for maps in (normals, positions):
            side = maps.shape[1] // FACTOR
            noise = draws.normal((len(maps), self.vae.config.latent_channels, side, side))
            encoded = []
            for view, of_view in zip(maps, noise, strict=True):
                reports.check()
                colors = view.to(noise.device).permute(2, 0, 1)[None] / 255.0
                encoded.append(encode(self.vae, colors, of_view[None]))
            latents.append(torch.cat(encoded))
        reports.stage("prepare", 3, 3)
        return torch.cat(latents, dim=1).to(self.unet.dtype)

    @fastest_attention
    def denoise(
        self,
        controls: Tensor,
        conditions: list[Conditions],
        settings: PaintSettings,
        draws: Draws,
        reports: Reports = SILENT,
    ) -> Tensor:
        """Latents of all materials in all views, float32 `[P * N, 4, h, h]`. Raises NotFiniteError."""
        shape = (len(MATERIALS) * len(controls), self.vae.config.latent_channels, *controls.shape[-2:])
        predictor = Predictor(self.unet, controls, conditions, settings.guidance)
        report = partial(reports.stage, "sample")
        latents = sample(predictor, self.scheduler, draws.normal(shape), settings.steps, report)
        return finite(latents, "A view", "image", "Try another seed or less guidance")

    def decode(self, latents: Tensor, settings: PaintSettings, reports: Reports = SILENT) -> Tensor:
        """Images of all materials in all views, uint8 `[P * N, R, R, 3]`. Raises NotFiniteError."""
        images: list[Tensor] = []
        for some in latents.split(settings.decoded_together):
            images += to_pixels(finite(decode(self.vae, some), "A decoded view", "image", "Try another seed"))
            reports.stage("decode", len(images), len(latents))
        views = torch.stack(images)
        reports.views(views)
        return views

    def enlarge(self, views: Tensor, reports: Reports = SILENT) -> Tensor:
        """The images four times as large where there is an upscaler, uint8 `[P * N, S, S, 3]`."""
        if self.upscaler is None:
            return views
        enlarged = []
        for done, view in enumerate(views, start=1):
            enlarged.append(enlarge(self.upscaler, view[None])[0])
            reports.stage("enlarge", done, len(views))
        return torch.stack(enlarged)

    def bake(
        self, scene: PaintScene, shown: Fragments, views: Tensor, settings: PaintSettings, reports: Reports = SILENT
    ) -> list[Tensor]:
        """Textures of each object, float32 `[S, S, 5]` in [0, 1]: base color, metallic, roughness, without holes."""
        size, textures = settings.texture_size, []
        if shown.face.shape[-1] != views.shape[1]:
            shown = rasterize_views(scene.mesh, scene.cameras, views.shape[1], cull=False)
        albedo, mr = views.to(scene.mesh.device).unflatten(0, (len(MATERIALS), -1))
        images = torch.cat([albedo, mr[..., :2]], dim=-1)
        bake = replace(settings.bake, margin=settings.bake.margin * views.shape[1] // PIXELS_PER_MARGIN)
        weights = [pose.weight for pose in scene.poses]
        for number in range(scene.objects):
            reports.stage("bake", 2 * number, 2 * scene.objects)
            part = square_mesh(scene.mesh, scene.squares, number)
            layout = rasterize_uvs(part, (size, size), layers=1)
            colors, known = bake_views(part, scene.cameras, shown, images, weights, layout, bake, reports.check)
            reports.stage("bake", 2 * number + 1, 2 * scene.objects)
            textures.append(fill_surface(part, colors, known, layout, reports.check).clamp(0, 1))
        reports.stage("bake", 2 * scene.objects, 2 * scene.objects)
        return textures
