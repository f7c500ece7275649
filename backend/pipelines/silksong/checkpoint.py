# SPDX-License-Identifier: GPL-3.0-or-later
"""Loading the published checkpoint unchanged (spec section 4).

Strict: every tensor that is used must be there in its shape before anything is computed. The file also holds the
unused half of the shape autoencoder; those tensors are never read.
"""

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from diffusers.models.modeling_utils import ModelMixin
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ...contract import MeshwrightError, Remedy
from ..reports import LoadReport, ignore
from .pipeline import SilksongPipeline
from .point_encoder import SilksongConditioner
from .transformer import SilksongTransformer

logger = logging.getLogger(__name__)

Shapes = Mapping[str, tuple[int, ...]]
PUBLISHED_FILE = Path("release-100K") / "model.safetensors"
CONDITIONER_PREFIX = "conditioner."
USED_OF_SHAPE_MODEL = "conditioner.point_encoder.model.shape_model.encoder."
SHAPE_MODEL_PREFIX = "conditioner.point_encoder."
POSITIONS = "abs_pos_emb.weight"
MANIFEST = Path(__file__).parent / "manifests" / "release-100K.json"


class CheckpointError(MeshwrightError):
    """The file of weights is missing, damaged, or holds something else."""


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
    return {name: tuple(shape) for name, shape in json.loads(MANIFEST.read_text("utf-8")).items()}


def is_used(name: str) -> bool:
    """Whether the tensor is needed: all but the shape autoencoder's other half."""
    return name.startswith(USED_OF_SHAPE_MODEL) or not name.startswith(SHAPE_MODEL_PREFIX)


def checked_shapes(path: Path) -> Shapes:
    """Shapes of the used tensors of the file at `path`, after they were compared with the published ones."""
    if not path.is_file():
        raise CheckpointError(f"{path.name} is not there.", f"The folder {path.parent} does not hold it.",
                              "Download the weights.", Remedy.DOWNLOAD)
    try:
        with safe_open(path, "pt") as file:
            found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise CheckpointError(f"{path.name} cannot be read.", "The file is damaged or was not downloaded completely.",
                              "Download the weights again.", Remedy.DOWNLOAD, details=str(error)) from error
    check_shapes(path.name, found, published_shapes())
    return {name: found[name] for name in published_shapes() if is_used(name)}


def check_shapes(file_name: str, found: Shapes, published: Shapes) -> None:
    """Raise CheckpointError naming the first used tensors that are missing or have another shape; unknown ones only
    warn."""
    expected = {name: shape for name, shape in published.items() if is_used(name)}
    wrong = [f"{name} is missing" for name in expected if name not in found]
    wrong += [
        f"{name} has shape {list(found[name])} instead of {list(shape)}"
        for name, shape in expected.items()
        if name in found and not _fits(name, found[name], shape)
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise CheckpointError(f"{file_name} does not hold the weights that belong there.",
                              f"{'; '.join(wrong[:3])}{more}.", "Download the weights again.", Remedy.DOWNLOAD)
    extra = [name for name in found if name not in published]
    if extra:
        logger.warning("%s holds %d tensors that are not used, the first is %s", file_name, len(extra), extra[0])


def _fits(name: str, found: tuple[int, ...], published: tuple[int, ...]) -> bool:
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
