# SPDX-License-Identifier: GPL-3.0-or-later
"""What a checkpoint is read into: the stock networks, ready for inference, as the pipeline takes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer, CLIPVisionModelWithProjection

Family = Literal["sd15", "sdxl"]
TextEncoder = CLIPTextModel | CLIPTextModelWithProjection

FAMILY_NAMES: Mapping[str, str] = {"sd15": "Stable Diffusion 1.5", "sdxl": "Stable Diffusion XL"}


@dataclass
class Components:
    """Networks of one family, all on one device, frozen and in eval mode (docs/algorithms/flexisyncmvd.md, section 9).

    SD 1.5 has one tokenizer and text encoder, SDXL two. `controlnets` and the two parts of the IP-Adapter hold what was
    asked for. `ip_adapter` is {"image_proj": …, "ip_adapter": …}, as `UNet2DConditionModel._load_ip_adapter_weights`
    takes it in a list. `scheduler_config` builds the DDPM schedule and says what the network predicts.
    """

    family: Family
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text_encoders: tuple[TextEncoder, ...]
    tokenizers: tuple[CLIPTokenizer, ...]
    scheduler_config: Mapping[str, Any]
    controlnets: dict[str, ControlNetModel] = field(default_factory=dict)
    """By what they are guided with: "depth", "normal", "canny", "tile"."""
    image_encoder: CLIPVisionModelWithProjection | None = None
    ip_adapter: dict[str, dict[str, Tensor]] | None = None
    remarks: tuple[str, ...] = ()
    """What of the chosen files is not used, as sentences."""

    @property
    def dtype(self) -> torch.dtype:
        """Of every network but the VAE, which may be float32 where half precision would overflow."""
        return self.unet.dtype

    @property
    def prediction_type(self) -> str:
        """"epsilon" or "v_prediction"."""
        return str(self.scheduler_config.get("prediction_type", "epsilon"))
