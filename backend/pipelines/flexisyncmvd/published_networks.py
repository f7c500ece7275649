# SPDX-License-Identifier: GPL-3.0-or-later
"""The published networks' configurations: what the manifests and benchmarks at full size build.

See docs/algorithms/flexisyncmvd.md, section 9.

A checkpoint is read with its own configuration files; nothing here changes what is loaded.
"""

from collections.abc import Mapping
from typing import Any

Config = Mapping[str, Any]

_ENCODER = {"in_channels": 4, "layers_per_block": 2, "norm_num_groups": 32}
_SD15_BLOCKS = {
    **_ENCODER,
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
}
_SDXL_BLOCKS = {
    **_ENCODER,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "use_linear_projection": True,
    "cross_attention_dim": 2048,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
_VAE = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 4,
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
}
_HINT = {"conditioning_embedding_out_channels": (16, 32, 96, 256)}
_TEXT_L = {
    "vocab_size": 49408, "max_position_embeddings": 77, "hidden_size": 768, "intermediate_size": 3072,
    "num_hidden_layers": 12, "num_attention_heads": 12, "projection_dim": 768, "hidden_act": "quick_gelu",
    "bos_token_id": 49406, "eos_token_id": 49407,
}
_TEXT_BIG_G = {
    **_TEXT_L, "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20,
    "projection_dim": 1280, "hidden_act": "gelu",
}
_IMAGE_H = {
    "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 16,
    "patch_size": 14, "image_size": 224, "projection_dim": 1024, "hidden_act": "gelu",
}

CONFIGS: Mapping[str, Mapping[str, Config]] = {
    "sd15": {
        "unet": {**_SD15_BLOCKS, "out_channels": 4, "sample_size": 64,
                 "up_block_types": ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3)},
        "controlnet": {**_SD15_BLOCKS, **_HINT},
        "vae": {**_VAE, "sample_size": 512, "scaling_factor": 0.18215},
        "text_encoder": _TEXT_L,
        "image_encoder": _IMAGE_H,
    },
    "sdxl": {
        "unet": {**_SDXL_BLOCKS, "out_channels": 4, "sample_size": 128,
                 "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D")},
        "controlnet": {**_SDXL_BLOCKS, **_HINT},
        "vae": {**_VAE, "sample_size": 1024, "scaling_factor": 0.13025, "force_upcast": False},
        "text_encoder": _TEXT_L,
        "text_encoder_2": _TEXT_BIG_G,
        "image_encoder": _IMAGE_H,
    },
}

SCHEDULER: Config = {
    "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
    "clip_sample": False, "steps_offset": 1, "timestep_spacing": "leading", "prediction_type": "epsilon",
}
"""The schedule that both families were trained with (docs/algorithms/flexisyncmvd.md, section 7)."""

MANIFEST_OF: Mapping[tuple[str, str], str] = {
    ("sd15", "unet"): "sd15-unet", ("sd15", "controlnet"): "sd15-controlnet", ("sd15", "ip_adapter"): "sd15-ip_adapter",
    ("sdxl", "unet"): "sdxl-unet", ("sdxl", "controlnet"): "sdxl-controlnet", ("sdxl", "ip_adapter"): "sdxl-ip_adapter",
    **{(family, component): component for family in ("sd15", "sdxl")
       for component in ("vae", "text_encoder", "text_encoder_2", "image_encoder")},
}
"""The file in `manifests/` with a published network's tensors, by family and component."""
