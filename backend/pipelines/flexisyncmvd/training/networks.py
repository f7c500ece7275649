# SPDX-License-Identifier: GPL-3.0-or-later
"""The small networks, in the stock classes, as the modules that the two stages train."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from ....training.image_autoencoder import new_image_autoencoder
from .presets import TrainingPreset


class TextGuidedDenoiser(nn.Module):
    """Text encoder, depth ControlNet and UNet as one module."""

    def __init__(self, text_encoder: CLIPTextModel, controlnet: ControlNetModel, unet: UNet2DConditionModel) -> None:
        super().__init__()
        self.text_encoder, self.controlnet, self.unet = text_encoder, controlnet, unet

    def forward(self, noisy: Tensor, timestep: Tensor, tokens: Tensor, depth: Tensor, controlled: Tensor) -> Tensor:
        """The UNet's output for latents [B, 4, s, s] at ``timestep`` [B]; ``tokens`` [B, 77], ``depth`` images
        [B, 3, 8 s, 8 s] in [0, 1], of which only rows with ``controlled`` [B] 1 count."""
        text, added = self.read(tokens, depth.shape[-1])
        down, middle = self.controlnet(noisy, timestep, text, depth, added_cond_kwargs=added, return_dict=False)
        kept = controlled[:, None, None, None]
        return self.unet(
            noisy, timestep, text, added_cond_kwargs=added,
            down_block_additional_residuals=[residual * kept for residual in down],
            mid_block_additional_residual=middle * kept,
            return_dict=False,
        )[0]

    def read(self, tokens: Tensor, size: int) -> tuple[Tensor, dict[str, Tensor] | None]:
        """What the UNet and the ControlNet take of the text, for images of ``size`` pixels."""
        return self.text_encoder(tokens).last_hidden_state, None


class TwoTextDenoiser(TextGuidedDenoiser):
    """SDXL's: the ``tokens`` of its second text encoder follow those of the first, and sizes go along.

    See docs/algorithms/flexisyncmvd.md, section 6.
    """

    def __init__(
        self, text_encoders: Sequence[CLIPTextModel | CLIPTextModelWithProjection], controlnet: ControlNetModel,
        unet: UNet2DConditionModel,
    ) -> None:
        super().__init__(text_encoders[0], controlnet, unet)
        self.text_encoder_2 = text_encoders[1]

    def read(self, tokens: Tensor, size: int) -> tuple[Tensor, dict[str, Tensor] | None]:
        """Both texts side by side; the second as a whole, and the size as that of the original, uncropped."""
        encoders = (self.text_encoder, self.text_encoder_2)
        outputs = [encoder(part, output_hidden_states=True)
                   for encoder, part in zip(encoders, tokens.chunk(2, dim=1), strict=True)]
        sizes = torch.tensor([size, size, 0, 0, size, size], device=tokens.device).expand(len(tokens), -1)
        added = {"text_embeds": outputs[1].text_embeds, "time_ids": sizes}
        return torch.cat([output.hidden_states[-2] for output in outputs], dim=-1), added


def new_autoencoder(preset: TrainingPreset) -> AutoencoderKL:
    """An untrained autoencoder."""
    return new_image_autoencoder(preset.autoencoder, preset.image_size)


def new_denoiser(preset: TrainingPreset, tokenizer: CLIPTokenizer) -> TextGuidedDenoiser:
    """Untrained text encoder, ControlNet and UNet."""
    encoder = CLIPTextModel(CLIPTextConfig(
        vocab_size=len(tokenizer), bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id, max_position_embeddings=tokenizer.model_max_length, **preset.text_encoder,
    ))
    unet = UNet2DConditionModel(sample_size=preset.image_size // 8, **preset.unet)
    shared = {name: value for name, value in preset.unet.items() if name != "up_block_types"}
    controlnet = ControlNetModel(conditioning_embedding_out_channels=preset.hint_widths, **shared)
    return TextGuidedDenoiser(encoder, controlnet, unet)
