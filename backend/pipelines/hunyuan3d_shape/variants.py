# SPDX-License-Identifier: GPL-3.0-or-later
"""The published forms of the model, by the name of their set of weights, free of torch.

Numbers that no tensor says are read from the checkpoint's config.yaml; these are what is expected there, and stand
where it is silent. See docs/algorithms/hunyuan3d_shape.md, "Variants".
"""

from dataclasses import dataclass, replace
from typing import Literal

Schedule = Literal["flow", "consistency"]


@dataclass(frozen=True)
class Variant:
    """One published form.

    Attributes:
        file: name of the checkpoint, in `folder` of `repository` on the hub.
        repository: where it is published.
        folder: the folder there.
        depth: blocks of the denoiser (double blocks of the 2.0 family).
        single_depth: single blocks of the 2.0 family, 0 for 2.1.
        tokens: latent tokens.
        scale_factor: from an autoencoder's latents to the denoiser's.
        guidance_embedded: the guidance scale is an input of the denoiser (Fast and Turbo).
        schedule: the times of the sampler's steps.
        anchors: phases that a consistency schedule was distilled for.
        named_views: takes up to four views.
        image_size: pixels of a side that an image is prepared for.
        encoder_size: pixels of a side that the image encoder sees.
        light_decoder: repository and folder of the small autoencoder that replaces the checkpoint's own (Turbo).
    """

    file: str
    repository: str
    folder: str
    depth: int
    single_depth: int
    tokens: int
    scale_factor: float
    guidance_embedded: bool = False
    schedule: Schedule = "flow"
    anchors: int = 100
    named_views: bool = False
    image_size: int = 512
    encoder_size: int = 518
    light_decoder: tuple[str, str] | None = None


V2_1 = Variant("model.fp16.ckpt", "tencent/Hunyuan3D-2.1", "hunyuan3d-dit-v2-1", 21, 0, 4096, 1.0039506158752403)
V2 = Variant("model.fp16.safetensors", "tencent/Hunyuan3D-2", "hunyuan3d-dit-v2-0", 16, 32, 3072, 0.9990943042622529)
V2_MINI = replace(
    V2, repository="tencent/Hunyuan3D-2mini", folder="hunyuan3d-dit-v2-mini", depth=8, single_depth=16, tokens=512,
    scale_factor=1.0188137142395404,
)
V2_MV = replace(V2, repository="tencent/Hunyuan3D-2mv", folder="hunyuan3d-dit-v2-mv", named_views=True)
LARGE_LIGHT = ("tencent/Hunyuan3D-2", "hunyuan3d-vae-v2-0-turbo")
MINI_LIGHT = ("tencent/Hunyuan3D-2mini", "hunyuan3d-vae-v2-mini-turbo")


def fast(variant: Variant) -> Variant:
    """Distilled guidance: one evaluation a step."""
    return replace(variant, folder=f"{variant.folder}-fast", guidance_embedded=True)


def turbo(variant: Variant, light_decoder: tuple[str, str]) -> Variant:
    """Distilled to a few steps, with a small autoencoder."""
    return replace(
        variant, folder=f"{variant.folder}-turbo", guidance_embedded=True, schedule="consistency",
        light_decoder=light_decoder,
    )


VARIANTS: dict[str, Variant] = {
    "hunyuan3d-2.1": V2_1,
    "hunyuan3d-2": V2,
    "hunyuan3d-2-fast": fast(V2),
    "hunyuan3d-2-turbo": turbo(V2, LARGE_LIGHT),
    "hunyuan3d-2mini": V2_MINI,
    "hunyuan3d-2mini-fast": fast(V2_MINI),
    "hunyuan3d-2mini-turbo": replace(turbo(V2_MINI, MINI_LIGHT), image_size=1022, encoder_size=1022),
    "hunyuan3d-2mv": V2_MV,
    "hunyuan3d-2mv-fast": fast(V2_MV),
    "hunyuan3d-2mv-turbo": turbo(V2_MV, LARGE_LIGHT),
}
CONFIGURATION, LIGHT_FILE = "config.yaml", "light.fp16.safetensors"
"""Names of the other files of a set of weights in its folder."""
