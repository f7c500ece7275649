# SPDX-License-Identifier: GPL-3.0-or-later
"""What a finished job leaves behind: named files and how they came about."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .error import ErrorReport
from .json_form import from_json, to_json
from .parameter import Value
from .plain_name import check_file_name

ArtifactKind = Literal["mesh", "image", "text", "scene"]
Role = Literal["mesh", "scene", "base_color", "metallic", "roughness", "normal", "caption", "preview", "mask"]
MATERIAL_ROLES: tuple[Role, ...] = ("base_color", "metallic", "roughness", "normal")
"""Maps of one material. base_color is sRGB; the others are data (Blender's Non-Color)."""
VARIANT_GROUP = "variant"
"""Group of artifacts of which one is to be seen, the first being the best."""


@dataclass(frozen=True)
class Artifact:
    """One file in the job folder's `outputs/`.

    A "mesh" is a `MeshData` npz in Blender's frame (Z up, right-handed, the object's front toward -Y); a "scene" is a
    GLB; a "text" is UTF-8.

    Attributes:
        role: what it is for; `MATERIAL_ROLES` are the maps of a material, of which base_color is sRGB and the others
            are data.
        target: the input file that it belongs to, or another mesh artifact's file; "" for the result as a whole.
        color: sRGB in [0, 1], of a part's material.
        group: joins artifacts that belong together (the volume of a part, say).
    """

    name: str
    kind: ArtifactKind
    file: str
    role: Role
    target: str = ""
    color: tuple[float, ...] | None = None
    group: str = ""
    properties: Mapping[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises BadInput for a file that could lie elsewhere."""
        check_file_name(self.file)


@dataclass(frozen=True)
class FileResult:
    """What came of one of the input files of a job that took several: artifacts and remarks, or why there are none."""

    artifacts: tuple[Artifact, ...] = ()
    notes: tuple[str, ...] = ()
    error: ErrorReport | None = None


@dataclass(frozen=True)
class Result:
    """The artifacts in the order of delivery, measured seconds a stage, and remarks that the artist should read.

    Of a job that took several input files of a single thing, `files` has what came of each, by its name in the job's
    `inputs/`; the artifacts there are named after it.
    """

    artifacts: tuple[Artifact, ...]
    seconds: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    files: Mapping[str, FileResult] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON object."""
        return to_json(self)

    @classmethod
    def from_json(cls, data: Any) -> "Result":
        """Raises BadInput where a field does not fit."""
        return from_json(cls, data, "result")
