# SPDX-License-Identifier: GPL-3.0-or-later
"""FlexiSyncMVD from a mesh and a prompt to a texture, stage by stage in the order of the algorithm.

See docs/algorithms/flexisyncmvd.md.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from diffusers import AutoencoderKL, DDPMScheduler, DiffusionPipeline, MultiControlNetModel, UNet2DConditionModel
from diffusers.loaders import IPAdapterMixin
from PIL import Image
from torch import Tensor
from transformers import (
    CLIPImageProcessor,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionModelWithProjection,
)

from ...contract import BadInput
from ...contract.reports import StageReport, ignore
from ...geometry.projection import Projector
from ...painting.baking import bake_squares
from ..common.attention import fastest_attention
from .attention import ViewSharing
from .control_images import control_images
from .decoding import decode_views, encode_colors
from .denoising import Plan, denoise
from .guide_image import controls_of_front, draw_guide, guidance_of_guide
from .image_prompt import encode_image, has_adapter
from .noise_prediction import Conditions, Control, Guidance, NoisePredictor
from .prompts import DIRECTIONS, TextEncoding, ViewPrompts, encode, of_views, suffix
from .random_draws import Draws
from .rig import CameraRig
from .schedule import control_scales, plan_steps
from .settings import Scene, TextureSettings
from .spec import NEGATIVE_PROMPT
from .texture_run import SILENT, Reports, TextureOutput, finite_views


class FlexiSyncMVDPipeline(DiffusionPipeline, IPAdapterMixin):
    """Textures a mesh by one diffusion that all its views share. Stable Diffusion 1.5, or SDXL with two text encoders.

    `control_kinds` names what each net of `controlnet` follows.
    """

    model_cpu_offload_seq = "text_encoder->text_encoder_2->image_encoder->unet->vae"
    _optional_components = ["controlnet", "text_encoder_2", "tokenizer_2", "image_encoder", "feature_extractor"]
    _exclude_from_cpu_offload = ["controlnet"]  # it works in turns with the UNet
    _callback_tensor_inputs = ["latents"]

    def __init__(
        self,
        vae: AutoencoderKL,
        text_encoder: CLIPTextModel,
        tokenizer: CLIPTokenizer,
        unet: UNet2DConditionModel,
        scheduler: DDPMScheduler,
        controlnet: MultiControlNetModel | None = None,
        text_encoder_2: CLIPTextModelWithProjection | None = None,
        tokenizer_2: CLIPTokenizer | None = None,
        image_encoder: CLIPVisionModelWithProjection | None = None,
        feature_extractor: CLIPImageProcessor | None = None,
        control_kinds: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.register_modules(
            vae=vae, text_encoder=text_encoder, tokenizer=tokenizer, unet=unet, scheduler=scheduler,
            controlnet=controlnet, text_encoder_2=text_encoder_2, tokenizer_2=tokenizer_2, image_encoder=image_encoder,
            feature_extractor=feature_extractor,
        )
        self.register_to_config(control_kinds=list(control_kinds))
        self._colors: dict[int, tuple[Tensor, Tensor]] = {}

    @property
    def is_xl(self) -> bool:
        """Whether the networks are of the SDXL family."""
        return self.unet.config.addition_embed_type == "text_time"

    @property
    def device_of_networks(self) -> torch.device:
        """Where the networks run: where offload hooks move them, else where they are."""
        return self._execution_device

    @torch.no_grad()
    def __call__(
        self,
        scene: Scene,
        prompt: str,
        settings: TextureSettings,
        negative_prompt: str = NEGATIVE_PROMPT,
        image: Image.Image | None = None,
        guide: bool = False,
        image_scale: float = 0.5,
        seed: int = 0,
        reports: Reports = SILENT,
    ) -> TextureOutput:
        """Texture the scene's mesh, led by `image`, or with `guide` by an image of the front that is made first.

        Raises BadInput for a control or an image without its network, NotFiniteError.
        """
        self.check(settings, image is not None or guide)
        try:
            return self._texture(scene, (prompt, negative_prompt), settings, image, guide, image_scale, seed, reports)
        finally:
            self.maybe_free_model_hooks()

    def _texture(
        self,
        scene: Scene,
        texts: tuple[str, str],
        settings: TextureSettings,
        image: Image.Image | None,
        guide: bool,
        image_scale: float,
        seed: int,
        reports: Reports,
    ) -> TextureOutput:
        report, device = reports.stage, self.device_of_networks
        draws = Draws(seed, device)
        report("prepare", 0, 4)
        prompts = self.encode_prompts(*texts, scene.rig)
        report("prepare", 1, 4)
        controls = self.prepare_controls(scene, settings)
        report("prepare", 2, 4)
        projector = self.latent_projector(scene, settings)
        report("prepare", 3, 4)
        backgrounds = self.encode_backgrounds(settings.sizes.latent_view, draws, reports.check)
        report("prepare", 4, 4)
        drawn = None
        if guide and image is None:
            image = drawn = self.draw_guide(*texts, controls, scene.rig, settings, Draws(seed, device), reports)
        conditions = Conditions(prompts, controls, self.encode_image_prompt(image, image_scale))
        latents = self.denoise(conditions, projector, backgrounds, scene.rig, settings, draws, reports)
        views = self.decode(latents, settings.decoded_together, report)
        texture = self.bake(views, scene, settings, reports)
        return TextureOutput(texture=texture, views=views, latents=latents, guide=drawn)

    def check(self, settings: TextureSettings, image: bool) -> None:
        """Raises BadInput where the loaded networks cannot do what is asked."""
        for kind in settings.controls:
            if kind not in self.config.control_kinds:
                known = ", ".join(self.config.control_kinds) or "none"
                raise BadInput(f"These weights cannot follow {kind} images.", f"They can follow: {known}.",
                               "Choose another control, or weights that have it.")
        if image and not has_adapter(self.unet):
            raise BadInput("These weights cannot take an image.", "They have no image adapter.",
                           "Leave the image out, or choose weights that have one.")

    def encode_prompts(self, prompt: str, negative_prompt: str, rig: CameraRig) -> ViewPrompts:
        """The encoded prompts of every view, with the side that it sees."""
        endings = [suffix(direction) for direction in DIRECTIONS]
        positive, negative = (self._encode(text, endings) for text in (prompt, negative_prompt))
        return of_views(positive, negative, rig.poses)

    def _encode(self, text: str, endings: Sequence[str]) -> TextEncoding:
        encoders = [(self.tokenizer, self.text_encoder)]
        if self.is_xl:
            encoders.append((self.tokenizer_2, self.text_encoder_2))
        device = self.device_of_networks
        return encode(encoders, text, endings, device).to(device, self.unet.dtype)

    def encode_image_prompt(self, image: Image.Image | None, scale: float) -> list[Tensor]:
        """What the image adapters take; without an image they are silenced, since they cannot be left out."""
        if not has_adapter(self.unet):
            return []
        self.set_ip_adapter_scale(scale if image is not None else 0.0)
        shown = image or Image.new("RGB", (224, 224))
        hidden = encode_image(
            self.unet, self.image_encoder, self.feature_extractor, shown, self.device_of_networks
        )
        return [states.to(self.device_of_networks, self.unet.dtype) for states in hidden]

    def latent_projector(self, scene: Scene, settings: TextureSettings) -> Projector:
        """Between the views' latents and the latent texture."""
        return Projector.build(
            scene.mesh, scene.cameras, settings.sizes.latent_view, settings.sizes.latent_texture
        )

    def prepare_controls(self, scene: Scene, settings: TextureSettings) -> list[Control]:
        """Each ControlNet that is asked for with its images, rendered once."""
        device, controls = self.device_of_networks, []
        for kind, images in control_images(scene, settings).items():
            network = self.controlnet.nets[self.config.control_kinds.index(kind)]
            controls.append(Control(network, images.to(device, network.dtype), settings.controls[kind]))
        return controls

    def encode_backgrounds(self, latent_view: int, draws: Draws, check: Callable[[], None] = ignore) -> Tensor:
        """Scaled latents of the background colors, float32 [14, 4, s, s]. Their moments are kept for the next job.

        Raises NotFiniteError.
        """
        if latent_view not in self._colors:
            self._colors[latent_view] = encode_colors(self.vae, 8 * latent_view, self.device_of_networks, check)
        mean, deviation = self._colors[latent_view]
        sample = finite_views(mean + deviation * draws.normal("color_latents", tuple(mean.shape)))
        return sample * self.vae.config.scaling_factor

    @fastest_attention
    def draw_guide(
        self,
        prompt: str,
        negative_prompt: str,
        controls: Sequence[Control],
        rig: CameraRig,
        settings: TextureSettings,
        draws: Draws,
        reports: Reports,
    ) -> Image.Image:
        """An image of the front by itself, from the prompt without a side."""
        positive, negative = (self._encode(text, [""]) for text in (prompt, negative_prompt))
        front = controls_of_front(controls, rig.front)
        conditions = Conditions(ViewPrompts(positive, negative), front, self.encode_image_prompt(None, 0.0))
        predictor = self._predictor(conditions, None, guidance_of_guide(settings.guidance), settings, reports)
        side = settings.sizes.latent_view
        latents, report = draws.normal("guide", (1, 4, side, side)), partial(reports.stage, "guide")
        with predictor.prepared():
            latents = draw_guide(predictor, self.plan(settings, front), latents, draws, report)
        image = self.decode(finite_views(latents), 1)[0]
        return Image.fromarray((image.permute(1, 2, 0).cpu().numpy() * 255).round().astype("uint8"))

    @fastest_attention
    def denoise(
        self,
        conditions: Conditions,
        projector: Projector,
        backgrounds: Tensor,
        rig: CameraRig,
        settings: TextureSettings,
        draws: Draws,
        reports: Reports = SILENT,
    ) -> Tensor:
        """Latents of all views, float32 [V, 4, s, s]. Raises NotFiniteError."""
        plan = self.plan(settings, conditions.controls)
        sharing = ViewSharing(rig.neighbors, (rig.front,), views_per_chunk=settings.views_per_chunk)
        predictor = self._predictor(conditions, sharing, settings.guidance, settings, reports)
        with predictor.prepared():
            latents = denoise(
                predictor, projector, plan, backgrounds, len(rig.poses), draws, settings.mode,
                lambda outcome: reports.step(outcome, backgrounds), partial(reports.stage, "sample"),
            )
        return finite_views(latents)

    def _predictor(
        self,
        conditions: Conditions,
        sharing: ViewSharing | None,
        guidance: Guidance,
        settings: TextureSettings,
        reports: Reports,
    ) -> NoisePredictor:
        side = 8.0 * settings.sizes.latent_view
        time_ids = torch.tensor([side, side, 0, 0, side, side], device=self.device_of_networks) if self.is_xl else None
        return NoisePredictor(self.unet, conditions, sharing, guidance, time_ids, reports.check)

    def plan(self, settings: TextureSettings, controls: Sequence[Control]) -> Plan:
        """Timesteps, exponents and strengths of all steps."""
        self.scheduler.set_timesteps(settings.steps)
        timesteps = self.scheduler.timesteps.tolist()
        return Plan(
            plan_steps(timesteps, settings.schedule),
            self.scheduler.alphas_cumprod,
            self.scheduler.config.prediction_type,
            [control_scales(control.schedule, timesteps) for control in controls],
        )

    def decode(self, latents: Tensor, rows: int = 2, progress: StageReport = ignore) -> Tensor:
        """Images of all views, `rows` at a time, float32 [V, 3, 8 s, 8 s] in [0, 1]."""
        return decode_views(self.vae, latents, rows, lambda done: progress("decode", done, len(latents)))

    def bake(self, views: Tensor, scene: Scene, settings: TextureSettings, reports: Reports = SILENT) -> Tensor:
        """The views' images blended in the texture, float32 [3, H, W]."""
        size = settings.sizes.texture
        size = (size, size) if isinstance(size, int) else size
        return bake_squares(scene.mesh, scene.cameras, views, size, partial(reports.stage, "bake"), reports.check)
