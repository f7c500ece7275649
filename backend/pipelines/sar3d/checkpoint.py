# SPDX-License-Identifier: GPL-3.0-or-later
"""Loading the published checkpoints, which are converted to safetensors once.

Strict: every learned tensor must be there in its shape before anything runs; a wrong file would give noise without an
error. Training's own state, which the files also hold, is left behind.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers.models.modeling_utils import ModelMixin
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ...contract.reports import LoadReport, ignore
from ...contract.whole_file import replace_whole
from ..common.checkpoint import empty, fill, open_tensors, shapes_of
from ..common.checkpoint_shapes import PUBLISHED, Shapes, check_shapes, read_manifest
from ..common.pickled_checkpoint import read_pickled
from .encoder import TriplaneEncoder
from .transformer import NextScaleTransformer
from .triplane_decoder import TriplaneDecoder

logger = logging.getLogger(__name__)

Model = TypeVar("Model", bound=ModelMixin)
MANIFESTS = Path(__file__).parent / "manifests"
NOT_LEARNED = (
    "zero_k_bias", "lvl_1L", "plane_1L", "attn_bias_for_masking", "ema_vocab_hit_SV", "decoder.w_avg",
)
"""Ends of the names of tensors that follow from the configuration, or that nothing reads."""
SOURCE_BYTES = "source_bytes"
"""Metadata of a converted file: the size of the file that it was made from."""


@dataclass(frozen=True)
class Part:
    """One network of a published file.

    Attributes:
        file: the published file's name, without its extension.
        extension: of the published file.
        label: what reports call it.
        model: makes it in its published configuration.
        prefixes: how published names begin, and how ours do; names that begin otherwise are no part of it.
        within: keys on the way to the named tensors in the file.
    """

    file: str
    extension: str
    label: str
    model: Callable[[], ModelMixin]
    prefixes: Mapping[str, str]
    within: tuple[str, ...] = ()

    @property
    def converted(self) -> str:
        """Name of the file that the part is converted to."""
        return f"{self.file}.{self.label.replace(' ', '-')}.safetensors"

    def own_name(self, published: str) -> str | None:
        """Our name of a published tensor; None for one that is no part of the network or is not learned."""
        if published.endswith(NOT_LEARNED):
            return None
        for prefix, ours in self.prefixes.items():
            if published.startswith(prefix):
                return ours + published.removeprefix(prefix)
        return None


TRANSFORMER_KEYS = ("trainer", "var_wo_ddp")
DECODER_PREFIXES = {
    "decoder.vit_decoder.": "vit_decoder.",
    "decoder.triplane_decoder.decoder.": "field.",
    "decoder.superresolution.ldm_upsample.": "ldm_upsample.",
    "decoder.superresolution.post_quant_conv.": "post_quant_conv.",
    "decoder.superresolution.quantize.": "quantize.",
    "decoder.superresolution.conv_sr.": "conv_sr.",
}
ENCODER_PREFIXES = {"encoder.": "encoder.", "decoder.superresolution.quant_conv.": "quant_conv."}

TEXT_TRANSFORMER = Part("text-condition-ckpt", ".pth", "text transformer", NextScaleTransformer,
                        {"trainer.var_wo_ddp.": ""}, TRANSFORMER_KEYS)
IMAGE_TRANSFORMER = Part(
    "image-condition-ckpt", ".pth", "image transformer",
    partial(NextScaleTransformer, width=1536, depth=24, heads=16, condition_width=1024, condition_first=True),
    {"trainer.var_wo_ddp.": ""}, TRANSFORMER_KEYS,
)
DENSITY_DECODER = Part("vqvae-ckpt", ".pt", "density decoder", partial(TriplaneDecoder, field_kind="density"),
                       DECODER_PREFIXES)
FLEXICUBES_DECODER = Part("vqvae-flexicubes-ckpt", ".pt", "FlexiCubes decoder",
                          partial(TriplaneDecoder, field_kind="flexicubes"), DECODER_PREFIXES)
DENSITY_ENCODER = Part("vqvae-ckpt", ".pt", "encoder", TriplaneEncoder, ENCODER_PREFIXES)
FLEXICUBES_ENCODER = Part("vqvae-flexicubes-ckpt", ".pt", "encoder", TriplaneEncoder, ENCODER_PREFIXES)


def published_shapes(file: str) -> Shapes:
    """Name and shape of every tensor of a published file, the unused ones too."""
    return read_manifest(MANIFESTS / f"{file}.json")


def load_part(
    part: Part, folder: Path, dtype: torch.dtype, device: torch.device | str, report: LoadReport = ignore
) -> Any:
    """One network from its published file in `folder`, ready to run on `device`.

    What a network keeps in float32 stays so. Raises CheckpointError.
    """
    path = folder / part.converted
    if not is_current(path, folder / f"{part.file}{part.extension}"):
        convert(part, folder, report)
    model = empty(part.model)
    return fill(model, open_tensors(path).checked(shapes_of(model)), dtype, device, partial(report, part.label))


def is_current(converted: Path, source: Path) -> bool:
    """Whether the converted file was made from the published one that lies there now, if that is still there."""
    if not converted.is_file() or not source.is_file():
        return converted.is_file()
    with safe_open(converted, "pt") as file:
        return (file.metadata() or {}).get(SOURCE_BYTES) == str(source.stat().st_size)


def convert(part: Part, folder: Path, report: LoadReport = ignore) -> None:
    """Write the part's own safetensors file next to the published one. Raises CheckpointError and OSError."""
    source = folder / f"{part.file}{part.extension}"
    report(f"{part.label}: converting")
    named = learned_tensors(part, read_pickled(source), source.name)
    tensors = {}
    for name, tensor in named.items():
        report(f"{part.label}: converting")
        tensors[name] = tensor.contiguous()
    with replace_whole(folder / part.converted) as draft:
        save_file(tensors, draft, {SOURCE_BYTES: str(source.stat().st_size)})
    logger.info("converted %s to %s", source.name, part.converted)


def learned_tensors(part: Part, content: Any, file_name: str) -> dict[str, Tensor]:
    """The part's tensors under our names, from the content of its published file. Raises CheckpointError."""
    prefix = "".join(f"{key}." for key in part.within)
    for key in part.within:
        content = content.get(key) if isinstance(content, dict) else None
    if not isinstance(content, dict):
        raise PUBLISHED.error(f"{file_name} does not contain the expected weights.",
                              f"It has no named tensors{' under ' + prefix.rstrip('.') if prefix else ''}.")
    found = {prefix + name: value for name, value in content.items() if isinstance(value, Tensor)}
    published = published_shapes(part.file)
    learned = {name: shape for name, shape in published.items() if part.own_name(name)}
    check_shapes(file_name, {name: tuple(value.shape) for name, value in found.items()}, learned,
                 is_known=lambda name: name in published or name.endswith(NOT_LEARNED))
    return {str(part.own_name(name)): found[name] for name in learned}


def available(part: Part, folder: Path) -> bool:
    """Whether the part can be loaded from `folder`."""
    return (folder / part.converted).is_file() or (folder / f"{part.file}{part.extension}").is_file()
