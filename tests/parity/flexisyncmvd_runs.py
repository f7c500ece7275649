# SPDX-License-Identifier: GPL-3.0-or-later
"""FlexiSyncMVD's whole runs against golden numbers, in reference mode, with the recorded noise."""

from collections.abc import Iterator

import torch
from diffusers import AutoencoderKL, ControlNetModel, MultiControlNetModel, UNet2DConditionModel
from diffusers.models.attention_processor import IPAdapterAttnProcessor2_0
from diffusers.models.embeddings import IPAdapterPlusImageProjection, MultiIPAdapterImageProjection
from torch import Tensor, nn

from backend.geometry.projection import Projector
from backend.pipelines.flexisyncmvd.conditioning import ControlKind
from backend.pipelines.flexisyncmvd.denoising import StepOutcome
from backend.pipelines.flexisyncmvd.noise_prediction import Conditions, Control, Guidance
from backend.pipelines.flexisyncmvd.pipeline import FlexiSyncMVDPipeline
from backend.pipelines.flexisyncmvd.prompts import TextEncoding, of_views
from backend.pipelines.flexisyncmvd.rig import CameraRig
from backend.pipelines.flexisyncmvd.schedule import ControlSchedule, ddpm_scheduler
from backend.pipelines.flexisyncmvd.settings import Scene, Settings, Sizes
from backend.pipelines.flexisyncmvd.texture_run import Reports

from .comparison import Comparison
from .flexisyncmvd import RUN_TOLERANCE, cameras_of, network_config
from .flexisyncmvd_projection import golden_mesh
from .golden import Golden
from .kinds import kind

HALF_BACKGROUNDS_TOLERANCE = 5e-4
"""The original computes SDXL's backgrounds in half precision."""
IMAGE_TOKENS, RESAMPLER_HEADS, IMAGE_SCALE = 4, 4, 0.5


class RecordedDraws:
    """The noise and the background colors of the recorded run."""

    def __init__(self, inputs: Golden) -> None:
        self._inputs = inputs

    def normal(self, what: str, shape: tuple[int, ...]) -> Tensor:
        noise = self._inputs.input(what)
        assert noise.shape == shape, what
        return noise

    def colors(self, step: int, views: int, choices: int) -> Tensor:
        drawn = self._inputs.input("background_colour_index")
        # The last draw is for a step that never comes.
        return drawn[step].long() if step < len(drawn) else torch.zeros(views, dtype=torch.long)


def part_of(golden: Golden, part: str) -> Golden:
    """Another of the files of the same run."""
    return golden.named(f"{_run_of(golden)}_{part}")


def _run_of(golden: Golden) -> str:
    return next(golden.case.removesuffix(f"_{part}") for part in _PARTS if golden.case.endswith(f"_{part}"))


def loaded(network: nn.Module, weights: dict[str, Tensor]) -> nn.Module:
    network.load_state_dict(weights)
    return network.eval()


def unet_of(weights: Golden) -> UNet2DConditionModel:
    """The UNet, with an image adapter of diffusers' own layers if the configuration names one."""
    config = network_config(weights, "unet")
    adapted = config.pop("encoder_hid_dim_type", None) == "ip_image_proj"
    unet = UNet2DConditionModel.from_config(config)
    tensors = weights.weights("unet.")
    if adapted:
        _add_image_adapter(unet, tensors)
    return loaded(unet, tensors)


def _add_image_adapter(unet: UNet2DConditionModel, tensors: dict[str, Tensor]) -> None:
    """Layers of the sizes that the tensors have."""
    processors = dict(unet.attn_processors)
    for name in processors:
        if f"{name}.to_k_ip.0.weight" in tensors:
            width, context = tensors[f"{name}.to_k_ip.0.weight"].shape
            processors[name] = IPAdapterAttnProcessor2_0(width, context, (IMAGE_TOKENS,), IMAGE_SCALE)
    unet.set_attn_processor(processors)
    prefix = "encoder_hid_proj.image_projection_layers.0."
    width, given = tensors[f"{prefix}proj_in.weight"].shape
    inner = tensors[f"{prefix}layers.0.attn.to_q.weight"].shape[0]
    unet.encoder_hid_proj = MultiIPAdapterImageProjection([
        IPAdapterPlusImageProjection(
            given, tensors[f"{prefix}proj_out.weight"].shape[0], width, depth=2, dim_head=inner // RESAMPLER_HEADS,
            heads=RESAMPLER_HEADS, num_queries=IMAGE_TOKENS, ffn_ratio=2,
        )
    ])
    unet.config.encoder_hid_dim_type = "ip_image_proj"


def pipeline_of(inputs: Golden) -> FlexiSyncMVDPipeline:
    """The recorded run's networks. Its texts and images are given as embeddings, so it has no encoders."""
    unet_file, other = part_of(inputs, "weights_unet"), part_of(inputs, "weights_controlnet_vae")
    controlnet = ControlNetModel.from_config(network_config(other, "controlnet"))
    pipeline = FlexiSyncMVDPipeline(
        vae=loaded(AutoencoderKL.from_config(network_config(other, "vae")), other.weights("vae.")),
        text_encoder=None, tokenizer=None, unet=unet_of(unet_file),
        scheduler=ddpm_scheduler(**inputs.config["scheduler"]),
        controlnet=MultiControlNetModel([loaded(controlnet, other.weights("controlnet."))]), control_kinds=["depth"],
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def settings_of(config: dict) -> Settings:
    return Settings(
        Sizes(config["latent_view"], config["tex"], config["rgb_view"], config["tex"]), config["steps"],
        Guidance(config["guidance"]), reference=True,
    )


def run(outputs: Golden) -> Iterator[Comparison]:
    """Every step's guided noise, texture and views, and the texture in the end."""
    kind, inputs = outputs.config["kind"], part_of(outputs, "inputs")
    config, pipeline = inputs.config, pipeline_of(inputs)
    settings = settings_of(config)
    scene = Scene(golden_mesh(inputs), CameraRig(), cameras_of(config["poses"]))
    prompts = of_views(*(
        TextEncoding(inputs.input(f"{sign}prompt_embeds"), inputs.optional_input(f"{sign}pooled"))
        for sign in ("", "negative_")
    ), scene.rig.poses)
    image_prompt = [inputs.input("ip_hidden_states_neg_pos")] if config["ip"] else []
    images = inputs.input("conditioning_gray").expand(-1, 3, -1, -1)
    controls = [Control(pipeline.controlnet.nets[0], images, ControlSchedule())]
    projector = Projector.build(
        scene.mesh, scene.cameras, settings.sizes.latent_view, settings.sizes.latent_texture, reference=True
    )
    seen: list[StepOutcome] = []
    latents = pipeline.denoise(
        Conditions(prompts, controls, image_prompt), projector, inputs.input("colour_latents"), scene.rig, settings,
        RecordedDraws(inputs), Reports(step=lambda outcome, _: seen.append(outcome)),
    )
    for outcome in seen:
        for name, value in _values(outcome).items():
            key = f"step{outcome.step.index}.{name}"
            if f"out.{key}" in outputs.names:
                backgrounds_enter = kind == "sdxl" and name in ("latents", "pred_x0")
                tolerance = HALF_BACKGROUNDS_TOLERANCE if backgrounds_enter else RUN_TOLERANCE
                yield Comparison(key, value, outputs.output(key), tolerance * max(1.0, float(value.abs().max())))
    texture = pipeline.bake(pipeline.decode(latents), scene, settings)
    yield Comparison("final_texture", texture, outputs.output("final_texture"), RUN_TOLERANCE)


def _values(outcome: StepOutcome) -> dict[str, Tensor]:
    values = {
        "guided_noise": outcome.prediction.guided, "unet_positive": outcome.prediction.positive,
        "unet_negative": outcome.prediction.negative, "pred_x0": outcome.clean, "latents": outcome.views,
    }
    return values | ({"latent_texture": outcome.synchronized.texture} if outcome.synchronized else {})


def plan(inputs: Golden) -> Iterator[Comparison]:
    """Timesteps, exponents and strengths of the recorded run."""
    config, pipeline = inputs.config, pipeline_of(inputs)
    control = Control(pipeline.controlnet.nets[0], torch.empty(0), ControlSchedule())
    plan = pipeline.plan(settings_of(config), [control])
    yield Comparison("timesteps", [step.timestep for step in plan.steps], config["timesteps"])
    synchronized = [step for step in plan.steps if step.synchronized]
    yield Comparison("sync_t", [step.timestep for step in synchronized], config["sync_t"])
    exponents = torch.tensor([step.exponent for step in synchronized])
    yield Comparison("sync_exp", exponents, torch.tensor(config["sync_exp"]))
    scales = torch.tensor(config["controlnet_scales_in_call_order(positive,negative per step)"])
    yield Comparison("controlnet_scales", torch.tensor(plan.scales[0]).repeat_interleave(2), scales)
    yield Comparison("kind", ControlKind(config["cond_type"]), ControlKind.DEPTH)


def names(weights: Golden) -> Iterator[Comparison]:
    """Every tensor of the file has its place in our networks, with its shape."""
    pipeline = pipeline_of(part_of(weights, "inputs"))
    networks = {"unet": pipeline.unet, "controlnet": pipeline.controlnet.nets[0], "vae": pipeline.vae}
    for name, network in networks.items():
        stored = {key: tuple(tensor.shape) for key, tensor in weights.weights(f"{name}.").items()}
        if stored:
            ours = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
            yield Comparison(name, ours, stored)


_PARTS = {"inputs": plan, "outputs": run, "weights_unet": names, "weights_controlnet_vae": names}
"""The files of one run, by the end of their names."""


@kind("flexisyncmvd", "e2e_")
def part_of_a_run(golden: Golden) -> Iterator[Comparison]:
    """A whole run is in several files."""
    return _PARTS[golden.case.removeprefix(f"{_run_of(golden)}_")](golden)
