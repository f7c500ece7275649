# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks of one set of weights, each loaded when a job first needs it: a prompt needs none of an image's."""

from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, cast

import torch
from transformers import CLIPTextModel, CLIPTokenizer, Dinov2Model

from ...contract import MeshwrightError, Progress, Remedy, Resources
from ..common.checkpoint_shapes import PUBLISHED
from ..common.components import CLIP_VIT_LARGE, DINOV2_LARGE
from ..common.saved_network import read_saved
from . import conditions
from .checkpoint import (
    DENSITY_DECODER,
    FLEXICUBES_DECODER,
    FLEXICUBES_ENCODER,
    IMAGE_TRANSFORMER,
    TEXT_TRANSFORMER,
    Part,
    load_part,
)
from .encoder import TriplaneEncoder
from .fields import DensityField, flexicubes_from_density
from .pipeline import Sar3dPipeline
from .quantizer import ResidualQuantizer
from .surfaces import DENSITY_LEVEL, FlexiCubesGrid
from .transformer import Condition
from .understanding.language_model import TokenLanguageModel, load_language_model

Kind = Literal["text", "image"]
"""What an object is generated from."""
DECODERS = {"flexicubes": FLEXICUBES_DECODER, "density": DENSITY_DECODER}


class Model(Protocol):
    """The networks of a set of weights, and the grid that FlexiCubes extracts their surfaces on."""

    grid: FlexiCubesGrid

    def pipeline(self, kind: Kind, surface: str, progress: Progress) -> Sar3dPipeline:
        """The pipeline for prompts ("text") or images, with the field for that surface. Raises MeshwrightError."""


class StarterModel:
    """The starter networks: one decoder, whose density field also serves FlexiCubes."""

    grid = FlexiCubesGrid(64)

    def __init__(self, folder: Path, resources: Resources):
        density = Sar3dPipeline.from_pretrained(folder).place(resources.device)
        self._pipelines = {"density": density, "flexicubes": with_flexicubes(density)}

    def pipeline(self, kind: Kind, surface: str, progress: Progress) -> Sar3dPipeline:
        """See `Model`."""
        return self._pipelines[surface]


def with_flexicubes(density: Sar3dPipeline) -> Sar3dPipeline:
    """A pipeline that shares all networks with one for density, but reads the same surface by FlexiCubes."""
    decoder = copy(density.decoder)
    decoder._modules = dict(density.decoder._modules)
    decoder.field = flexicubes_from_density(cast(DensityField, density.decoder.field), DENSITY_LEVEL)
    pipeline = Sar3dPipeline(decoder, density.tokenizer, density.text_encoder, density.text_transformer,
                             density.image_encoder, density.image_transformer)
    pipeline.null_text, pipeline.null_image = density.null_text, density.null_image
    return pipeline


@dataclass
class PublishedModel:
    """The published networks in `folder`, on the device of `resources`.

    The encoders run in float32, as published; the others in bfloat16 on GPUs, but for what they keep in float32.
    """

    folder: Path
    resources: Resources
    grid: FlexiCubesGrid = field(default_factory=FlexiCubesGrid)
    _parts: dict[str, Any] = field(default_factory=dict)
    _pipelines: dict[tuple[Kind, str], Sar3dPipeline] = field(default_factory=dict)

    def pipeline(self, kind: Kind, surface: str, progress: Progress) -> Sar3dPipeline:
        """See `Model`."""
        if (kind, surface) not in self._pipelines:
            decoder = self._part(DECODERS[surface], progress)
            make = self._text_pipeline if kind == "text" else self._image_pipeline
            self._pipelines[kind, surface] = make(decoder, progress)
        return self._pipelines[kind, surface]

    def quantizer(self, progress: Progress) -> ResidualQuantizer:
        """The codebook of both published autoencoders. Raises CheckpointError."""
        return self._part(FLEXICUBES_DECODER, progress).quantize

    def encoder(self, progress: Progress) -> TriplaneEncoder:
        """What tokenizes existing meshes. Raises CheckpointError."""
        return self._part(FLEXICUBES_ENCODER, progress)

    def language_model(self, folder: str, progress: Progress) -> TokenLanguageModel:
        """The artist's own language model in that folder. Raises CheckpointError."""
        width = self.quantizer(progress).embedding.weight.shape[1]
        return self._once(
            f"language model {folder}", progress,
            lambda: load_language_model(Path(folder), width, self._dtype, self.resources.device, progress.check),
        )

    def _text_pipeline(self, decoder: Any, progress: Progress) -> Sar3dPipeline:
        tokenizer, encoder, null = self._once("text encoder", progress, self._text_encoder)
        pipeline = Sar3dPipeline(decoder, tokenizer, encoder, self._part(TEXT_TRANSFORMER, progress))
        pipeline.null_text = null
        return pipeline

    def _image_pipeline(self, decoder: Any, progress: Progress) -> Sar3dPipeline:
        encoder, null = self._once("image encoder", progress, self._image_encoder)
        transformer = self._part(IMAGE_TRANSFORMER, progress)
        pipeline = Sar3dPipeline(decoder, image_encoder=encoder, image_transformer=transformer)
        pipeline.null_image = null
        return pipeline

    def _text_encoder(self) -> tuple[CLIPTokenizer, CLIPTextModel, Condition]:
        folder = self._component(CLIP_VIT_LARGE.name)
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
        encoder = read_saved(CLIPTextModel, folder, origin=PUBLISHED).to(self.resources.device)
        return tokenizer, encoder, conditions.null_text_condition(self.folder, tokenizer, encoder)

    def _image_encoder(self) -> tuple[Dinov2Model, Condition]:
        folder = self._component(DINOV2_LARGE.name)
        encoder = read_saved(Dinov2Model, folder, origin=PUBLISHED).to(self.resources.device)
        return encoder, conditions.null_image_condition(self.folder, encoder)

    def _component(self, name: str) -> Path:
        if name not in self.resources.components:
            raise MeshwrightError(f"{name} is not installed.", "SAR3D encodes prompts and images with it.",
                                  "Download the weights.", Remedy.DOWNLOAD)
        return self.resources.components[name]

    def _part(self, part: Part, progress: Progress) -> Any:
        return self._once(
            part.label, progress,
            lambda: load_part(part, self.folder, self._dtype, self.resources.device, lambda label: progress.check()),
        )

    @property
    def _dtype(self) -> torch.dtype:
        return torch.float32 if self.resources.device == "cpu" else torch.bfloat16

    def _once(self, name: str, progress: Progress, load: Any) -> Any:
        if name not in self._parts:
            progress.loading(name)
            self._parts[name] = load()
        return self._parts[name]
