# SPDX-License-Identifier: GPL-3.0-or-later
"""SAR3D from a prompt or an image to a colored mesh, stage by stage in the order of the algorithm."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import torch
from diffusers import DiffusionPipeline
from diffusers.utils import BaseOutput
from numpy.typing import NDArray
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer, Dinov2Model

from ...contract import BadInput, MeshData, MeshwrightError, Remedy
from ...contract.reports import StageReport, ignore
from ...geometry.flexicubes import Split
from ..common.finiteness import not_finite
from ..common.saved_network import read_saved
from . import conditions
from .fields import DensityField, FlexiCubesField
from .generation import TokenGenerator
from .sampling import SamplingSettings
from .surfaces import DENSITY_LEVEL, DENSITY_POINTS, FlexiCubesGrid, density_mesh, flexicubes_mesh
from .transformer import Condition, NextScaleTransformer
from .triplane_decoder import TriplaneDecoder


class EmptyResultError(MeshwrightError):
    """The triplane holds no surface."""


@dataclass(frozen=True)
class SurfaceSettings:
    """How a triplane becomes a mesh.

    Attributes:
        points: of the density grid along an axis.
        level: the density at the surface.
        grid: of FlexiCubes; that of the published weights.
        split: how FlexiCubes' quads become triangles.
    """

    points: int = DENSITY_POINTS
    level: float = DENSITY_LEVEL
    grid: FlexiCubesGrid = field(default_factory=FlexiCubesGrid)
    split: Split = "diagonal"


@dataclass
class Sar3dOutput(BaseOutput):
    """`meshes`: one colored mesh for each object (Z up, the cube [-0.45, 0.45]³). `tokens`: int64 `[B, L]`."""

    meshes: list[MeshData]
    tokens: Tensor


class Sar3dPipeline(DiffusionPipeline):
    """Prompts or images to meshes. Either half of the conditions may be absent: a pipeline for prompts only, say."""

    _optional_components = ["tokenizer", "text_encoder", "text_transformer", "image_encoder", "image_transformer"]

    tokenizer: CLIPTokenizer | None
    text_encoder: CLIPTextModel | None
    text_transformer: NextScaleTransformer | None
    image_encoder: Dinov2Model | None
    image_transformer: NextScaleTransformer | None
    decoder: TriplaneDecoder

    def __init__(
        self,
        decoder: TriplaneDecoder,
        tokenizer: CLIPTokenizer | None = None,
        text_encoder: CLIPTextModel | None = None,
        text_transformer: NextScaleTransformer | None = None,
        image_encoder: Dinov2Model | None = None,
        image_transformer: NextScaleTransformer | None = None,
    ):
        super().__init__()
        self.register_modules(
            decoder=decoder,
            tokenizer=tokenizer,
            text_encoder=text_encoder,
            text_transformer=text_transformer,
            image_encoder=image_encoder,
            image_transformer=image_transformer,
        )
        self.null_text: Condition | None = None
        self.null_image: Condition | None = None
        self._generators: dict[str, TokenGenerator] = {}

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | Path, *, torch_dtype: torch.dtype = torch.float32
    ) -> "Sar3dPipeline":
        """Load a local folder that `save_pretrained` wrote, with all its networks; nothing is fetched. Raises
        CheckpointError.

        Its conditions of nothing are those of the empty prompt and of a white image.
        """
        folder = Path(pretrained_model_name_or_path)
        tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
        text_encoder = read_saved(CLIPTextModel, folder / "text_encoder")
        image_encoder = read_saved(Dinov2Model, folder / "image_encoder")
        pipeline = cls(
            read_saved(TriplaneDecoder, folder / "decoder", torch_dtype),
            tokenizer,
            text_encoder,
            read_saved(NextScaleTransformer, folder / "text_transformer", torch_dtype),
            image_encoder,
            read_saved(NextScaleTransformer, folder / "image_transformer", torch_dtype),
        )
        for network in pipeline.components.values():
            if isinstance(network, torch.nn.Module):
                network.requires_grad_(False)
        pipeline.null_text = conditions.text_condition([""], tokenizer, text_encoder)
        white = conditions.blank_square(conditions.BLANKS["white"])
        pipeline.null_image = conditions.image_condition(white, image_encoder)
        return pipeline

    def place(self, device: torch.device | str) -> "Sar3dPipeline":
        """Move all networks to `device`."""
        self._generators.clear()
        for part in (self.decoder, self.text_encoder, self.text_transformer, self.image_encoder,
                     self.image_transformer):
            if part is not None:
                part.to(torch.device(device))
        return self

    @torch.inference_mode()
    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        image: NDArray[np.uint8] | None = None,
        *,
        seeds: Sequence[int] = (0,),
        guidance_scale: float = 4.0,
        top_k: int = 10,
        top_p: float = 0.5,
        surface: SurfaceSettings | None = None,
        progress: StageReport = ignore,
    ) -> Sar3dOutput:
        """Meshes of a prompt, of several, or of one image.

        Args:
            prompt: one for all objects, or one for each seed.
            image: uint8 `[256, 256, 3]`, the object on white (`image_views.square_on_white`); instead of a prompt.
            seeds: one for each object, all of which are computed together. A seed gives the same object on every
                machine, up to rounding, and whatever the other objects are.
            guidance_scale: how closely the last scale follows the condition.
            top_k: only this many of the likeliest tokens are drawn from, 0 for all.
            top_p: only the likeliest tokens with this share are drawn from, 0 for all.
            surface: how triplanes become meshes.
            progress: called with the stages "condition", "tokens", "decode" and "surface".

        Raises:
            BadInput: neither or both of prompt and image, or no fitting network, was given.
            NotFiniteError: the weights are damaged, or the precision is too low.
            EmptyResultError: an object has no surface.
            ValueError: a parameter is out of its range.
        """
        settings = SamplingSettings(guidance_scale, top_k, top_p)
        if (prompt is None) == (image is None):
            raise BadInput("A prompt or an image is needed.", "Both or none were given.", "Give one of them.")
        if image is not None:
            (condition, null), transformer = self.encode_image(image, len(seeds)), self.image_transformer
        else:
            prompts = [prompt] * len(seeds) if isinstance(prompt, str) else list(prompt or ())
            (condition, null), transformer = self.encode_prompts(prompts), self.text_transformer
        progress("condition", 1, 1)
        assert transformer is not None  # the encoding has looked for it
        generator = self._generator_for(transformer, len(seeds), condition.tokens.shape[1], settings)
        generated = generator.run(condition, null, seeds, lambda done, of: progress("tokens", done, of))
        triplane = self.decode(generated.latent, progress)
        return Sar3dOutput(self.extract_meshes(triplane, surface, progress), generated.tokens)

    def encode_prompts(self, prompts: Sequence[str]) -> tuple[Condition, Condition]:
        """The condition of each prompt, and that of none. Raises BadInput without the networks for it."""
        if self.text_transformer is None or not self.tokenizer or not self.text_encoder or not self.null_text:
            raise BadInput("These weights take no prompt.", "They are for images.", "Choose other weights.")
        condition = conditions.text_condition(prompts, self.tokenizer, self.text_encoder)
        return self._checked(condition, "The prompt's condition"), self.null_text

    def encode_image(self, square: NDArray[np.uint8], objects: int = 1) -> tuple[Condition, Condition]:
        """The condition of an image, for each object, and that of none. Raises BadInput without the networks for it."""
        if self.image_transformer is None or self.image_encoder is None or self.null_image is None:
            raise BadInput("These weights take no image.", "They are for prompts.", "Choose other weights.")
        one = self._checked(conditions.image_condition(square, self.image_encoder), "The image's condition")
        return Condition(*(part.expand(objects, *part.shape[1:]) for part in one)), self.null_image

    def decode(self, latent: Tensor, progress: StageReport = ignore) -> Tensor:
        """Triplanes float32 `[B, 3, C, H, W]` of objects' latents `[3 B, C, N, N]`. Raises NotFiniteError."""
        triplane = self.decoder(latent)
        if not torch.isfinite(triplane.sum()):
            raise not_finite("The triplane", "input", "Try full precision")
        progress("decode", 1, 1)
        return triplane

    def extract_meshes(
        self, triplane: Tensor, surface: SurfaceSettings | None = None, progress: StageReport = ignore
    ) -> list[MeshData]:
        """The colored mesh of each object, in the pipeline's frame. Raises EmptyResultError and NotFiniteError."""
        surface = surface or SurfaceSettings()
        meshes = []
        for number in range(len(triplane)):
            mesh = self._extract(triplane[number : number + 1], surface, number, len(triplane), progress)
            if mesh.is_empty:
                raise EmptyResultError("No object was found.", "The generated shape has no surface.",
                                       "Try another seed, or less guidance.", Remedy.RETRY)
            meshes.append(mesh)
        return meshes

    def _extract(
        self, triplane: Tensor, surface: SurfaceSettings, number: int, objects: int, progress: StageReport
    ) -> MeshData:
        def report(done: int, of: int) -> None:
            progress("surface", number * of + done, objects * of)

        reader = self.decoder.field
        try:
            if isinstance(reader, DensityField):
                return density_mesh(reader, triplane, surface.points, surface.level, report)
            return flexicubes_mesh(cast(FlexiCubesField, reader), triplane, surface.grid, surface.split, report)
        except ValueError as error:
            raise not_finite("The field", "input", "Try full precision") from error

    def _generator_for(
        self, transformer: NextScaleTransformer, objects: int, condition_tokens: int, settings: SamplingSettings
    ) -> TokenGenerator:
        """The last run's generator, whose graphs are recorded already, if it serves this run too."""
        kind = "text" if transformer is self.text_transformer else "image"
        last = self._generators.get(kind)
        if last is None or (last.objects, last.condition_tokens, last.settings, last.device) != (
            objects, condition_tokens, settings, transformer.device
        ):
            self._generators.pop(kind, None)
            last = TokenGenerator(transformer, self.decoder.quantize, objects, condition_tokens, settings)
            self._generators[kind] = last
        return last

    def _checked(self, condition: Condition, what: str) -> Condition:
        if not all(part.isfinite().all() for part in condition):
            raise not_finite(what, "input", "Try full precision")
        return condition
