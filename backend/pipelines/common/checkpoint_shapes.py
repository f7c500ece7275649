# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of weights compared with the manifests of the published ones, and what is said of wrong files."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from ...contract import MeshwrightError, Remedy

logger = logging.getLogger(__name__)

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]
Fits = Callable[[str, Shape, Shape], bool]
"""Whether a tensor of this name and the found shape may stand for one of the expected shape."""
NAMED = 3
"""Wrong tensors that an error names."""


class CheckpointError(MeshwrightError):
    """A file of weights is missing, damaged, or holds something else."""


@dataclass(frozen=True)
class Origin:
    """Whose file it is, and so what can be done about a wrong one."""

    advice: str
    remedy: Remedy | None = None

    def error(self, what: str, why: str, details: str = "") -> CheckpointError:
        """The error about a file of this origin."""
        return CheckpointError(what, why, self.advice, self.remedy, details)


PUBLISHED = Origin("Download the weights again.", Remedy.DOWNLOAD)
ABSENT = Origin("Download the weights.", Remedy.DOWNLOAD)


def absent(path: Path, origin: Origin = ABSENT) -> CheckpointError:
    """The error about a file that is missing."""
    return origin.error(f"{path.name} is missing.", f"The folder {path.parent} does not hold it.")


def damaged(path: Path, error: Exception, origin: Origin = PUBLISHED) -> CheckpointError:
    """The error about a file that cannot be read."""
    return origin.error(f"{path.name} cannot be read.", "The file is damaged or was not downloaded completely.",
                           str(error))


def read_manifest(path: Path) -> Shapes:
    """Name and shape of every tensor of a published file, from the JSON file that lists them."""
    return {name: tuple(shape) for name, shape in json.loads(path.read_text("utf-8")).items()}


def stored_shapes(path: Path, origin: Origin = PUBLISHED) -> Shapes:
    """Name and shape of every tensor of a safetensors file, from its header. Raises CheckpointError."""
    if not path.is_file():
        raise absent(path)
    try:
        with safe_open(path, "pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise damaged(path, error, origin) from error


def equal(_name: str, found: Shape, expected: Shape) -> bool:
    """The strict `Fits`."""
    return found == expected


def check_shapes(
    file_name: str,
    found: Shapes,
    expected: Shapes,
    *,
    fits: Fits = equal,
    is_known: Callable[[str], bool] = lambda name: False,
    origin: Origin = PUBLISHED,
) -> None:
    """Raise CheckpointError naming the first tensors that are missing or have another shape.

    Tensors beyond the expected ones only warn, and not even that if they are known to be in such files.
    """
    wrong = [f"{name} is missing" for name in expected if name not in found]
    wrong += [
        f"{name} has shape {list(found[name])} instead of {list(shape)}"
        for name, shape in expected.items()
        if name in found and not fits(name, found[name], shape)
    ]
    if wrong:
        more = f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        raise origin.error(f"{file_name} does not contain the expected weights.",
                           f"{'; '.join(wrong[:NAMED])}{more}.")
    extra = [name for name in found if name not in expected and not is_known(name)]
    if extra:
        logger.warning("%s holds %d tensors that are not used, the first is %s", file_name, len(extra), extra[0])
