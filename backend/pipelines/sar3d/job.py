# SPDX-License-Identifier: GPL-3.0-or-later
"""SAR3D's tasks as jobs: files in, artifacts out, in Blender's frame on both sides.

The pipeline's frame is already Blender's: Z up, right-handed, the objects' canonical orientation kept.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ...contract import (
    VARIANT_GROUP,
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
from ...geometry.flexicubes import Split
from ..common.background import cut_out_input
from ..common.image_preparation import has_transparency, recenter
from .conditions import count_tokens, text_length
from .image_views import CENTERING, square_on_white
from .model import Model, PublishedModel, StarterModel
from .pipeline import Sar3dPipeline, SurfaceSettings
from .spec import CAPTIONER
from .understanding.describing import describe_mesh
from .understanding.view_captioner import ViewCaptioner

SPLITS: dict[str, Split] = {"two": "diagonal", "four": "center"}
NOT_ENGLISH = re.compile(r"[^\x00-\u024f\u2000-\u206f]")
"""Letters of other scripts than Latin."""


def load(weights: WeightSet, folder: Path, resources: Resources, progress: Progress) -> Model | ViewCaptioner:
    """The set's networks. The published ones are read by the first job that needs them: for prompts or for images."""
    if weights.bundled:
        progress.loading("starter weights")
        return StarterModel(folder, resources)
    if weights.name == CAPTIONER:
        progress.loading("captioner")
        dtype = torch.float32 if resources.device == "cpu" else torch.float16
        return ViewCaptioner.load(folder, dtype, resources.device)
    return PublishedModel(folder, resources)


def run(
    model: Any, request: Request, folder: JobFolder, resources: Resources, progress: Progress
) -> Result:
    """Do one request with what `load` gave."""
    if request.task == "describe":
        return describe_mesh(model, request, folder, resources, progress)
    return _generate(model, request, folder, resources, progress)


def _generate(
    model: Model, request: Request, folder: JobFolder, resources: Resources, progress: Progress
) -> Result:
    options, prompt = request.parameters, str(request.parameters["prompt"]).strip()
    files = request.inputs.get("image", ())
    if prompt and files:
        raise BadInput("Both a prompt and an image were given.", "The object is generated from one of them.",
                       "Clear the prompt, or remove the image.")
    progress.stage("condition", 0, 1)
    square, masks = _square(request, folder, resources, progress) if files else (None, ())
    pipeline = model.pipeline("image" if files else "text", str(options["surface"]), progress)
    if prompt:
        _remark_on(prompt, pipeline, progress)
    output = pipeline(
        prompt or None,
        square,
        seeds=[request.seed + number for number in range(int(options["variants"]))],
        guidance_scale=float(options["guidance_scale"]),
        top_k=int(options["top_k"]),
        top_p=float(options["top_p"]),
        surface=SurfaceSettings(
            points=int(options["resolution"]), level=float(options["density_threshold"]), grid=model.grid,
            split=SPLITS[str(options["triangles"])],
        ),
        progress=progress.stage,
    )
    artifacts = _write_meshes(output.meshes, request.subject, folder)
    if files:
        artifacts.append(Artifact("image", "image", "image.png", "preview"))
    return Result((*artifacts, *masks))


def _square(
    request: Request, folder: JobFolder, resources: Resources, progress: Progress
) -> tuple[NDArray[np.uint8], tuple[Artifact, ...]]:
    """The image as the encoder is given it, also shown to the artist; and the mask where one was made."""
    image, masks = cut_out_input(request, folder, resources, progress)
    square = square_on_white(recenter(image, CENTERING) if has_transparency(image) else image)
    Image.fromarray(square).save(folder.outputs / "image.png")
    progress.preview("image.png")
    return square, masks


def _remark_on(prompt: str, pipeline: Sar3dPipeline, progress: Progress) -> None:
    """Say what the text encoder makes of an unfitting prompt."""
    assert pipeline.tokenizer is not None and pipeline.text_encoder is not None  # it is a pipeline for prompts
    tokens, most = count_tokens(prompt, pipeline.tokenizer), text_length(pipeline.text_encoder)
    if tokens > most:
        progress.warn(f"The prompt has {tokens} tokens. Only the first {most} are used.")
    if NOT_ENGLISH.search(prompt):
        progress.warn("The prompt does not seem to be English, the only language that the model knows.")


def _write_meshes(meshes: list[MeshData], subject: str, folder: JobFolder) -> list[Artifact]:
    """One npz for each object; several are variants of each other."""
    artifacts = []
    for number, mesh in enumerate(meshes, start=1):
        file = f"mesh.{number}.npz"
        mesh.write(folder.outputs / file)
        artifacts.append(Artifact(subject, "mesh", file, "mesh", group=VARIANT_GROUP if len(meshes) > 1 else "",
                                  properties={"faces": len(mesh.faces)}))
    return artifacts
