# SPDX-License-Identifier: GPL-3.0-or-later
"""Extensions of glTF that a file demands, and what is said of those that are not read."""

from __future__ import annotations

from ..unreadable import Unreadable
from .document import MESHOPT, Document

DRACO = "KHR_draco_mesh_compression"
INSTANCING = "EXT_mesh_gpu_instancing"
TEXTURE_TRANSFORM = "KHR_texture_transform"
SPECULAR_GLOSSINESS = "KHR_materials_pbrSpecularGlossiness"
IMAGE_SOURCES = ("EXT_texture_webp", "EXT_texture_avif")
UNREAD_IMAGES = ("KHR_texture_basisu", "MSFT_texture_dds")
_READ = {DRACO, INSTANCING, TEXTURE_TRANSFORM, SPECULAR_GLOSSINESS, "KHR_mesh_quantization", *IMAGE_SOURCES, *MESHOPT}
_NOT_OF_SHAPE = (*UNREAD_IMAGES, "KHR_materials_", "EXT_materials_", "KHR_lights_", "EXT_lights_", "KHR_xmp",
                 "KHR_animation_pointer", "KHR_audio", "MSFT_lod", "EXT_texture_", "KHR_node_visibility",
                 "KHR_node_selectability", "KHR_node_hoverability", "KHR_interactivity", "VRM", "EXT_structural",
                 "EXT_mesh_features", "EXT_instance_features")
"""Of an appearance, a behavior or a property that no shape depends on, as the start of their names."""


def check_required(document: Document) -> None:
    """Raises Unreadable for a file that demands an extension that its shape may depend on and that is not known.

    Compressed buffers are looked at where they are used.
    """
    for name in document.scene.get("extensionsRequired") or ():
        if name not in _READ and not str(name).startswith(_NOT_OF_SHAPE):
            raise Unreadable(f"It demands the glTF extension {name}, which is not read.",
                             f"Export it without {name}, or open it in a program that reads it and save it as GLB.")
