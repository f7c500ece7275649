# SPDX-License-Identifier: GPL-3.0-or-later
"""Hunyuan3D shape's networks against golden numbers. Sizes, seeds and options are read from the golden file."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Dinov2Config, Dinov2Model

from backend.geometry.farthest_point import farthest_points
from backend.pipelines.common.checkpoint import StoredTensors, shapes_by_name
from backend.pipelines.common.fourier_features import fourier_features
from backend.pipelines.hunyuan3d_shape import configurations
from backend.pipelines.hunyuan3d_shape.attention import NormKind
from backend.pipelines.hunyuan3d_shape.autoencoder import ShapeAutoencoder
from backend.pipelines.hunyuan3d_shape.autoencoder_blocks import CrossBlock, SelfBlock
from backend.pipelines.hunyuan3d_shape.image_condition import condition_tokens
from backend.pipelines.hunyuan3d_shape.image_encoder_names import current_tensors
from backend.pipelines.hunyuan3d_shape.mixture import MixtureOfExperts
from backend.pipelines.hunyuan3d_shape.mixture_denoiser import (
    CrossAttention,
    MixtureBlock,
    MixtureDenoiser,
    SelfAttention,
    TimestepEmbedder,
    time_waves,
)
from backend.pipelines.hunyuan3d_shape.surface_points import POINTS_PER_TOKEN
from backend.pipelines.hunyuan3d_shape.two_stream_denoiser import DoubleBlock, SingleBlock, TwoStreamDenoiser

from .comparison import Comparison
from .golden import Golden
from .kinds import kind

Weights = dict[str, Tensor]


def filled(module: nn.Module, weights: Weights) -> Any:
    """The module with the golden weights, strictly."""
    module.load_state_dict(weights)
    return module.eval()


def head_norm(config: dict[str, Any], kind: NormKind) -> NormKind:
    return kind if config.get("qk_norm", True) else "none"


def load_denoiser(config: dict[str, Any], weights: Weights) -> MixtureDenoiser | TwoStreamDenoiser:
    """The denoiser that the tensors belong to; only numbers that no tensor says come from the configuration."""
    shapes = shapes_by_name(weights)
    heads = {"heads": config["num_heads"]}
    if configurations.is_two_stream(shapes):
        return filled(TwoStreamDenoiser(**configurations.two_stream_denoiser(shapes) | heads), weights)
    options = heads | {"top_experts": config.get("moe_top_k", 2)}
    return filled(MixtureDenoiser(**configurations.mixture_denoiser(shapes) | options), weights)


def load_autoencoder(config: dict[str, Any], weights: Weights) -> ShapeAutoencoder:
    options = {"heads": config["heads"], "include_pi": config["include_pi"], "scale_factor": config["scale_factor"]}
    return filled(ShapeAutoencoder(**configurations.autoencoder(shapes_by_name(weights)) | options), weights)


def load_image_encoder(config: dict[str, Any], weights: Weights) -> Dinov2Model:
    known = {name: value for name, value in config.items() if name not in ("torch_dtype", "attn_implementation")}
    stored = current_tensors(StoredTensors("golden", shapes_by_name(weights), weights.__getitem__))
    return filled(Dinov2Model(Dinov2Config(**known)), {name: stored.read(name) for name in stored.shapes})


@kind("hunyuan3d_shape", "dit_timestep_embedder")
def dit_timestep_embedder(golden: Golden) -> Iterator[Comparison]:
    config, time = golden.config, golden.input("t")
    embedder = filled(TimestepEmbedder(config["hidden_size"], config["frequency_embedding_size"]), golden.weights())
    yield Comparison("freq", time_waves(time, config["hidden_size"]), golden.output("freq"))
    yield Comparison("emb", embedder(time), golden.output("emb"))


@kind("hunyuan3d_shape", "dit_self_attention")
def dit_self_attention(golden: Golden) -> Iterator[Comparison]:
    config = golden.config
    layer = SelfAttention(config["dim"], config["num_heads"], config["qkv_bias"], head_norm(config, "rms"))
    yield Comparison("y", filled(layer, golden.weights())(golden.input("x")), golden.output("y"))


@kind("hunyuan3d_shape", "dit_cross_attention")
def dit_cross_attention(golden: Golden) -> Iterator[Comparison]:
    config, context = golden.config, golden.input("ctx")
    norm = head_norm(config, "rms")
    layer = CrossAttention(config["qdim"], config["kdim"], config["num_heads"], config["qkv_bias"], norm)
    filled(layer, golden.weights())
    yield Comparison("y", layer(golden.input("x"), layer.key_value(context)), golden.output("y"))
    zeros = torch.zeros_like(context)
    plain = layer(golden.input("x"), layer.key_value(zeros))
    yield Comparison("zero context", layer.of_zero_context(context).expand_as(plain), plain)


@kind("hunyuan3d_shape", "dit_moe")
def dit_moe(golden: Golden) -> Iterator[Comparison]:
    config, x = golden.config, golden.input("x")
    mixture = MixtureOfExperts(config["dim"], config["ff_inner_dim"], config["num_experts"], config["moe_top_k"])
    filled(mixture, golden.weights())
    yield Comparison("gate_prob", mixture.gate(x.flatten(0, 1)), golden.output("gate_prob"))
    yield Comparison("y", mixture(x), golden.output("y"))
    yield Comparison("y_training_path", mixture(x), golden.output("y_training_path"))


@kind("hunyuan3d_shape", "dit_block")
def dit_block(golden: Golden) -> Iterator[Comparison]:
    config, shapes = golden.config, shapes_by_name(golden.weights())
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


@kind("hunyuan3d_shape", "dit_full")
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


@kind("hunyuan3d_shape", "dit20_double_block")
def dit20_double_block(golden: Golden) -> Iterator[Comparison]:
    config = golden.config
    hidden = int(config["hidden_size"] * config["mlp_ratio"])
    block = DoubleBlock(config["hidden_size"], hidden, config["num_heads"], config["qkv_bias"])
    filled(block, golden.weights())
    activated = nn.functional.silu(golden.input("vec"))
    latent, context = block(golden.input("img"), golden.input("txt"), activated)
    yield Comparison("img", latent, golden.output("img"))
    yield Comparison("txt", context, golden.output("txt"))


@kind("hunyuan3d_shape", "dit20_single_block")
def dit20_single_block(golden: Golden) -> Iterator[Comparison]:
    config = golden.config
    block = SingleBlock(
        config["hidden_size"], int(config["hidden_size"] * config["mlp_ratio"]), config["num_heads"]
    )
    filled(block, golden.weights())
    activated = nn.functional.silu(golden.input("vec"))
    yield Comparison("y", block(golden.input("x"), activated), golden.output("y"))


@kind("hunyuan3d_shape", "dit20_full")
def dit20_full(golden: Golden) -> Iterator[Comparison]:
    denoiser = load_denoiser(golden.config, golden.weights())
    x, time, condition = golden.input("x"), golden.input("t"), golden.input("ctx")
    if golden.config["guidance_embed"]:
        yield Comparison("v", denoiser(x, time, condition, golden.input("guidance")), golden.output("v"))
    else:
        yield Comparison("v", denoiser(x, time, condition), golden.output("v"))
        yield from guidance_in_one_batch(denoiser, x, time, condition)


@kind("hunyuan3d_shape", "vae_fourier_embedder")
def vae_fourier_embedder(golden: Golden) -> Iterator[Comparison]:
    config = golden.config
    encoding = fourier_features(golden.input("x"), config["num_freqs"], include_pi=config["include_pi"])
    yield Comparison("y", encoding, golden.output("y"))


@kind("hunyuan3d_shape", "vae_self_block")
def vae_self_block(golden: Golden) -> Iterator[Comparison]:
    config = golden.config
    block = SelfBlock(config["width"], config["heads"], config["qkv_bias"], head_norm(config, "layer"))
    yield Comparison("y", filled(block, golden.weights())(golden.input("x")), golden.output("y"))


@kind("hunyuan3d_shape", "vae_cross_block")
def vae_cross_block(golden: Golden) -> Iterator[Comparison]:
    config, weights = golden.config, golden.weights()
    expansion = weights["mlp.c_fc.weight"].shape[0] // config["width"]
    block = CrossBlock(config["width"], config["heads"], expansion, config["qkv_bias"], head_norm(config, "layer"))
    filled(block, weights)
    yield Comparison("y", block(golden.input("x"), block.key_value(golden.input("data"))), golden.output("y"))


@kind("hunyuan3d_shape", "conditioner")
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


@kind("hunyuan3d_shape", "vae_")
def vae(golden: Golden) -> Iterator[Comparison]:
    """Points to moments to latent to tokens to field; the random choices are inputs."""
    config = golden.config
    autoencoder = load_autoencoder(config, golden.weights("vae.") or golden.weights())
    uniform, sharp = golden.input("surface")[0].split([config["pc_size"], config["pc_sharpedge_size"]])
    tokens = config["num_latents"]
    counts = [tokens * len(uniform) // (len(uniform) + len(sharp))]
    counts.append(tokens - counts[0])
    kept, picks = [], []
    for number, (samples, name) in enumerate(((uniform, "perm_random"), (sharp, "perm_sharp"))):
        if counts[number]:
            part = samples[golden.input(name)][: POINTS_PER_TOKEN * counts[number]]
            pick = farthest_points(part[None, :, :3], counts[number], start=int(golden.input("fps_start")))
            yield Comparison(f"fps_indices_{number}", pick[0], golden.output(f"fps_indices_{number}"), 0.0)
            picks.append(pick + sum(map(len, kept)))
            kept.append(part)
    surface, index = torch.cat(kept)[None], torch.cat(picks, dim=1)
    points, features = surface[..., :3], surface[..., 3:]
    yield Comparison("enc_input_points", points, golden.output("enc_input_points"), 0.0)
    query_points = points.take_along_dim(index[..., None], dim=1)
    yield Comparison("enc_query_points", query_points, golden.output("enc_query_points"), 0.0)
    caught: list[Tensor] = []
    autoencoder.encoder.ln_post.register_forward_hook(lambda _module, _given, result: caught.append(result))
    posterior = autoencoder.encode(points, features, index)
    yield Comparison("enc_hidden", caught[0], golden.output("enc_hidden"))
    mean, log_variance = golden.output("moments").chunk(2, dim=-1)
    yield Comparison("mean", posterior.mean, mean)
    yield Comparison("log variance", posterior.log_variance, log_variance.clamp(-30, 20))
    yield Comparison("latents_mode", posterior.mean, golden.output("latents_mode"))
    sampled = posterior.mean + torch.exp(0.5 * posterior.log_variance) * golden.input("posterior_noise")
    yield Comparison("latents_sampled", sampled, golden.output("latents_sampled"))
    hidden = autoencoder.decode(golden.input("latents_scaled") / autoencoder.config.scale_factor)
    yield Comparison("decoded", hidden, golden.output("decoded"))
    context = autoencoder.field_context(hidden)
    field = autoencoder.query(golden.input("queries"), context)
    yield Comparison("query_logits", field, golden.output("query_logits").squeeze(-1))
