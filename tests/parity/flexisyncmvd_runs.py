# SPDX-License-Identifier: GPL-3.0-or-later
"""FlexiSyncMVD's whole runs against golden numbers, with the recorded noise. One run is in four files."""

from collections.abc import Iterator

import torch
from diffusers import AutoencoderKL, ControlNetModel, MultiControlNetModel
from torch import Tensor, nn

from backend.geometry.projection import orbit_cameras
from backend.pipelines.flexisyncmvd.denoising import StepOutcome
from backend.pipelines.flexisyncmvd.noise_prediction import Conditions, Control
from backend.pipelines.flexisyncmvd.prompts import TextEncoding, ViewPrompts, of_views
from backend.pipelines.flexisyncmvd.rig import CameraRig
from backend.pipelines.flexisyncmvd.schedule import ddpm_scheduler
from backend.pipelines.flexisyncmvd.settings import Scene
from backend.pipelines.flexisyncmvd.texture_run import Reports

from .comparison import Comparison
from .flexisyncmvd import RUN_TOLERANCE, relative
from .flexisyncmvd_image_adapter import unet_of
from .flexisyncmvd_options import control_kind_of, control_schedule_of, options_of, rig_of, settings_of
from .flexisyncmvd_projection import golden_mesh, vertex_normals
from .golden import Golden
from .kinds import kind
from .published.flexisyncmvd import PublishedPipeline
from .published.projection import PublishedProjector

HALF_BACKGROUNDS = 10
"""How much more tolerance values need that SDXL's backgrounds enter: the original computes these in half precision."""
PARTS = ("inputs", "outputs", "weights_unet", "weights_controlnet_vae")


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
        # The last draw is for a step that is not taken.
        return drawn[step].long() if step < len(drawn) else torch.zeros(views, dtype=torch.long)


@kind("flexisyncmvd", "e2e_")
def end_to_end(golden: Golden) -> Iterator[Comparison]:
    """One file of a run, by the end of its name."""
    cases = {"inputs": _plan, "outputs": _run}
    return cases.get(_part_name(golden), _names)(golden)


def _part_name(golden: Golden) -> str:
    part = next((part for part in PARTS if golden.case.endswith(f"_{part}")), None)
    if part is None:
        raise ValueError(f"the file of a run ends in one of {', '.join(PARTS)}")
    return part


def part_of(golden: Golden, part: str) -> Golden:
    """Another of the files of the same run."""
    return golden.named(f"{golden.case.removesuffix(_part_name(golden))}{part}")


def loaded(network: nn.Module, weights: dict[str, Tensor]) -> nn.Module:
    network.load_state_dict(weights)
    return network.eval()


def pipeline_of(inputs: Golden) -> PublishedPipeline:
    """The recorded run's networks. Its texts and images are given as embeddings, so it has no encoders."""
    other = part_of(inputs, "weights_controlnet_vae")
    controlnet = ControlNetModel.from_config(other.json("controlnet"))
    pipeline = PublishedPipeline(
        vae=loaded(AutoencoderKL.from_config(other.json("vae")), other.weights("vae.")),
        text_encoder=None,
        tokenizer=None,
        unet=unet_of(part_of(inputs, "weights_unet"), inputs.config, options_of(inputs.config)["ip_adapter_scale"]),
        scheduler=ddpm_scheduler(**inputs.config["scheduler"]),
        controlnet=MultiControlNetModel([loaded(controlnet, other.weights("controlnet."))]),
        control_kinds=[control_kind_of(inputs.config)],
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _prompts(inputs: Golden, rig: CameraRig) -> ViewPrompts:
    positive, negative = (
        TextEncoding(inputs.input(f"{sign}prompt_embeds"), inputs.optional_input(f"{sign}pooled"))
        for sign in ("", "negative_")
    )
    return of_views(positive, negative, rig.poses)


def _control(inputs: Golden, pipeline: PublishedPipeline) -> Control:
    """The ControlNet with the recorded images, of one channel or of three."""
    images = next(inputs.input(name) for name in inputs.inputs if name.startswith("conditioning"))
    schedule = control_schedule_of(inputs.config)
    return Control(pipeline.controlnet.nets[0], images.expand(-1, 3, -1, -1), schedule)


def _run(outputs: Golden) -> Iterator[Comparison]:
    """Every step's predictions, texture and views; the texture in the end, and the mesh with it."""
    inputs = part_of(outputs, "inputs")
    config, pipeline, mesh = inputs.config, pipeline_of(inputs), golden_mesh(inputs)
    yield from vertex_normals(outputs, mesh)
    rig, settings = rig_of(config), settings_of(config)
    scene = Scene(mesh, rig, orbit_cameras(config["poses"]))
    image_prompt = [inputs.input("ip_hidden_states_neg_pos")] if config["ip"] else []
    conditions = Conditions(_prompts(inputs, rig), [_control(inputs, pipeline)], image_prompt)
    projector = PublishedProjector(mesh, scene.cameras, settings.sizes.latent_view, settings.sizes.latent_texture)
    seen: list[StepOutcome] = []
    latents = pipeline.denoise(
        conditions, projector, inputs.input("colour_latents"), rig, settings, RecordedDraws(inputs),
        Reports(step=lambda outcome, _: seen.append(outcome)),
    )
    for outcome in seen:
        for name, value in _values(outcome).items():
            key = f"step{outcome.step.index}.{name}"
            if outputs.has_output(key):
                backgrounds = pipeline.is_xl and name in ("latents", "pred_x0")
                tolerance = relative(value) * (HALF_BACKGROUNDS if backgrounds else 1)
                yield Comparison(key, value, outputs.output(key), tolerance)
    colors = pipeline.color_projector(scene, settings)
    texture = pipeline.published_texture(pipeline.decode(latents), colors)
    yield Comparison("final_texture", texture, outputs.output("final_texture"), RUN_TOLERANCE)
    rendered = colors.render(texture)
    for number, expected in enumerate(outputs.output("textured_views")):
        # Which of the views was recorded is not in the file.
        nearest = min(rendered, key=lambda view, expected=expected: float((view - expected).abs().mean()))
        yield Comparison(f"textured_views {number}", nearest, expected, RUN_TOLERANCE)


def _values(outcome: StepOutcome) -> dict[str, Tensor]:
    values = {
        "guided_noise": outcome.prediction.guided,
        "unet_positive": outcome.prediction.positive,
        "unet_negative": outcome.prediction.negative,
        "pred_x0": outcome.clean,
        "latents": outcome.views,
        "latent_texture": outcome.synchronized.texture if outcome.synchronized else None,
    }
    return {name: value for name, value in values.items() if value is not None}


def _plan(inputs: Golden) -> Iterator[Comparison]:
    """Rig, timesteps, exponents and strengths of the recorded run."""
    config, pipeline = inputs.config, pipeline_of(inputs)
    poses = [[pose.elevation, pose.azimuth] for pose in rig_of(config).poses]
    yield Comparison("poses", poses, config["poses"])
    plan = pipeline.plan(settings_of(config), [_control(inputs, pipeline)])
    yield Comparison("timesteps", [step.timestep for step in plan.steps], config["timesteps"])
    synchronized = [step for step in plan.steps if step.synchronized]
    yield Comparison("sync_t", [step.timestep for step in synchronized], config["sync_t"])
    exponents = torch.tensor([step.exponent for step in synchronized])
    yield Comparison("sync_exp", exponents, torch.tensor(config["sync_exp"]))
    recorded = next(config[key] for key in config if key.startswith("controlnet_scales"))
    calls = len(recorded) // len(plan.steps)  # one for each sign that was guided
    scales = torch.tensor(plan.scales[0]).repeat_interleave(calls)
    yield Comparison("controlnet_scales", scales, torch.tensor(recorded))


def _names(weights: Golden) -> Iterator[Comparison]:
    """Every tensor of the file has its place in our networks, with its shape."""
    pipeline = pipeline_of(part_of(weights, "inputs"))
    networks = {"unet": pipeline.unet, "controlnet": pipeline.controlnet.nets[0], "vae": pipeline.vae}
    for name, network in networks.items():
        stored = {key: tuple(tensor.shape) for key, tensor in weights.weights(f"{name}.").items()}
        if stored:
            ours = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
            yield Comparison(name, ours, stored)
