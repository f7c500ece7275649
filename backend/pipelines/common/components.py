# SPDX-License-Identifier: GPL-3.0-or-later
"""The models that several pipelines use. Blender reads this with the specs: it imports the contract only."""

from ...contract import Component, License, WeightFile

APACHE_TEXT = (
    "The license allows any use, also commercial, and passing on with its text and notices. Read the license on the "
    "model page before you accept."
)

DINOV2_GIANT = Component(
    name="dinov2_giant",
    label="DINOv2 Giant",
    description="Image encoder by Meta",
    files=(
        WeightFile("facebook/dinov2-giant", "config.json", "config.json"),
        WeightFile("facebook/dinov2-giant", "model.safetensors", "model.safetensors"),
    ),
    license=License(
        name="Apache-2.0",
        url="https://huggingface.co/facebook/dinov2-giant",
        text=f"DINOv2 is by Meta, Apache-2.0. {APACHE_TEXT}",
        commercial_use=True,
    ),
    gigabytes=4.5,
)

REALESRGAN_X4PLUS = Component(
    name="realesrgan_x4plus",
    label="Real-ESRGAN x4plus",
    description="Makes images four times as large",
    files=(
        WeightFile("lllyasviel/Annotators", "RealESRGAN_x4plus.pth", "RealESRGAN_x4plus.pth", bytes=67_040_989,
                   sha256="4fa0d38905f75ac06eb49a7951b426670021be3018265fd191d2125df9d682f1"),
    ),
    license=License(
        name="BSD-3-Clause",
        url="https://github.com/xinntao/Real-ESRGAN/blob/master/LICENSE",
        text=(
            "Real-ESRGAN is by Xintao Wang, BSD-3-Clause. The license allows any use, also commercial, and passing on "
            "with its text; the authors' names may not be used to advertise."
        ),
        commercial_use=True,
    ),
    gigabytes=0.07,
)
