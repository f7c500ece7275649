# SPDX-License-Identifier: GPL-3.0-or-later
"""SAR3D from an image to what its encoder sees, and from a condition to a mesh, against golden numbers."""

import re
from collections.abc import Iterator

import torch
from torch import Tensor

from backend.pipelines.common.image_condition import normalize_image
from backend.pipelines.sar3d.generation import TokenGenerator
from backend.pipelines.sar3d.image_views import encoder_image, square_on_white
from backend.pipelines.sar3d.sampling import SamplingSettings
from backend.pipelines.sar3d.transformer import Condition
from backend.pipelines.sar3d.triplane_decoder import TriplaneDecoder

from .comparison import Comparison
from .golden import Golden
from .kinds import kind
from .sar3d import close, full_probabilities, learned, load_transformer, multinomial, plane_sizes
from .sar3d_surfaces import density_surface

HALF_ROUNDING = 2e-3
"""The last bit of half precision at normalized pixels."""


@kind("sar3d", "preprocess")
def preprocess(golden: Golden) -> Iterator[Comparison]:
    """Images on a white square, pixel for pixel, and what DINOv2 sees of the one with an alpha channel."""
    squares = {name: square_on_white(golden.input(name).numpy()) for name in ("rgb", "rgba")}
    for name, square in squares.items():
        yield Comparison(f"{name}_256", square, golden.output(f"{name}_256"), 0)
    pixels = normalize_image(encoder_image(squares["rgba"]))[0]
    yield Comparison("rgba_dino_pixels", pixels.half(), golden.output("rgba_dino_pixels"), HALF_ROUNDING)


@kind("sar3d", "end_to_end_text", "end_to_end_image")
def end_to_end(golden: Golden) -> Iterator[Comparison]:
    """A condition to tokens, greedy and drawn by torch, then to a triplane, its density and a colored mesh.

    The recorded tokens are fed back scale by scale, so that one of two nearly equal logits cannot change all after.
    """
    config = golden.config
    condition = Condition(golden.input("pooled"), golden.input("condition"))
    null = Condition(golden.input("null_pooled")[None], golden.input("null_condition")[None])
    decoder = load_decoder(golden)
    transformer = load_transformer(config, golden.weights("var."))
    greedy, drawn = SamplingSettings(config["cfg"], top_k=1), SamplingSettings(config["cfg"], 10, config["top_p"])
    generator = TokenGenerator(transformer, decoder.quantize, 1, condition.tokens.shape[1], greedy)
    yield from forced(golden, generator, condition, null)
    latent = generator.latent.clone()
    yield close("greedy_f_hat", latent, golden.output("greedy_f_hat"))
    generated = generator.run(condition, null, seeds=[0])
    yield Comparison("greedy_tokens, free", generated.tokens, golden.output("greedy_tokens"), 0)
    generator = TokenGenerator(transformer, decoder.quantize, 1, condition.tokens.shape[1], drawn)
    tokens = drawn_by_torch(generator, condition, null, config["seed"])
    yield Comparison("sampled_tokens", tokens, golden.output("sampled_tokens"), 0)
    yield close("sampled_f_hat", generator.latent, golden.output("sampled_f_hat"))
    triplane = decoder(latent)
    yield close("greedy_triplane", triplane.flatten(1, 2), golden.output("greedy_triplane"))
    for name, expected in golden.with_prefix("out.sigma_grid").items():
        box = decoder.field.box
        grid = decoder.field.density_grid(triplane, torch.linspace(-box / 2, box / 2, int(name)))
        yield close(f"sigma_grid{name}", grid[0], expected)
        yield from density_surface(golden, decoder.field, triplane, int(name), "mesh")


def load_decoder(golden: Golden) -> TriplaneDecoder:
    """The decoder of an end-to-end configuration."""
    config, weights = golden.config, learned(golden.weights("vae.decoder."))
    plain = {re.sub(r"^superresolution\.", "", name): tensor for name, tensor in weights.items()}
    plain |= {f"field.{name}": tensor for name, tensor in learned(golden.weights("field.")).items()}
    decoder = TriplaneDecoder(
        field_kind="density",
        vocabulary=config["vocab"],
        code_width=config["Cvae"],
        sides=config["patch_nums"],
        width=config["vit"]["hidden"],
        depth=config["vit"]["depth"],
        heads=config["vit"]["heads"],
        **plane_sizes(config["conv"]),
        field_width=config["field"]["hidden"],
    )
    decoder.load_state_dict(plain)
    return decoder.eval()


def forced(golden: Golden, generator: TokenGenerator, condition: Condition, null: Condition) -> Iterator[Comparison]:
    """Guided logits of every scale after the recorded tokens of the scales before it."""
    expected, tokens = golden.output("greedy_logits_after_cfg"), golden.output("greedy_tokens").long()
    generator.begin(condition, null)
    for scale in range(len(generator.layout.sides)):
        span = generator.layout.span(scale)
        yield close(f"greedy_logits_after_cfg, scale {scale}", generator.logits(scale), expected[:, span])
        generator.accept(scale, tokens[:, span])


def drawn_by_torch(generator: TokenGenerator, condition: Condition, null: Condition, seed: int) -> Tensor:
    """Tokens int64 `[1, L]` drawn as the published program draws them, with one generator for all scales."""
    generator.begin(condition, null)
    draws = torch.Generator().manual_seed(seed)
    for scale in range(len(generator.layout.sides)):
        probabilities = full_probabilities(generator.logits(scale), generator.settings)
        generator.accept(scale, multinomial(probabilities, draws))
    return generator.tokens
