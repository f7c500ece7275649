# SPDX-License-Identifier: GPL-3.0-or-later
"""PartPacker's networks against golden numbers. Every size is read from the golden file."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import Dinov2Config, Dinov2Model

from backend.pipelines.partpacker.attention import CrossAttention, SelfAttention
from backend.pipelines.partpacker.autoencoder import PartPackerAutoencoder, fourier_encoding
from backend.pipelines.partpacker.denoiser import DenoiserLayer, PartPackerDenoiser, timestep_frequencies
from backend.pipelines.partpacker.image_condition import condition_tokens, last_block_tokens, normalize_picture

from . import CASES
from .comparison import FLOAT32_TOLERANCE, Comparison
from .golden import Golden

NORMS = {"rms": "rms", "ln": "layer"}


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


def dit_layer(golden: Golden) -> Iterator[Comparison]:
    condition, embedding = golden.input("c"), golden.input("t_emb")
    layer = DenoiserLayer(golden.config["dim"], condition.shape[-1], golden.config["heads"])
    layer.load_state_dict(golden.weights())
    yield Comparison("modulation", torch.cat(layer.modulation(embedding), dim=1), golden.output("modulation"))
    y = layer(golden.input("x"), embedding, layer.attn2.key_value(condition))
    yield Comparison("y", y, golden.output("y"))


def dit(golden: Golden) -> Iterator[Comparison]:
    denoiser = load_denoiser(golden.config, golden.weights())
    x, t, condition = golden.input("x"), golden.input("t"), golden.input("c")
    # The last bit of exp() differs from processor to processor and moves the angle of the fastest waves by t * 2^-24,
    # which is 6e-5 at t = 1000; what the network makes of them is held to the common tolerance below.
    resolution = max(FLOAT32_TOLERANCE, float(t.max()) * 2**-24)
    yield Comparison("t_freq", timestep_frequencies(t), golden.output("t_freq"), resolution)
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


def dinov2_cond(golden: Golden) -> Iterator[Comparison]:
    image_encoder = load_image_encoder(golden.config, golden.weights())
    picture = golden.input("image01")
    pixels = normalize_picture(picture)
    yield Comparison("pixel_values", pixels, golden.output("pixel_values"))
    yield Comparison("prenorm", last_block_tokens(image_encoder, pixels), golden.output("prenorm"))
    yield Comparison("cond", condition_tokens(image_encoder, picture), golden.output("cond"))


def vae_encode(golden: Golden) -> Iterator[Comparison]:
    autoencoder = load_autoencoder(golden.config, golden.weights())
    points, salient = golden.input("pointcloud"), golden.input("pointcloud_dorases")
    index, salient_index = golden.input("fps_indices"), golden.input("fps_indices_dorases")
    yield Comparison(
        "fourier", fourier_encoding(points, autoencoder.config.frequencies), golden.output("fourier")
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


def vae_decode(golden: Golden) -> Iterator[Comparison]:
    autoencoder = load_autoencoder(golden.config, golden.weights())
    latent, points = golden.input("latent"), golden.input("points")
    encoding = fourier_encoding(points, autoencoder.config.frequencies)
    yield Comparison("fourier", encoding, golden.output("fourier"))
    yield Comparison("proj_up", autoencoder.proj_up(latent), golden.output("proj_up"))
    hidden = autoencoder.decode(latent)
    yield Comparison("hidden", hidden, golden.output("hidden"))
    expected = golden.output("field").squeeze(-1)
    yield Comparison("field", autoencoder.query(points, hidden), expected)
    context = autoencoder.field_context(hidden)
    chunks = [autoencoder.query(chunk, context) for chunk in points.split(points.shape[1] // 3, dim=1)]
    yield Comparison("field in chunks, keys and values cached", torch.cat(chunks, dim=1), expected)


for case in (attention, dit_layer, dit, dinov2_cond, vae_encode, vae_decode):
    CASES["partpacker", case.__name__] = case
