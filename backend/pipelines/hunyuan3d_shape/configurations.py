# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks' configurations, read from the shapes of their tensors.

What no tensor says (how many experts a token takes, the latent's scale) keeps its default. See
docs/algorithms/hunyuan3d_shape.md, "Checkpoints".
"""

import re
from collections.abc import Mapping
from typing import Any

Shapes = Mapping[str, tuple[int, ...]]
Configuration = dict[str, Any]


def is_two_stream(shapes: Shapes) -> bool:
    """Whether a denoiser's tensors are the 2.0 family's."""
    return "latent_in.weight" in shapes


def count(shapes: Shapes, prefix: str) -> int:
    """How many numbered blocks lie under `prefix`, as in "blocks."."""
    pattern = re.compile(re.escape(prefix) + r"(\d+)\.")
    return 1 + max((int(match[1]) for match in map(pattern.match, shapes) if match), default=-1)


def mixture_denoiser(shapes: Shapes) -> Configuration:
    """Arguments of `MixtureDenoiser`. Heads without norms cannot be counted: then they are 128 wide."""
    width, latent_width = shapes["x_embedder.weight"]
    depth = count(shapes, "blocks.")
    gates = [shape for name, shape in shapes.items() if name.endswith("moe.gate.weight")]
    head_width = shapes.get("blocks.0.attn1.q_norm.weight", (128,))[0]
    experts = gates[0][0] if gates else 0
    hidden = [s[0] for n, s in shapes.items() if n.endswith(("mlp.fc1.weight", "shared_experts.net.0.proj.weight"))]
    return {
        "width": width,
        "depth": depth,
        "heads": width // head_width,
        "latent_width": latent_width,
        "condition_width": shapes["blocks.0.attn2.to_k.weight"][1],
        "hidden_width": hidden[0],
        "time_hidden_width": shapes["t_embedder.mlp.0.weight"][0],
        "mixture_blocks": len(gates),
        "experts": experts,
        "qkv_bias": "blocks.0.attn1.to_q.bias" in shapes,
        "head_norm": norm_kind(shapes, "blocks.0.attn1.q_norm"),
    }


def two_stream_denoiser(shapes: Shapes) -> Configuration:
    """Arguments of `TwoStreamDenoiser`."""
    width, latent_width = shapes["latent_in.weight"]
    return {
        "width": width,
        "depth": count(shapes, "double_blocks."),
        "single_depth": count(shapes, "single_blocks."),
        "heads": width // shapes["double_blocks.0.img_attn.norm.query_norm.scale"][0],
        "latent_width": latent_width,
        "condition_width": shapes["cond_in.weight"][1],
        "hidden_width": shapes["double_blocks.0.img_mlp.0.weight"][0],
        "guidance_embedding": "guidance_in.in_layer.weight" in shapes,
        "qkv_bias": "double_blocks.0.img_attn.qkv.bias" in shapes,
    }


def autoencoder(shapes: Shapes, frequencies: int = 8) -> Configuration:
    """Arguments of `ShapeAutoencoder`. Heads without norms cannot be counted: then they are 64 wide."""
    width, latent_width = shapes["post_kl.weight"]
    attention = "transformer.resblocks.0.attn"
    field = "geo_decoder.cross_attn_decoder"
    field_width = shapes["geo_decoder.output_proj.weight"][1]
    head_width = shapes.get(f"{attention}.attention.q_norm.weight", (64,))[0]
    embedding_width = shapes["geo_decoder.query_proj.weight"][1]
    configuration: Configuration = {
        "width": width,
        "heads": width // head_width,
        "encoder_layers": count(shapes, "encoder.self_attn.resblocks."),
        "decoder_layers": count(shapes, "transformer.resblocks."),
        "latent_width": latent_width,
        "frequencies": (embedding_width - 3) // 6,
        "qkv_bias": f"{attention}.c_qkv.bias" in shapes,
        "head_norm": norm_kind(shapes, f"{attention}.attention.q_norm"),
        "field_width": field_width,
        "field_expansion": shapes[f"{field}.mlp.c_fc.weight"][0] // field_width,
        "field_head_norm": norm_kind(shapes, f"{field}.attn.attention.q_norm"),
        "field_last_norm": "geo_decoder.ln_post.weight" in shapes,
    }
    if "encoder.input_proj.weight" in shapes:
        configuration["point_features"] = shapes["encoder.input_proj.weight"][1] - embedding_width
    return configuration


def image_encoder(shapes: Shapes) -> Configuration:
    """Arguments of transformers' `Dinov2Config`, from the names of transformers 4, with heads of 64 channels."""
    width = shapes["embeddings.cls_token"][-1]
    patch_size = shapes["embeddings.patch_embeddings.projection.weight"][-1]
    side = round((shapes["embeddings.position_embeddings"][1] - 1) ** 0.5)
    return {
        "hidden_size": width,
        "num_hidden_layers": count(shapes, "encoder.layer."),
        "num_attention_heads": width // 64,
        "image_size": side * patch_size,
        "patch_size": patch_size,
        "use_swiglu_ffn": "encoder.layer.0.mlp.weights_in.weight" in shapes,
        "layer_norm_eps": 1e-6,
    }


def norm_kind(shapes: Shapes, name: str) -> str:
    """The `NormKind` of the norm `name`."""
    if f"{name}.bias" in shapes:
        return "layer"
    return "rms" if f"{name}.weight" in shapes else "none"
