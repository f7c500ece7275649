# SPDX-License-Identifier: GPL-3.0-or-later
"""Texturing as a job: meshes with UVs and a prompt in, one texture for each of them out."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...contract import (
    Artifact,
    BadInput,
    JobFolder,
    MeshData,
    Progress,
    Request,
    Resources,
    Result,
    WeightSet,
)
from ...geometry.frames import blender_to_y_up
from ...painting.alpha import paint_alpha
from ...painting.contact_sheet import preview_sheet
from ...painting.scene import PaintedScene, strip_size
from ..common.image_files import read_image
from ..common.memory import warn_without_effect
from .checkpoint.choice import chosen
from .checkpoint.pipeline import CheckpointPipelines
from .conditioning import ControlKind
from .denoising import StepOutcome, SyncMode
from .noise_prediction import Guidance
from .previews import LatentColors, before_gray
from .prompts import words_cut
from .rig import CameraRig
from .schedule import ControlSchedule, SyncSchedule
from .settings import Scene, Sizes, TextureSettings
from .texture_run import Reports

NUMBERS_OF_AZIMUTHS = range(3, 17)
PROMPT_OF_IMAGES = "best quality, high quality"
"""What stands for a prompt where only an image is given: the networks need one."""
TEXELS_SO_FAR = 16
"""The most texels, along a side, of a texture that views follow, for each pixel of their latents: two a pixel."""
GUIDE = "guide.png"


def load(weights: WeightSet, folder: Path, resources: Resources, progress: Progress) -> CheckpointPipelines:
    """The set's networks, of which each job reads what it needs."""
    warn_without_effect(resources, progress)
    progress.loading(weights.label)
    return CheckpointPipelines(weights, folder, resources)


def run(
    model: CheckpointPipelines, request: Request, folder: JobFolder, resources: Resources, progress: Progress
) -> Result:
    """Texture the meshes of one request. Raises BadInput, CheckpointError, NotFiniteError."""
    with torch.inference_mode():
        return _texture(model, request, folder, resources, progress)


def _texture(
    model: CheckpointPipelines, request: Request, folder: JobFolder, resources: Resources, progress: Progress
) -> Result:
    options = request.parameters
    names = request.inputs["mesh"]
    meshes = [MeshData.read(folder.inputs / name) for name in names]
    prompt = str(options["prompt"]).strip() or PROMPT_OF_IMAGES
    image = _image(request, folder)
    rig = rig_of(request)
    turned = [replace(mesh, vertices=blender_to_y_up(mesh.vertices)) for mesh in meshes]
    cameras, fill = rig.cameras(options["lens"] == "perspective"), float(options["mesh_scale"])
    so_far = TEXELS_SO_FAR * int(options["latent_view_size"]) if ControlKind.TILE in controls_of(request) else 0
    whole = PaintedScene.build(turned, cameras, fill, resources.device, so_far)
    for remark in whole.remarks:
        progress.warn(remark)
    settings = settings_of(request, whole.squares, resources)
    led = image is not None or bool(options["guide"])
    pipeline = model.pipeline(chosen(options), [kind.value for kind in settings.controls], led, progress.loading)
    for remark in model.remarks:
        progress.warn(remark)
    negative_prompt = str(options["negative_prompt"])
    for text, name in ((prompt, "prompt"), (negative_prompt, "negative prompt")):
        if words_cut(pipeline.tokenizer, text):
            progress.warn(f"The {name} is too long: its last words are ignored.")
    output = pipeline(
        Scene.of(whole, rig),
        prompt,
        settings,
        negative_prompt=negative_prompt,
        image=image,
        guide=bool(options["guide"]),
        image_scale=float(options["ip_adapter_scale"]),
        seed=request.seed,
        reports=Reports(progress.stage, _Previews(folder, progress, int(options["log_interval"])), progress.check),
    )
    textures = output.texture.split(output.texture.shape[1], dim=2)[: whole.objects]
    artifacts = [
        _written(texture, mesh, name, number, request, folder, progress)
        for number, (texture, mesh, name) in enumerate(zip(textures, meshes, names, strict=True), start=1)
    ]
    preview_sheet(output.views, folder, progress)
    if output.guide is not None:
        output.guide.save(folder.outputs / GUIDE)
        artifacts.append(Artifact("front view", "image", GUIDE, "preview"))
    return Result(tuple(artifacts))


def controls_of(request: Request) -> list[ControlKind]:
    """The images that the views shall follow."""
    return [ControlKind(kind) for kind in str(request.parameters["cond_type"]).split("+")]


def rig_of(request: Request) -> CameraRig:
    """The cameras. Raises BadInput for azimuths that cannot be read."""
    options, written = request.parameters, str(request.parameters["camera_azims"])
    try:
        azimuths = tuple(float(number) for number in written.replace(",", " ").split())
    except ValueError:
        azimuths = (math.nan,)
    if not all(map(math.isfinite, azimuths)) or (azimuths and len(azimuths) not in NUMBERS_OF_AZIMUTHS):
        fewest, most = NUMBERS_OF_AZIMUTHS[0], NUMBERS_OF_AZIMUTHS[-1]
        raise BadInput(f"Azimuths cannot be {written!r}.", f"They are {fewest} to {most} angles in degrees.",
                       "Write them like -90, 0, 90, or nothing for cameras evenly around.")
    return CameraRig(
        azimuths or CameraRig.even(int(options["views"])), float(options["camera_elevation"]),
        bool(options["top_cameras"]), bool(options["bottom_cameras"]), float(options["top_elevation"]),
    )


def settings_of(request: Request, squares: int, resources: Resources) -> TextureSettings:
    """The options as the pipeline takes them. Little memory, or having run out of it, means smaller pieces."""
    options = request.parameters
    spare = resources.memory_mode != "full" or resources.chunk_scale < 1
    latent_view, texture = int(options["latent_view_size"]), int(options["texture_size"])
    image = 8 * latent_view
    control = ControlSchedule(
        float(options["conditioning_scale"]), float(options["conditioning_scale_end"]),
        float(options["control_guidance_start"]), float(options["control_guidance_end"]),
    )
    if control.start >= control.end:
        raise BadInput("The views would never follow the mesh.", "'Follow From' is not before 'Follow Until'.",
                       "Choose a smaller 'Follow From'.")
    return TextureSettings(
        sizes=Sizes(latent_view, strip_size(image, squares), image, strip_size(texture, squares)),
        steps=int(options["steps"]),
        guidance=Guidance(float(options["guidance_scale"]), float(options["guidance_rescale"]),
                          bool(options["guess_mode"]), together=not spare),
        schedule=SyncSchedule(
            float(options["mvd_end"]), float(options["mvd_exp_start"]), float(options["mvd_exp_end"]),
            float(options["ref_attention_end"]), float(options["shuffle_bg_change"]), float(options["shuffle_bg_end"]),
        ),
        controls=dict.fromkeys(controls_of(request), control),
        mode=SyncMode(str(options["sync_mode"])),
        views_per_chunk=2 if spare else None,
        decoded_together=1 if spare else 2,
    )


class _Previews:
    """Writes a contact sheet of the views every few steps."""

    def __init__(self, folder: JobFolder, progress: Progress, interval: int) -> None:
        self._folder, self._progress, self._interval = folder, progress, interval
        self._colors: LatentColors | None = None

    def __call__(self, outcome: StepOutcome, backgrounds: Tensor) -> None:
        if (outcome.step.index + 1) % self._interval:
            return
        self._colors = self._colors or LatentColors(backgrounds)
        images = self._colors.images(outcome.clean)
        if outcome.synchronized is not None:
            images = before_gray(images, outcome.synchronized.views[:, -1:])
        preview_sheet(images, self._folder, self._progress)


def _image(request: Request, folder: JobFolder) -> Image.Image | None:
    files = request.inputs.get("image", ())
    return Image.fromarray(read_image(folder.inputs / files[0])) if files else None


def _written(
    texture: Tensor,
    mesh: MeshData,
    source: str,
    number: int,
    request: Request,
    folder: JobFolder,
    progress: Progress,
) -> Artifact:
    """One texture [3, S, S] as PNG: sRGB, 8 bit; with alpha where only some faces are painted."""
    progress.check()
    pixels = texture.permute(1, 2, 0).cpu().numpy()
    if not mesh.selected.all():
        pixels = np.concatenate([pixels, paint_alpha(mesh, len(pixels))[..., None]], axis=2)
    file = f"texture.{number:03d}.png"
    Image.fromarray((pixels * 255).round().astype(np.uint8)).save(folder.outputs / file)
    properties = {"texture_size": len(pixels), "views": len(rig_of(request).poses)}
    return Artifact(request.subject, "image", file, "base_color", target=source, properties=properties)
