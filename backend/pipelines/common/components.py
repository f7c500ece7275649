# SPDX-License-Identifier: GPL-3.0-or-later
"""Models that several pipelines use. Blender reads this with the specs: it imports the contract only."""

from ...contract import Component, License, WeightFile

APACHE_2 = License(
    name="Apache-2.0",
    url="https://www.apache.org/licenses/LICENSE-2.0",
    text="By Meta, under the Apache license 2.0: any use, with its notices kept.",
    commercial_use=True,
)
CLIP_LICENSE = License(
    name="MIT (CLIP)",
    url="https://github.com/openai/CLIP/blob/main/LICENSE",
    text="By OpenAI, under the MIT license: any use, with its notice kept.",
    commercial_use=True,
)

DINOV2_LARGE = Component(
    name="dinov2-large",
    label="DINOv2 Large",
    description="Encodes images",
    files=(
        WeightFile("facebook/dinov2-large", "config.json", "config.json"),
        WeightFile("facebook/dinov2-large", "model.safetensors", "model.safetensors"),
    ),
    license=APACHE_2,
    gigabytes=1.2,
)
CLIP_VIT_LARGE = Component(
    name="clip-vit-large-patch14",
    label="CLIP ViT-L/14",
    description="Encodes prompts",
    files=tuple(
        WeightFile("openai/clip-vit-large-patch14", name, name)
        for name in ("config.json", "model.safetensors", "vocab.json", "merges.txt", "tokenizer_config.json",
                     "special_tokens_map.json")
    ),
    license=CLIP_LICENSE,
    gigabytes=1.7,
)
