# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh Silksong's networks, sampling and point sampling against golden numbers; sizes are read from the files."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from backend.pipelines.common.fourier_features import fourier_features
from backend.pipelines.silksong.generation import TokenGenerator, generate
from backend.pipelines.silksong.pipeline import SilksongPipeline
from backend.pipelines.silksong.point_encoder import SilksongConditioner
from backend.pipelines.silksong.point_sampling import sample_condition_points
from backend.pipelines.silksong.sampling import SamplingSettings, filtered_probabilities
from backend.pipelines.silksong.tokenizer import vocabulary
from backend.pipelines.silksong.transformer import Decoder, SilksongTransformer

from .comparison import FLOAT32_TOLERANCE, Comparison
from .golden import Golden
from .kinds import kind
from .published.silksong import published_decode


def load_conditioner(config: dict[str, Any], weights: dict[str, Tensor]) -> SilksongConditioner:
    """Conditioner of a golden configuration from weights under their published names."""
    sizes = config["michelangelo"]
    conditioner = SilksongConditioner(
        width=sizes["width"],
        heads=sizes["heads"],
        layers=sizes["num_encoder_layers"],
        queries=sizes["num_latents"] + 1,
        frequencies=sizes["num_freqs"],
        condition_width=config["context_dim"],
    )
    prefix = "conditioner."
    conditioner.load_state_dict(
        {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}
    )
    return conditioner.eval()


def load_transformer(config: dict[str, Any], weights: dict[str, Tensor]) -> SilksongTransformer:
    """Transformer of a golden configuration from weights under their published names."""
    sizes = config["gpt"]
    transformer = SilksongTransformer(
        width=sizes["dim"],
        condition_width=config["context_dim"],
        depth=sizes["attn_depth"],
        heads=sizes["attn_heads"],
        head_width=sizes["attn_dim_head"],
        max_tokens=sizes["max_seq_len"],
    )
    transformer.load_state_dict(
        {name: tensor for name, tensor in weights.items() if not name.startswith("conditioner.")}
    )
    return transformer.eval()


def tiny_weights(golden: Golden) -> dict[str, Tensor]:
    """Stored in half precision without loss."""
    return {name: tensor.float() for name, tensor in golden.weights().items()}


@kind("silksong", "encoder")
def encoder_tiny(golden: Golden) -> Iterator[Comparison]:
    """Features, every block of the point encoder, and the condition."""
    conditioner = load_conditioner(golden.config, golden.weights())
    encoder, points = conditioner.encoder, golden.input("pc")
    yield Comparison(
        "fourier", fourier_features(points[..., :3], encoder.frequencies), golden.output("fourier")
    )
    blocks = {"input_proj": encoder.input_proj, "after_cross_attn": encoder.cross_attn, "latents": encoder.ln_post}
    blocks |= {f"after_self_block_{i}": block for i, block in enumerate(encoder.self_attn.resblocks)}
    outputs = {}
    for name, module in blocks.items():
        module.register_forward_hook(lambda _module, _given, result, name=name: outputs.update({name: result}))
    condition = conditioner(points)
    for name in blocks:
        yield Comparison(name, outputs[name], golden.output(name))
    yield Comparison("cond_embeds", condition, golden.output("cond_embeds"))


@kind("silksong", "gpt_block")
def gpt_block(golden: Golden) -> Iterator[Comparison]:
    """One self-attention, condition attention and feed-forward layer each."""
    sizes, prefix = golden.config["gpt"], "decoder."
    decoder = Decoder(sizes["dim"], golden.config["context_dim"], 1, sizes["attn_heads"], sizes["attn_dim_head"])
    decoder.load_state_dict(golden.weights(prefix))
    x, context = golden.input("x"), golden.input("context")
    for i, ((norm,), branch) in enumerate(decoder.layers):
        normed = norm(x)
        change = branch(normed, context)
        x = x + change
        yield Comparison(f"{i}.normed", normed, golden.output(f"{i}.normed"))
        yield Comparison(f"{i}.branch", change, golden.output(f"{i}.branch"))
        yield Comparison(f"{i}.residual", x, golden.output(f"{i}.residual"))
    yield Comparison("final_norm", decoder.final_norm(x), golden.output("final_norm_of_block_output"))


@kind("silksong", "gpt")
def gpt_tiny(golden: Golden) -> Iterator[Comparison]:
    """Logits, losses, greedy tokens with and without a prompt, cached against uncached, and the sampling filter."""
    weights = tiny_weights(golden)
    transformer = load_transformer(golden.config, weights)
    condition = load_conditioner(golden.config, weights)(golden.input("pc"))
    yield Comparison("cond_embeds", condition, golden.output("cond_embeds"))
    codes = golden.input("codes")
    logits = transformer(codes, condition)
    columns = golden.input("logit_columns")
    yield Comparison("logits", logits[..., columns], golden.output("logits_at_columns"))
    yield Comparison("logsumexp", logits.logsumexp(-1), golden.output("logsumexp"))
    yield Comparison("argmax", logits.argmax(-1), golden.output("argmax"), 0)
    yield Comparison("loss", transformer.loss(codes, condition)[None], golden.output("loss"))
    losses = transformer.token_losses(logits, codes, with_end=False)
    yield Comparison("token losses", losses, golden.output("token_loss_without_eos"))
    expected = golden.output("greedy_codes")
    yield from _greedy("greedy", transformer, condition, expected)
    for name in [name for name in golden.outputs if name.startswith("greedy_from_prompt_")]:
        continued = golden.output(name)
        prompt = codes[0, : int(name.rpartition("_")[2])]
        yield from _greedy(name, transformer, condition[: len(continued)], continued, prompt)
    yield from _margin(golden, transformer, condition, expected)
    yield from _cached(transformer, condition, expected)
    yield from _filter(golden)
    golden.leave_out("cached_vs_uncached_max_abs", "rounding of the original; ours is compared above")
    for name in [name for name in golden.outputs if name.startswith("sampled_codes")]:
        golden.leave_out(name, "depends on another release of torch's generator; the filter is compared")


def _greedy(
    name: str, transformer: SilksongTransformer, condition: Tensor, expected: Tensor, prompt: Tensor | None = None
) -> Iterator[Comparison]:
    new = expected.shape[1] - (0 if prompt is None else len(prompt))
    rows = generate(transformer, condition, do_sample=False, max_new_tokens=new, prompt=prompt)
    for row, (actual, wanted) in enumerate(zip(rows, expected, strict=True)):
        wanted = wanted[(wanted != vocabulary.END) & (wanted >= 0)]
        yield Comparison(f"{name}, row {row}", actual, wanted, 0)


def _margin(
    golden: Golden, transformer: SilksongTransformer, condition: Tensor, tokens: Tensor
) -> Iterator[Comparison]:
    """The smallest lead of a greedy token over the next one: how far rounding is from changing the tokens."""
    largest = transformer(tokens, condition)[:, : tokens.shape[1]].topk(2).values
    lead = (largest[..., 0] - largest[..., 1])[tokens >= 0].min()
    yield Comparison("greedy margin", lead[None], golden.output("greedy_margin_min"), 2 * FLOAT32_TOLERANCE)


def _cached(transformer: SilksongTransformer, condition: Tensor, tokens: Tensor) -> Iterator[Comparison]:
    uncached = transformer(tokens, condition)
    decoder = TokenGenerator(transformer, len(tokens), grammar=False).decoder
    decoder.begin(condition)
    given = torch.cat([torch.full_like(tokens[:, :1], decoder.start), tokens], dim=1)
    for position in range(given.shape[1]):
        logits = decoder.logits(given[:, position], torch.tensor([position]), decoder.capacity)
        if position % 8 == 0 or position + 1 == given.shape[1]:
            yield Comparison(f"cached, position {position}", logits, uncached[:, position])


def _filter(golden: Golden) -> Iterator[Comparison]:
    names = ("temperature", "top_k", "top_p")
    settings = SamplingSettings(**{name: golden.config[name] for name in names if name in golden.config})
    probabilities, tokens = filtered_probabilities(golden.input("filter_logits"), settings)
    kept = torch.zeros_like(golden.output("filter_kept"))
    kept.scatter_(1, tokens, probabilities > 0)
    yield Comparison("filter, kept", kept.int(), golden.output("filter_kept").int(), 0)
    yield Comparison("filter, number kept", kept.sum(1), golden.output("filter_kept_count"), 0)
    yield Comparison("filter, probabilities", probabilities, golden.output("filter_probs_sorted"))


@kind("silksong", "end_to_end")
def end_to_end_tiny(golden: Golden) -> Iterator[Comparison]:
    """A torus' points to its condition, greedy tokens, and the losses of its own tokens."""
    weights = tiny_weights(golden.sibling("gpt"))
    transformer = load_transformer(golden.config, weights)
    pipeline = SilksongPipeline(load_conditioner(golden.config, weights), transformer)
    points = golden.input("pc_normal")
    yield Comparison("cond_embeds", pipeline.encode_condition(points), golden.output("cond_embeds"))
    expected = golden.output("greedy_codes")
    tokens = pipeline(points=points, greedy=True, max_tokens=expected.shape[1], grammar=False)
    yield Comparison("greedy", tokens[0], expected[0], 0)
    yield Comparison("vertices", _published_vertices(expected[0]), int(golden.output("detokenised_vertex_count")), 0)
    yield from _margin(golden, transformer, golden.output("cond_embeds"), expected)
    forced = golden.input("forced_tokens")
    losses = transformer.token_losses(transformer(forced, pipeline.encode_condition(points)), forced, with_end=False)
    yield Comparison("forced token losses", losses[:, :-1], golden.output("forced_token_nll"))


def _published_vertices(tokens: Tensor) -> int:
    """How many vertices the published decoder finds, -1 where it raises."""
    try:
        return len(published_decode(tokens.numpy()).cells)
    except IndexError:
        return -1


@kind("silksong", "point_sampling")
def point_sampling(golden: Golden) -> Iterator[Comparison]:
    """The same points, to the bit."""
    vertices, faces = golden.input("vertices").numpy(), golden.input("faces").numpy()
    points = sample_condition_points(vertices, faces, seed=golden.info["seed"])
    yield Comparison("points", points, golden.output("pc_normal"), 0)
