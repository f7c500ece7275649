# SPDX-License-Identifier: GPL-3.0-or-later
"""An image as prompt, through an IP-Adapter that diffusers' own loader put into the UNet.

See docs/algorithms/flexisyncmvd.md, sections 6 and 9.
"""

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.embeddings import ImageProjection
from PIL import Image
from torch import Tensor
from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

BACKGROUND = (255, 255, 255)


def has_adapter(unet: UNet2DConditionModel) -> bool:
    """Whether an image adapter is in the UNet, so that every call must bring an image."""
    return unet.config.encoder_hid_dim_type == "ip_image_proj"


def padded_to_square(image: Image.Image) -> Image.Image:
    """The whole image on white, since the image encoder looks at the middle square only."""
    image = image.convert("RGBA")
    side = max(image.size)
    square = Image.new("RGBA", (side, side), (*BACKGROUND, 255))
    square.alpha_composite(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square.convert("RGB")


def encode_image(
    unet: UNet2DConditionModel,
    encoder: CLIPVisionModelWithProjection,
    processor: CLIPImageProcessor,
    image: Image.Image,
    device: torch.device | str,
) -> list[Tensor]:
    """For each adapter what its projection takes, negative first: [2, 1, T, W] for "plus" adapters, else [2, 1, W]."""
    pixels = processor(images=padded_to_square(image), return_tensors="pt").pixel_values
    pixels = pixels.to(device, encoder.dtype)
    both = encoder(torch.cat([torch.zeros_like(pixels), pixels]), output_hidden_states=True)
    hidden, pooled = both.hidden_states[-2][:, None], both.image_embeds[:, None]
    pooled = torch.cat([torch.zeros_like(pooled[:1]), pooled[1:]])
    projections = unet.encoder_hid_proj.image_projection_layers
    return [pooled if isinstance(layer, ImageProjection) else hidden for layer in projections]
