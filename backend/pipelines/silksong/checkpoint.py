# SPDX-License-Identifier: GPL-3.0-or-later
"""Loading the published checkpoint unchanged.

Strict: every tensor that is used must be there in its shape before anything runs. The file also holds the
unused half of the shape autoencoder; those tensors are never read.
"""

from functools import partial
from pathlib import Path

import torch

from ...contract.reports import LoadReport, ignore
from ..common.checkpoint import empty, fill, open_tensors
from ..common.checkpoint_shapes import Shape, Shapes, read_manifest
from .pipeline import SilksongPipeline
from .point_encoder import SilksongConditioner
from .transformer import SilksongTransformer

PUBLISHED_FILE = Path("release-100K") / "model.safetensors"
CONDITIONER_PREFIX = "conditioner."
USED_OF_SHAPE_MODEL = "conditioner.point_encoder.model.shape_model.encoder."
SHAPE_MODEL_PREFIX = "conditioner.point_encoder."
POSITIONS = "abs_pos_emb.weight"
MANIFEST = Path(__file__).parent / "manifests" / "release-100K.json"


def load_published(
    folder: Path, dtype: torch.dtype, device: torch.device | str, report: LoadReport = ignore
) -> SilksongPipeline:
    """The published pipeline from `release-100K/model.safetensors` in `folder`, ready to run on `device`.

    The table of positions may have any length. Raises CheckpointError.
    """
    stored = open_tensors(folder / PUBLISHED_FILE)
    stored = stored.checked(_used_shapes(), fits=_fits, is_known=published_shapes().__contains__)
    conditioner = empty(SilksongConditioner)
    transformer = empty(lambda: SilksongTransformer(max_tokens=stored.shapes[POSITIONS][0]))
    fill(conditioner, stored.under(CONDITIONER_PREFIX), dtype, device, partial(report, "point encoder"))
    others = stored.renamed(lambda name: None if name.startswith(CONDITIONER_PREFIX) else name)
    fill(transformer, others, dtype, device, partial(report, "transformer"))
    return SilksongPipeline(conditioner, transformer)


def published_shapes() -> Shapes:
    """Name and shape of every tensor of the published file, the unused ones too."""
    return read_manifest(MANIFEST)


def is_used(name: str) -> bool:
    """Whether the tensor is needed: all but the shape autoencoder's other half."""
    return name.startswith(USED_OF_SHAPE_MODEL) or not name.startswith(SHAPE_MODEL_PREFIX)


def _used_shapes() -> Shapes:
    return {name: shape for name, shape in published_shapes().items() if is_used(name)}


def _fits(name: str, found: Shape, published: Shape) -> bool:
    """Equal, but for the length of the table of positions."""
    return found == published or (name == POSITIONS and len(found) == 2 and found[1:] == published[1:])
