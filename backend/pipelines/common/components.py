# SPDX-License-Identifier: GPL-3.0-or-later
"""The models that several pipelines share: where they are, their sizes and terms. Free of torch.

Sizes and SHA-256 are given where they are known beforehand; else the hub's own are used for the download, and a
loader compares names and shapes of all tensors.
"""

from ...contract import Component, License, WeightFile

_SUMMARY = "This is our summary; what counts is the license itself: read it before you accept."


def _apache(who: str, url: str) -> License:
    return License("Apache License 2.0", url, f"{who}, under the Apache License 2.0: use, change and pass on, "
                   f"commercially too, with the license and its notices. {_SUMMARY}", commercial_use=True)


def _dinov2(size: str, gigabytes: float) -> Component:
    repository = f"facebook/dinov2-{size}"
    return Component(
        f"dinov2-{size}", f"DINOv2 {size}", "Encodes images for several pipelines",
        tuple(WeightFile(repository, name, name) for name in ("config.json", "model.safetensors")),
        _apache("DINOv2 is by Meta AI", f"https://huggingface.co/{repository}"), gigabytes,
    )


DINOV2_GIANT = _dinov2("giant", 4.6)
DINOV2_LARGE = _dinov2("large", 1.3)

CLIP_VIT_H = Component(
    "clip-vit-h", "CLIP ViT-H", "Encodes images that guide a texture, for IP-Adapter",
    tuple(WeightFile("h94/IP-Adapter", f"models/image_encoder/{name}", name)
          for name in ("config.json", "model.safetensors")),
    _apache("OpenCLIP's image encoder is by LAION (MIT License), and published with IP-Adapter by Tencent AI Lab",
            "https://huggingface.co/h94/IP-Adapter"), 2.6,
)

CLIP_VIT_LARGE = Component(
    "clip-vit-large-patch14", "CLIP ViT-L/14", "Encodes prompts",
    tuple(WeightFile("openai/clip-vit-large-patch14", name, name)
          for name in ("config.json", "model.safetensors", "vocab.json", "merges.txt", "tokenizer_config.json",
                       "special_tokens_map.json")),
    License("MIT License", "https://github.com/openai/CLIP/blob/main/LICENSE",
            "CLIP is by OpenAI, under the MIT License: use, change and pass on, commercially too, with the copyright "
            f"notice. {_SUMMARY}", commercial_use=True), 1.7,
)

REALESRGAN_X4 = Component(
    "realesrgan-x4", "Real-ESRGAN x4", "Makes textures four times as large",
    (WeightFile("lllyasviel/Annotators", "RealESRGAN_x4plus.pth", "RealESRGAN_x4plus.pth", 67_040_989,
                "4fa0d38905f75ac06eb49a7951b426670021be3018265fd191d2125df9d682f1"),),
    License("BSD 3-Clause License", "https://github.com/xinntao/Real-ESRGAN/blob/master/LICENSE",
            "Real-ESRGAN is by Xintao Wang and others, under the BSD 3-Clause License: use, change and pass on, "
            f"commercially too, with the copyright notice and without the authors' names as endorsement. {_SUMMARY}",
            commercial_use=True),
    0.07,
)

BIREFNET_LITE = Component(
    "birefnet-lite", "BiRefNet lite", "Removes the background of photographs: the best of the three at fine edges",
    (WeightFile("onnx-community/BiRefNet_lite-ONNX", "onnx/model.onnx", "birefnet-lite.onnx", 224_005_088,
                "5600024376f572a557870a5eb0afb1e5961636bef4e1e22132025467d0f03333"),),
    License("MIT License", "https://github.com/ZhengPeng7/BiRefNet/blob/main/LICENSE",
            "BiRefNet is by Peng Zheng and others, under the MIT License: use, change and pass on, commercially too, "
            f"with the copyright notice. {_SUMMARY}", commercial_use=True),
    0.23,
)

ISNET = Component(
    "isnet-general-use", "ISNet", "Removes the background of photographs: lighter than BiRefNet",
    (WeightFile("tomjackson2023/rembg", "isnet-general-use.onnx", "isnet-general-use.onnx", 178_648_008,
                "60920e99c45464f2ba57bee2ad08c919a52bbf852739e96947fbb4358c0d964a"),),
    _apache("ISNet is by Xuebin Qin and others", "https://github.com/xuebinqin/DIS/blob/main/LICENSE.md"), 0.18,
)

U2NET = Component(
    "u2net", "U2Net", "Removes the background of photographs: the one that the published pipelines use",
    (WeightFile("tomjackson2023/rembg", "u2net.onnx", "u2net.onnx", 175_997_641,
                "8d10d2f3bb75ae3b6d527c77944fc5e7dcd94b29809d47a739a7a728a912b491"),),
    _apache("U2Net is by Xuebin Qin and others", "https://github.com/xuebinqin/U-2-Net/blob/master/LICENSE"), 0.18,
)

BACKGROUND_REMOVERS = (BIREFNET_LITE, ISNET, U2NET)
"""The first that is installed is used where the artist chose none."""

COMPONENTS = (DINOV2_GIANT, DINOV2_LARGE, CLIP_VIT_H, CLIP_VIT_LARGE, REALESRGAN_X4, *BACKGROUND_REMOVERS)
