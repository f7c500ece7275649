# SPDX-License-Identifier: GPL-3.0-or-later
"""PartPacker's networks against golden numbers. Every size is read from the golden file."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from safetensors.torch import save_file
from torch import Tensor
from transformers import Dinov2Config, Dinov2Model

from backend.pipelines.common.fourier_features import fourier_features
from backend.pipelines.common.image_condition import image_tokens, normalize_image
from backend.pipelines.common.image_preparation import Centering, composite_on_white, recenter, resize_image
from backend.pipelines.common.sampler import flow_scheduler, set_flow_timesteps
from backend.pipelines.partpacker.attention import CrossAttention, SelfAttention
from backend.pipelines.partpacker.autoencoder import PartPackerAutoencoder
from backend.pipelines.partpacker.denoiser import (
    ConditionCache,
    DenoiserLayer,
    PartPackerDenoiser,
    timestep_frequencies,
)
from backend.pipelines.partpacker.image_condition import condition_tokens
from backend.pipelines.partpacker.pipeline import PartPackerPipeline

from .comparison import Comparison
from .golden import Golden
from .kinds import kind

NORMS = {"rms": "rms", "ln": "layer"}
RESIZE_OF = {"app": "area", "cli": "linear"}


def load_denoiser(config: dict[str, Any], weights: dict[str, Tensor]) -> PartPackerDenoiser:
    """Denoiser of a golden configuration; the condition's width is read off the weights."""
    denoiser = PartPackerDenoiser(
        width=config["hidden_dim"],
        layers=config["num_layers"],
        heads=config["num_heads"],
        latent_width=config["latent_dim"],
        condition_width=weights["layers.0.attn2.k_proj.weight"].shape[1],
    )
    denoiser.load_state_dict(weights)
    return denoiser.eval()


def load_autoencoder(config: dict[str, Any], weights: dict[str, Tensor]) -> PartPackerAutoencoder:
    """Autoencoder of a golden configuration."""
    autoencoder = PartPackerAutoencoder(
        width=config["hidden_dim"],
        heads=config["num_heads"],
        decoder_layers=config["num_dec_layers"],
        latent_width=config["latent_dim"],
        frequencies=config["point_fourier_dim"] // 6,
    )
    autoencoder.load_state_dict(weights)
    return autoencoder.eval()


def load_image_encoder(config: dict[str, Any], weights: dict[str, Tensor]) -> Dinov2Model:
    """DINOv2 through `from_pretrained`, as published weights come, so that transformers renames what it must."""
    with TemporaryDirectory() as folder:
        Dinov2Config(**config).save_pretrained(folder)
        save_file(weights, Path(folder) / "model.safetensors", metadata={"format": "pt"})
        return Dinov2Model.from_pretrained(folder).eval()


@kind("partpacker", "attention")
def attention(golden: Golden) -> Iterator[Comparison]:
    config, x, context = golden.config, golden.input("x"), golden.input("context")
    for name in config["cases"].split(","):
        kind, norm = name.split("_")
        if kind == "self":
            layer = SelfAttention(config["hidden"], config["heads"], NORMS[norm])
        else:
            layer = CrossAttention(config["hidden"], config["context_dim"], config["heads"], NORMS[norm])
        layer.load_state_dict(golden.weights(f"{name}."))
        y = layer(x) if kind == "self" else layer(x, layer.key_value(context))
        yield Comparison(name, y, golden.output(name))


@kind("partpacker", "dit_layer")
def dit_layer(golden: Golden) -> Iterator[Comparison]:
    condition, embedding = golden.input("c"), golden.input("t_emb")
    layer = DenoiserLayer(golden.config["dim"], condition.shape[-1], golden.config["heads"])
    layer.load_state_dict(golden.weights())
    yield Comparison("modulation", torch.cat(layer.modulation(embedding), dim=1), golden.output("modulation"))
    y = layer(golden.input("x"), embedding, layer.attn2.key_value(condition))
    yield Comparison("y", y, golden.output("y"))


@kind("partpacker", "dit")
def dit(golden: Golden) -> Iterator[Comparison]:
    denoiser = load_denoiser(golden.config, golden.weights())
    x, t, condition = golden.input("x"), golden.input("t"), golden.input("c")
    yield Comparison("t_freq", timestep_frequencies(t), golden.output("t_freq"))
    inputs: list[Tensor] = []
    outputs: list[Tensor] = []
    denoiser.layers[0].register_forward_pre_hook(lambda _module, given: inputs.extend(given[:2]))
    for layer in denoiser.layers:
        layer.register_forward_hook(lambda _module, _given, result: outputs.append(result))
    y = denoiser(x, t, condition)
    yield Comparison("h_in", inputs[0], golden.output("h_in"))
    yield Comparison("t_emb", inputs[1], golden.output("t_emb"))
    for i, result in enumerate(outputs):
        yield Comparison(f"layer{i}", result, golden.output(f"layer{i}"))
    yield Comparison("y", y, golden.output("y"))


@kind("partpacker", "dinov2_cond")
def dinov2_cond(golden: Golden) -> Iterator[Comparison]:
    image_encoder = load_image_encoder(golden.config, golden.weights())
    image = golden.input("image01")
    yield Comparison("pixel_values", normalize_image(image), golden.output("pixel_values"))
    before = image_tokens(image_encoder, image, last_norm=False).all
    yield Comparison("prenorm", before, golden.output("prenorm"))
    yield Comparison("cond", condition_tokens(image_encoder, image), golden.output("cond"))
    after = image_tokens(image_encoder, image).all
    yield Comparison("with DINOv2's last norm", after, golden.output("with_final_layernorm_NOT_used"))


@kind("partpacker", "vae_encode")
def vae_encode(golden: Golden) -> Iterator[Comparison]:
    autoencoder = load_autoencoder(golden.config, golden.weights())
    points, salient = golden.input("pointcloud"), golden.input("pointcloud_dorases")
    index, salient_index = golden.input("fps_indices"), golden.input("fps_indices_dorases")
    yield Comparison(
        "fourier", fourier_features(points, autoencoder.config.frequencies, by_axis=True), golden.output("fourier")
    )
    caught: list[Tensor] = []
    autoencoder.perceiver.register_forward_hook(lambda _module, given, result: caught.extend((given[0], result)))
    posterior = autoencoder.encode(points, salient, index, salient_index)
    yield Comparison("query", caught[0], golden.output("query"))
    yield Comparison("perceiver_uniform", caught[1], golden.output("perceiver_uniform"))
    yield Comparison("mean", posterior.mean, golden.output("mean"))
    yield Comparison("mode", posterior.mean, golden.output("mode"))
    yield Comparison("logvar_clamped", posterior.log_variance, golden.output("logvar_clamped"))
    smooth = autoencoder.encode(points, salient, index, salient_index[:, :0])
    yield Comparison("mean_without_salient_queries", smooth.mean, golden.output("mean_without_salient_queries"))


@kind("partpacker", "vae_decode")
def vae_decode(golden: Golden) -> Iterator[Comparison]:
    autoencoder = load_autoencoder(golden.config, golden.weights())
    latent, points = golden.input("latent"), golden.input("points")
    encoding = fourier_features(points, autoencoder.config.frequencies, by_axis=True)
    yield Comparison("fourier", encoding, golden.output("fourier"))
    yield Comparison("proj_up", autoencoder.proj_up(latent), golden.output("proj_up"))
    hidden = autoencoder.decode(latent)
    yield Comparison("hidden", hidden, golden.output("hidden"))
    expected = golden.output("field").squeeze(-1)
    yield Comparison("field", autoencoder.query(points, hidden), expected)
    context = autoencoder.field_context(hidden)
    chunks = [autoencoder.query(chunk, context) for chunk in points.split(points.shape[1] // 3, dim=1)]
    yield Comparison("field in chunks, keys and values cached", torch.cat(chunks, dim=1), expected)



def pipeline_of(
    config: dict[str, Any],
    denoiser: PartPackerDenoiser,
    image_encoder: Dinov2Model | None = None,
    autoencoder: PartPackerAutoencoder | None = None,
) -> PartPackerPipeline:
    """Our pipeline around what a case has of the networks."""
    dit = config["dit"]
    return PartPackerPipeline(
        image_encoder, denoiser, autoencoder, scheduler_of(config),
        tokens_per_volume=dit["latent_size"], image_size=config.get("image_size", 0),
    )


def scheduler_of(config: dict[str, Any]) -> FlowMatchEulerDiscreteScheduler:
    return FlowMatchEulerDiscreteScheduler.from_config(flow_scheduler().config, shift=config["shift"])


@kind("partpacker", "sampler")
def sampler(golden: Golden) -> Iterator[Comparison]:
    config = golden.config
    denoiser = load_denoiser(config["dit"], golden.weights("dit."))
    yield from _sigma_tables(golden)
    steps: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    guided_velocities = denoiser.guided_velocities

    def record(latent: Tensor, timestep: Tensor, cache: ConditionCache) -> tuple[Tensor, Tensor]:
        velocities = guided_velocities(latent, timestep, cache)
        steps.append((latent, timestep, *velocities))
        return velocities

    denoiser.guided_velocities = record
    pipeline = pipeline_of(config, denoiser)
    condition = golden.output("cond_input")
    latent = pipeline.denoise(golden.input("noise"), condition[:1], config["num_steps"], config["cfg_scale"])
    zeros = torch.zeros_like(condition[:1])
    for i, (x, timestep, conditional, unconditional) in enumerate(steps):
        yield Comparison(f"t{i}", timestep.expand(2), golden.output(f"t{i}"))
        yield Comparison(f"x{i}", x, golden.output(f"x{i}"))
        yield Comparison(f"v_cond{i}", conditional, golden.output(f"v_cond{i}"))
        yield Comparison(f"v_uncond{i}", unconditional, golden.output(f"v_uncond{i}"))
        plain = denoiser(torch.cat([x, x]), timestep.expand(2), torch.cat([condition[:1], zeros]))
        yield Comparison(f"plain batch of two {i}", plain[1:], golden.output(f"v_uncond{i}"))
    yield Comparison("latent", latent, golden.output("latent"))


def _sigma_tables(golden: Golden) -> Iterator[Comparison]:
    for name, expected in golden.with_prefix("out.sigmas_n").items():
        scheduler = scheduler_of(golden.config)
        set_flow_timesteps(scheduler, int(name))
        yield Comparison(f"sigmas_n{name}", scheduler.sigmas, expected, 1e-6)


@kind("partpacker", "preprocess")
def preprocess(golden: Golden) -> Iterator[Comparison]:
    """Images centered, resized and composited on white.

    Exact but for the float images, whose last bit depends on how the compositing is vectorized.
    """
    centering = Centering(golden.config["border_ratio"])
    first, last = map(int, re.findall(r"\d+\.\.\d+", golden.config["rows"])[0].split(".."))
    for name, expected in golden.with_prefix("out.").items():
        image, _, what = name.partition(".")
        centered = recenter(golden.input(image).numpy(), centering)
        if what == "recentered":
            yield Comparison(name, centered, expected, 0.0)
            continue
        mode, size, *form = what.split("_")
        resized = resize_image(centered, int(size), RESIZE_OF[mode])
        if form == ["u8"]:
            yield Comparison(name, resized, expected, 0.0)
            continue
        rgb = composite_on_white(resized)[0].permute(1, 2, 0)
        yield Comparison(name, rgb[first : last + 1] if form == ["rows"] else rgb, expected, 1e-7)
    for name, expected in golden.config.items():
        if name.endswith("_u8_sha256"):
            image, _, what = name.partition(".")
            mode, size, *_ = what.split("_")
            resized = resize_image(recenter(golden.input(image).numpy(), centering), int(size), RESIZE_OF[mode])
            yield Comparison(name, hashlib.sha256(resized.tobytes()).hexdigest(), expected, 0.0)
