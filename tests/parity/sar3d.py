# SPDX-License-Identifier: GPL-3.0-or-later
"""SAR3D's transformer, quantizer and sampling against golden numbers; sizes are read from the files."""

import re
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from backend.pipelines.sar3d.encoder import TriplaneEncoder
from backend.pipelines.sar3d.quantizer import ResidualQuantizer, convolution_of_scale
from backend.pipelines.sar3d.sampling import SamplingSettings, filtered_probabilities
from backend.pipelines.sar3d.token_layout import PLANES
from backend.pipelines.sar3d.transformer import Condition, NextScaleTransformer
from backend.pipelines.sar3d.triplane_decoder import TriplaneDecoder

from .comparison import Comparison
from .golden import Golden
from .kinds import kind
from .published.sar3d import RawCodes, RawLastCodes

RELATIVE_TOLERANCE = 1e-5
NOT_LEARNED = ("zero_k_bias", "lvl_1L", "plane_1L", "ema_vocab_hit_SV")
"""Ends of the names of what checkpoints hold and nothing reads."""


def learned(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights that a module has, in float32. They are stored in half precision without loss."""
    return {name: tensor.float() for name, tensor in weights.items() if not name.endswith(NOT_LEARNED)}


def close(name: str, actual: Tensor, expected: Tensor) -> Comparison:
    """Equal up to rounding in float32, in relation to the largest value."""
    return Comparison(name, actual, expected, RELATIVE_TOLERANCE * max(float(expected.abs().max()), 1.0))


def load_quantizer(
    config: dict[str, Any], weights: dict[str, Tensor], kind: type[ResidualQuantizer] = ResidualQuantizer
) -> ResidualQuantizer:
    """The quantizer of a golden configuration."""
    weights = learned(weights)
    vocabulary, width = weights["embedding.weight"].shape
    convolutions = sum(name.startswith("quant_resi") and name.endswith("bias") for name in weights)
    quantizer = kind(vocabulary, width, config["patch_nums"], convolutions, config.get("quant_resi", 0.5))
    quantizer.load_state_dict(weights)
    return quantizer.eval()


def load_transformer(config: dict[str, Any], weights: dict[str, Tensor]) -> NextScaleTransformer:
    """The transformer of a golden configuration."""
    weights = {name: tensor for name, tensor in learned(weights).items() if not name.startswith("quantize.")}
    transformer = NextScaleTransformer(
        width=config["C"],
        depth=config["depth"],
        heads=config["heads"],
        condition_width=weights["pooler_emb.weight"].shape[1],
        condition_first=not config["text"],
        vocabulary=config["vocab"],
        code_width=config["Cvae"],
        sides=config["patch_nums"],
    )
    transformer.load_state_dict(weights)
    return transformer.eval()


@kind("sar3d", "quantizer")
def quantizer(golden: Golden) -> Iterator[Comparison]:
    """Training, extraction of tokens and generation; each as published, with its own lengths of codes."""
    config, weights, latent = golden.config, golden.weights(), golden.input("f")
    trained = load_quantizer(config, weights, RawLastCodes)
    quantized = trained.quantize(latent)
    yield close("train_forward_f_hat", quantized.latents[-1], golden.output("train_forward_f_hat"))
    loss = trained.commitment_loss(latent, quantized, config["beta"])
    yield close("train_forward_vq_loss", loss[None], golden.output("train_forward_vq_loss"))
    extracted = load_quantizer(config, weights, RawCodes).quantize(latent)
    raw = extracted.indices
    for scale, indices in enumerate(raw):
        yield Comparison(f"tokens_raw_codes.{scale}", indices, golden.output(f"tokens_raw_codes.{scale}"), 0)
    ours = load_quantizer(config, weights)
    latents = ours.accumulate(raw)
    yield close("fhat_raw_codes_last", extracted.latents[-1], golden.output("fhat_raw_codes_last"))
    inputs = ours.teacher_forcing_input(ours.layout.join(raw))
    by_scale = inputs.split(ours.layout.counts[1:], dim=1)
    by_plane = torch.cat([scale.reshape(len(latent), -1, latent.shape[1]) for scale in by_scale], dim=1)
    yield close("teacher_forcing_input", by_plane, golden.output("teacher_forcing_input"))
    yield close("ar_f_hat", latents[-1], golden.output("ar_f_hat"))
    for name, expected in golden.with_prefix("out.ar_next_map.").items():
        yield close(f"ar_next_map.{name}", ours.pooled(latents[int(name)], int(name) + 1), expected)
    phi = convolution_of_scale(len(config["patch_nums"]), config["share_quant_resi"])
    yield Comparison("phi_index", torch.tensor(phi), golden.output("phi_index"), 0)


@kind("sar3d", "sampling")
def sampling(golden: Golden) -> Iterator[Comparison]:
    """Filtered probabilities of every setting, and torch's own draws from them."""
    logits = golden.input("logits")
    for name, expected in golden.with_prefix("out.").items():
        setting = re.fullmatch(r"k(\d+)_p([\d.]+)_(probabilities|index_seed(\d+))", name)
        assert setting, name
        top_k, top_p, _, seed = setting.groups()
        probabilities = full_probabilities(logits, SamplingSettings(top_k=int(top_k), top_p=float(top_p)))
        if seed is None:
            yield Comparison(name, probabilities, expected)
        else:
            drawn = multinomial(probabilities, torch.Generator().manual_seed(int(seed)))
            yield Comparison(name, drawn, expected, 0)


def full_probabilities(logits: Tensor, settings: SamplingSettings) -> Tensor:
    """Probabilities of the whole vocabulary, in its order."""
    probabilities, tokens = filtered_probabilities(logits, settings)
    return torch.zeros_like(logits).scatter(-1, tokens, probabilities)


def multinomial(probabilities: Tensor, generator: torch.Generator) -> Tensor:
    """torch's draws for every position, as the published program makes them."""
    rows = probabilities.flatten(0, -2)
    return torch.multinomial(rows, 1, replacement=True, generator=generator).view(probabilities.shape[:-1])


@kind("sar3d", "var_text_forward", "var_image_forward")
def transformer_forward(golden: Golden) -> Iterator[Comparison]:
    """Teacher forcing through both blocks, and one self-attention and cross-attention alone."""
    transformer = load_transformer(golden.config, golden.weights())
    codes = load_quantizer(golden.config, golden.weights("quantize."))
    inputs = codes.teacher_forcing_input(golden.input("tokens"))
    yield close("teacher_forcing_input", inputs, golden.output("teacher_forcing_input"))
    outputs: list[Tensor] = []
    for block in transformer.blocks:
        block.register_forward_hook(lambda _module, _given, result: outputs.append(result))
    condition = Condition(golden.input("pooled"), golden.input("condition"))
    logits = transformer(condition, inputs)
    for number, output in enumerate(outputs):
        yield close(f"block{number}", output, golden.output(f"block{number}"))
    yield close("logits", logits, golden.output("logits"))
    first, expected = transformer.blocks[0], golden.output("selfattn_block0_on_block0out")
    x = golden.output("block0")[:, : expected.shape[1]]
    yield close("selfattn_block0_on_block0out", first.attn(x), expected)
    crossed = first.cross_attn(first.prenorm_ca_dino(x), condition.tokens)
    yield close("crossattn_block0_on_block0out", crossed, golden.output("crossattn_block0_on_block0out"))
    yield Comparison("lvl_1L", transformer.layout.levels()[None], golden.output("lvl_1L"), 0)
    yield Comparison("plane_1L", transformer.layout.planes()[None], golden.output("plane_1L"), 0)


@kind("sar3d", "encoder")
def encoder(golden: Golden) -> Iterator[Comparison]:
    """Views to their latent and its tokens, with codes that keep their length, as published."""
    config, weights = golden.config, learned(golden.weights())
    codes = load_quantizer(config, golden.weights("quantize."), RawCodes)
    model = TriplaneEncoder(
        channels=config["in_channels"],
        width=config["ch"],
        multipliers=config["ch_mult"],
        residual_blocks=config["num_res_blocks"],
        code_width=config["z_channels"] // PLANES,
        heads=config["n_heads"],
        head_width=config["d_head"],
        views=config["num_frames"],
    )
    model.load_state_dict({name: tensor for name, tensor in weights.items() if not name.startswith("quantize.")})
    views = golden.input("views")
    yield close("encoder", model.encoder(views), golden.output("encoder"))
    latent = model(views)
    yield close("quant_in", latent, golden.output("quant_in"))
    tokens = codes.layout.join(codes.quantize(latent).indices)
    yield Comparison("tokens_object_order", tokens, golden.output("tokens_object_order"), 0)


@kind("sar3d", "triplane_vit")
def triplane_vit(golden: Golden) -> Iterator[Comparison]:
    """Latent to tokens, and the vision transformer's blocks within planes and over all of them."""
    config, weights = golden.config, learned(golden.weights())
    latent = golden.input("f_hat")
    decoder = TriplaneDecoder(
        code_width=latent.shape[1],
        sides=(latent.shape[-1],),
        width=config["hidden"],
        depth=config["depth"],
        heads=config["heads"],
    )
    fill(decoder, weights)
    outputs: list[Tensor] = []
    for block in decoder.vit_decoder.blocks:
        block.register_forward_hook(lambda _module, _given, result: outputs.append(result))
    tokens = decoder.latent_tokens(latent)
    yield close("patch_embed_tokens", tokens, golden.output("patch_embed_tokens"))
    yield close("vit", decoder.vit_decoder(tokens), golden.output("vit"))
    for name, expected in golden.with_prefix("out.block").items():
        yield close(f"block{name}", outputs[int(name[0])].view_as(expected), expected)


@kind("sar3d", "conv_decoder")
def conv_decoder(golden: Golden) -> Iterator[Comparison]:
    """The vision transformer's tokens to a triplane."""
    config, tokens = golden.config, golden.input("vit_tokens")
    side = round((tokens.shape[1] / PLANES) ** 0.5)
    decoder = TriplaneDecoder(sides=(side,), width=config["z_channels"], **plane_sizes(config), heads=1, depth=0)
    fill(decoder, learned(golden.weights()))
    yield close("triplane", decoder.planes(tokens).flatten(1, 2), golden.output("triplane"))


def plane_sizes(config: dict[str, Any]) -> dict[str, Any]:
    """Options of `TriplaneDecoder` for its convolutional part."""
    return {
        "plane_width": config["ch"],
        "plane_multipliers": config["ch_mult"],
        "plane_blocks": config["num_res_blocks"],
        "plane_channels": config["out_ch"],
    }


def fill(module: torch.nn.Module, weights: dict[str, Tensor]) -> None:
    """Load all `weights` into a module that may have more, and make it ready to compare."""
    result = module.load_state_dict(weights, strict=False)
    assert not result.unexpected_keys, result.unexpected_keys
    module.eval()
