# SPDX-License-Identifier: GPL-3.0-or-later
"""What a texture is made of and how: the scene, sizes and settings of one run."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...geometry.projection import Cameras, UVMesh
from ...painting.scene import PaintedScene, TextureSoFar
from .conditioning import ControlKind
from .denoising import SyncMode
from .noise_prediction import Guidance
from .rig import CameraRig
from .schedule import ControlSchedule, SyncSchedule


@dataclass(frozen=True)
class Sizes:
    """Edges in pixels: of a view's latent, of the latent texture, of the views that tile control works with, and of the
    texture. Textures may have a height and a width.
    """

    latent_view: int
    latent_texture: int | tuple[int, int]
    view: int
    texture: int | tuple[int, int]


@dataclass(frozen=True)
class TextureSettings:
    """How a texture is made. `controls` names each kind of image that the views follow, with its strength.

    `views_per_chunk` and `decoded_together` bound the memory of attention and of the autoencoder, and change nothing
    else.
    """

    sizes: Sizes
    steps: int = 30
    guidance: Guidance = field(default_factory=Guidance)
    schedule: SyncSchedule = field(default_factory=SyncSchedule)
    controls: Mapping[ControlKind, ControlSchedule] = field(
        default_factory=lambda: {ControlKind.DEPTH: ControlSchedule()}
    )
    mode: SyncMode = SyncMode.TEXTURE
    views_per_chunk: int | None = None
    decoded_together: int = 2


@dataclass(frozen=True)
class Scene:
    """The mesh in the rig's frame, who looks at it, and for tile control what it shows so far."""

    mesh: UVMesh
    rig: CameraRig
    cameras: Cameras
    so_far: TextureSoFar | None = None

    @classmethod
    def of(cls, painted: PaintedScene, rig: CameraRig) -> "Scene":
        """The scene that was fitted to the rig's cameras."""
        return cls(painted.mesh, rig, painted.cameras, painted.so_far)
