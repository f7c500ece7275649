# SPDX-License-Identifier: GPL-3.0-or-later
"""Loading the published checkpoint unchanged (spec section 4).

Strict: every tensor that is used must be there in its shape before anything is computed. The file also holds the
unused half of the shape autoencoder; those tensors are never read.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from diffusers.models.modeling_utils import ModelMixin
from safetensors import safe_open
from torch import Tensor

from ...contract.reports import LoadReport, ignore
from ..common.checkpoint_shapes import Shape, Shapes, check_shapes, read_manifest, stored_shapes
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
    path = folder / PUBLISHED_FILE
    shapes = checked_shapes(path)
    with torch.device("meta"):
        conditioner, transformer = SilksongConditioner(), SilksongTransformer(max_tokens=shapes[POSITIONS][0])
    names = [name for name in shapes if name.startswith(CONDITIONER_PREFIX)]
    _fill(conditioner, _read(path, names, dtype, device, lambda: report("point encoder")))
    names = [name for name in shapes if not name.startswith(CONDITIONER_PREFIX)]
    _fill(transformer, _read(path, names, dtype, device, lambda: report("transformer")))
    return SilksongPipeline(conditioner, transformer)


def published_shapes() -> Shapes:
    """Name and shape of every tensor of the published file, the unused ones too."""
    return read_manifest(MANIFEST)


def is_used(name: str) -> bool:
    """Whether the tensor is needed: all but the shape autoencoder's other half."""
    return name.startswith(USED_OF_SHAPE_MODEL) or not name.startswith(SHAPE_MODEL_PREFIX)


def checked_shapes(path: Path) -> Shapes:
    """Shapes of the used tensors of the file at `path`, after they were compared with the published ones."""
    found, published = stored_shapes(path), published_shapes()
    used = {name: shape for name, shape in published.items() if is_used(name)}
    check_shapes(path.name, found, used, fits=_fits, is_known=published.__contains__)
    return {name: found[name] for name in used}


def _fits(name: str, found: Shape, published: Shape) -> bool:
    """Equal, but for the length of the table of positions."""
    return found == published or (name == POSITIONS and len(found) == 2 and found[1:] == published[1:])


def _read(
    path: Path, names: list[str], dtype: torch.dtype, device: torch.device | str, on_tensor: Callable[[], None]
) -> dict[str, Tensor]:
    """The tensors of a file under the names that the network has, one at a time to where they are used."""
    tensors = {}
    with safe_open(path, "pt") as file:
        for name in names:
            on_tensor()
            tensors[name.removeprefix(CONDITIONER_PREFIX)] = file.get_tensor(name).to(device, dtype)
    return tensors


def _fill(model: ModelMixin, tensors: dict[str, Tensor]) -> None:
    """Give a network on the meta device its tensors, for inference."""
    model.load_state_dict(tensors, assign=True)
    model.requires_grad_(False).eval()
