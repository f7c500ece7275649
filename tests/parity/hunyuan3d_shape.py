# SPDX-License-Identifier: GPL-3.0-or-later
"""Hunyuan3D shape's networks against golden numbers. Sizes, seeds and options are read from the golden file."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Dinov2Config, Dinov2Model

from backend.pipelines.hunyuan3d_shape import configurations
from backend.pipelines.hunyuan3d_shape.attention import NormKind
from backend.pipelines.hunyuan3d_shape.autoencoder import ShapeAutoencoder
from backend.pipelines.hunyuan3d_shape.autoencoder_blocks import CrossBlock, SelfBlock, fourier_encoding
from backend.pipelines.hunyuan3d_shape.image_condition import condition_tokens
from backend.pipelines.hunyuan3d_shape.image_encoder_names import current_names
from backend.pipelines.hunyuan3d_shape.mixture import MixtureOfExperts
from backend.pipelines.hunyuan3d_shape.mixture_denoiser import (
    CrossAttention,
    MixtureBlock,
    MixtureDenoiser,
    SelfAttention,
    TimestepEmbedder,
    time_waves,
)
from backend.pipelines.hunyuan3d_shape.two_stream_denoiser import DoubleBlock, SingleBlock, TwoStreamDenoiser

from . import CASES
from .comparison import Comparison
from .golden import Golden

Weights = dict[str, Tensor]


def shapes_of(weights: Weights) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in weights.items()}


def filled(module: nn.Module, weights: Weights) -> Any:
    """The module with the golden weights, strictly."""
    module.load_state_dict(weights)
    return module.eval()


def head_norm(config: dict[str, Any], kind: NormKind) -> NormKind:
    return kind if config.get("qk_norm", True) else "none"


def load_denoiser(config: dict[str, Any], weights: Weights) -> MixtureDenoiser | TwoStreamDenoiser:
    """The denoiser that the tensors belong to; only numbers that no tensor says come from the configuration."""
    shapes = shapes_of(weights)
    heads = {"heads": config["num_heads"]}
    if configurations.is_two_stream(shapes):
        return filled(TwoStreamDenoiser(**configurations.two_stream_denoiser(shapes) | heads), weights)
    options = heads | {"top_experts": config.get("moe_top_k", 2)}
    return filled(MixtureDenoiser(**configurations.mixture_denoiser(shapes) | options), weights)


def load_autoencoder(config: dict[str, Any], weights: Weights) -> ShapeAutoencoder:
    options = {"heads": config["heads"], "include_pi": config["include_pi"], "scale_factor": config["scale_factor"]}
    return filled(ShapeAutoencoder(**configurations.autoencoder(shapes_of(weights)) | options), weights)


def load_image_encoder(config: dict[str, Any], weights: Weights) -> Dinov2Model:
    known = {name: value for name, value in config.items() if name not in ("torch_dtype", "attn_implementation")}
    return filled(Dinov2Model(Dinov2Config(**known)), current_names(weights))


def dit_timestep_embedder(golden: Golden) -> Iterator[Comparison]:
    config, time = golden.config, golden.input("t")
    embedder = filled(TimestepEmbedder(config["hidden_size"], config["frequency_embedding_size"]), golden.weights())
    yield Comparison("freq", time_waves(time, config["hidden_size"]), golden.output("freq"))
    yield Comparison("emb", embedder(time), golden.output("emb"))


def dit_self_attention(golden: Golden) -> Iterator[Comparison]:
    config = golden.config
    layer = SelfAttention(config["dim"], config["num_heads"], config["qkv_bias"], head_norm(config, "rms"))
    yield Comparison("y", filled(layer, golden.weights())(golden.input("x")), golden.output("y"))


def dit_cross_attention(golden: Golden) -> Iterator[Comparison]:
    config, context = golden.config, golden.input("ctx")
    norm = head_norm(config, "rms")
    layer = CrossAttention(config["qdim"], config["kdim"], config["num_heads"], config["qkv_bias"], norm)
    filled(layer, golden.weights())
    yield Comparison("y", layer(golden.input("x"), layer.key_value(context)), golden.output("y"))
    zeros = torch.zeros_like(context)
    plain = layer(golden.input("x"), layer.key_value(zeros))
    yield Comparison("zero context", layer.of_zero_context(context).expand_as(plain), plain)


def dit_moe(golden: Golden) -> Iterator[Comparison]:
    config, x = golden.config, golden.input("x")
    mixture = MixtureOfExperts(config["dim"], config["ff_inner_dim"], config["num_experts"], config["moe_top_k"])
    filled(mixture, golden.weights())
    yield Comparison("gate_prob", mixture.gate(x.flatten(0, 1)), golden.output("gate_prob"))
    yield Comparison("y", mixture(x), golden.output("y"))
    yield Comparison("y_training_path", mixture(x), golden.output("y_training_path"))


def dit_block(golden: Golden) -> Iterator[Comparison]:
    config, shapes = golden.config, shapes_of(golden.weights())
    first = "moe.shared_experts.net.0.proj.weight" if config["use_moe"] else "mlp.fc1.weight"
    block = MixtureBlock(
        config["hidden_size"], config["text_states_dim"], config["num_heads"], bias=config["qkv_bias"],
        norm=head_norm(config, "rms"), skip=config["skip_connection"],
        experts=config["num_experts"] if config["use_moe"] else 0, top=config["moe_top_k"], hidden=shapes[first][0],
    )
    filled(block, golden.weights())
    skip = golden.input("skip") if config["skip_connection"] else None
    y = block(golden.input("x"), block.attn2.key_value(golden.input("ctx")), skip)
    yield Comparison("y", y, golden.output("y"))


def dit_full(golden: Golden) -> Iterator[Comparison]:
    denoiser = load_denoiser(golden.config, golden.weights())
    x, time, condition = golden.input("x"), golden.input("t"), golden.input("ctx")
    yield Comparison("v", denoiser(x, time, condition), golden.output("v"))
    prepared = denoiser.prepare_condition(condition)
    yield from guidance_in_one_batch(denoiser, x, time, condition)
    yield Comparison("v, condition prepared", denoiser.velocity(x, time, prepared), golden.output("v"))


def guidance_in_one_batch(
    denoiser: MixtureDenoiser | TwoStreamDenoiser, x: Tensor, time: Tensor, condition: Tensor
) -> Iterator[Comparison]:
    """The shared work of a guided step changes nothing."""
    prepared = denoiser.prepare_condition(condition)
    conditional, unconditional = denoiser.guided_velocities(x, time[:1], prepared)
    same_time = time[:1].expand(len(x))
    yield Comparison("guided, conditional", conditional, denoiser(x, same_time, condition))
    yield Comparison("guided, unconditional", unconditional, denoiser(x, same_time, torch.zeros_like(condition)))


def dit20_double_block(golden: Golden) -> Iterator[Comparison]:
    config = golden.config
    hidden = int(config["hidden_size"] * config["mlp_ratio"])
    block = DoubleBlock(config["hidden_size"], hidden, config["num_heads"], config["qkv_bias"])
    filled(block, golden.weights())
    activated = nn.functional.silu(golden.input("vec"))
    latent, context = block(golden.input("img"), golden.input("txt"), activated)
    yield Comparison("img", latent, golden.output("img"))
    yield Comparison("txt", context, golden.output("txt"))


def dit20_single_block(golden: Golden) -> Iterator[Comparison]:
    config = golden.config
    block = SingleBlock(
        config["hidden_size"], int(config["hidden_size"] * config["mlp_ratio"]), config["num_heads"]
    )
    filled(block, golden.weights())
    activated = nn.functional.silu(golden.input("vec"))
    yield Comparison("y", block(golden.input("x"), activated), golden.output("y"))


def dit20_full(golden: Golden) -> Iterator[Comparison]:
    denoiser = load_denoiser(golden.config, golden.weights())
    x, time, condition = golden.input("x"), golden.input("t"), golden.input("ctx")
    if golden.config["guidance_embed"]:
        yield Comparison("v", denoiser(x, time, condition, golden.input("guidance")), golden.output("v"))
    else:
        yield Comparison("v", denoiser(x, time, condition), golden.output("v"))
        yield from guidance_in_one_batch(denoiser, x, time, condition)


def vae_fourier_embedder(golden: Golden) -> Iterator[Comparison]:
    config = golden.config
    encoding = fourier_encoding(golden.input("x"), config["num_freqs"], config["include_pi"])
    yield Comparison("y", encoding, golden.output("y"))


def vae_self_block(golden: Golden) -> Iterator[Comparison]:
    config = golden.config
    block = SelfBlock(config["width"], config["heads"], config["qkv_bias"], head_norm(config, "layer"))
    yield Comparison("y", filled(block, golden.weights())(golden.input("x")), golden.output("y"))


def vae_cross_block(golden: Golden) -> Iterator[Comparison]:
    config, weights = golden.config, golden.weights()
    expansion = weights["mlp.c_fc.weight"].shape[0] // config["width"]
    block = CrossBlock(config["width"], config["heads"], expansion, config["qkv_bias"], head_norm(config, "layer"))
    filled(block, weights)
    yield Comparison("y", block(golden.input("x"), block.key_value(golden.input("data"))), golden.output("y"))


def conditioner(golden: Golden) -> Iterator[Comparison]:
    encoder, options = golden.config["conditioner"]["params"]["main_image_encoder"], golden.config.get("kw", {})
    kwargs = encoder["kwargs"]
    image_encoder = load_image_encoder(
        kwargs["config"], golden.weights("conditioner.main_image_encoder.model.")
    )
    views = torch.tensor(options["view_idxs"][0]) if "view_idxs" in options else None
    tokens = condition_tokens(image_encoder, golden.input("image"), kwargs["image_size"], views)
    yield Comparison("main", tokens, golden.output("main"))
    yield Comparison("uncond", torch.zeros_like(tokens), golden.output("uncond"))


CASES.update(
    {
        ("hunyuan3d_shape", case.__name__): case
        for case in (
            dit_timestep_embedder, dit_self_attention, dit_cross_attention, dit_moe, dit_full, dit20_double_block,
            dit20_single_block, vae_fourier_embedder, vae_self_block, vae_cross_block,
        )
    }
)
for _name in ("plain", "skip", "skip_moe"):
    CASES["hunyuan3d_shape", f"dit_block_{_name}"] = dit_block
for _name in ("guidance_embed", "no_guidance"):
    CASES["hunyuan3d_shape", f"dit20_full_{_name}"] = dit20_full
for _name in ("large_like", "giant_like_interpolated", "multiview"):
    CASES["hunyuan3d_shape", f"conditioner_{_name}"] = conditioner
