# SPDX-License-Identifier: GPL-3.0-or-later
"""Hunyuan3D shape's networks against golden numbers. Sizes, seeds and options are read from the golden file."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import trimesh
from torch import Tensor, nn
from transformers import Dinov2Config, Dinov2Model

from backend.geometry.farthest_point import farthest_points
from backend.geometry.normalization import Normalization
from backend.pipelines.hunyuan3d_shape import configurations
from backend.pipelines.hunyuan3d_shape.attention import NormKind
from backend.pipelines.hunyuan3d_shape.autoencoder import ShapeAutoencoder
from backend.pipelines.hunyuan3d_shape.autoencoder_blocks import CrossBlock, SelfBlock, fourier_encoding
from backend.pipelines.hunyuan3d_shape.image import Box, as_tensor, centered_on_white, resized
from backend.pipelines.hunyuan3d_shape.image_condition import VIEWS, condition_tokens
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
from backend.pipelines.hunyuan3d_shape.scheduler import ShapeScheduler
from backend.pipelines.hunyuan3d_shape.sharp_edges import SharpEdges, vertex_sharpness
from backend.pipelines.hunyuan3d_shape.surface_points import LONGEST_SIDE, POINTS_PER_TOKEN
from backend.pipelines.hunyuan3d_shape.two_stream_denoiser import DoubleBlock, SingleBlock, TwoStreamDenoiser

from backend.pipelines.common.image_files import RgbaArray

from . import CASES
from .comparison import Comparison
from .golden import Golden

Weights = dict[str, Tensor]
DOUBLE = 1e-12
"""Tolerance of geometry in double precision."""


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


def scheduler_tables(golden: Golden) -> Iterator[Comparison]:
    """Our times, and the original's repeated last one where it has that."""
    tables = {
        "euler": ShapeScheduler("flow"), "euler_shift3": ShapeScheduler("flow", shift=3.0),
        "consistency": ShapeScheduler("consistency", anchors=golden.config["consistency"]["pcm_timesteps"]),
    }
    for name, expected in golden.with_prefix("out.").items():
        kind, steps, what = name.rsplit("_", 2)
        sigmas = original_sigmas(tables[kind], int(steps))
        train_steps = golden.config[kind.split("_")[0]]["num_train_timesteps"]
        actual = sigmas if what == "sigmas" else sigmas[:-1] * train_steps
        yield Comparison(name, actual, expected, 0.0 if what == "sigmas" else 1e-4)


def original_sigmas(scheduler: ShapeScheduler, steps: int) -> Tensor:
    """The original's flow matching ends with a step of no length."""
    times = scheduler.times(steps)
    return torch.cat([times, times.new_ones(steps + 1 - len(times))])


def preprocess_single(golden: Golden) -> Iterator[Comparison]:
    size, border = golden.config["size"], golden.config["border_ratio"]
    rgba = golden.input("rgba").numpy()
    centered = centered_on_white(rgba, original_box(rgba), border)
    yield Comparison("recenter_rgb_uint8", centered, golden.output("recenter_rgb_uint8"), 0.0)
    yield Comparison("rgba_512_uint8", resized(centered, 512), golden.output("rgba_512_uint8"), 0.0)
    yield Comparison("rgba_image", as_tensor(resized(centered, size)), golden.output("rgba_image"), 0.0)
    rgb = golden.input("rgb").numpy()
    opaque = np.concatenate([rgb, np.full_like(rgb[..., :1], 255)], axis=-1)
    yield Comparison("rgb_image", original_view(opaque, size, border), golden.output("rgb_image"), 0.0)


def preprocess_multiview(golden: Golden) -> Iterator[Comparison]:
    size, border = golden.config["size"], golden.config["border_ratio"]
    given = golden.with_prefix("in.")
    views = [name for name in VIEWS if name in given]
    yield Comparison("view_idxs", [VIEWS.index(name) for name in views], golden.output("view_idxs").tolist())
    image = torch.stack([original_view(given[name].numpy(), size, border) for name in views], dim=1)
    yield Comparison("image", image, golden.output("image"), 0.0)


def original_box(rgba: RgbaArray) -> Box:
    """The original counts every pixel that is not fully transparent, and loses the last row and column."""
    rows, columns = np.nonzero(rgba[..., 3])
    return Box(int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max()))


def original_view(rgba: RgbaArray, size: int, border: float) -> Tensor:
    return as_tensor(resized(centered_on_white(rgba, original_box(rgba), border), size))


def surface_loader(golden: Golden) -> Iterator[Comparison]:
    """Normalization, normals, sharp vertices and points on sharp edges, in double precision."""
    names = [name.removesuffix("_v") for name in golden.with_prefix("in.") if name.endswith("_v")]
    for name in names:
        vertices, faces = golden.input(f"{name}_v").numpy(), golden.input(f"{name}_f").numpy()
        bounds = np.stack([vertices.min(axis=0), vertices.max(axis=0)])
        vertices = Normalization.to_box(bounds, LONGEST_SIDE).apply(vertices)
        mesh = trimesh.Trimesh(vertices, faces, process=False)
        yield Comparison(f"{name}_normalized_v", vertices, golden.output(f"{name}_normalized_v"), DOUBLE)
        yield Comparison(f"{name}_face_normals", mesh.face_normals, golden.output(f"{name}_face_normals"), DOUBLE)
        normals = golden.output(f"{name}_vertex_normals")
        yield Comparison(f"{name}_vertex_normals", mesh.vertex_normals, normals, DOUBLE)
        sharpness = original_sharpness(mesh)
        yield Comparison(f"{name}_vertex_sharpness", sharpness, golden.output(f"{name}_vertex_sharpness"), DOUBLE)
        lower = bool((vertex_sharpness(mesh) <= sharpness + DOUBLE).all())
        yield Comparison(f"{name}: ours is the minimum", lower, True)
        expected = golden.tensors.get(f"out.{name}_sharp_points")
        if expected is not None and len(expected):
            places, weights = golden.output(f"{name}_rand_edge").numpy(), golden.output(f"{name}_rand_w").numpy()
            points = SharpEdges.of(mesh, sharpness).points(places, weights[:, 0])
            yield Comparison(f"{name}_sharp_points", points[:, :3], expected, DOUBLE)
            yield Comparison(f"{name}_sharp_normals", points[:, 3:], golden.output(f"{name}_sharp_normals"), DOUBLE)


def original_sharpness(mesh: trimesh.Trimesh) -> np.ndarray:
    """The original goes through the corners in three passes, in each of which the last face at a vertex wins."""
    sharpness = np.ones(len(mesh.vertices))
    for corner in mesh.faces.T:
        cosine = np.einsum("fx,fx->f", mesh.vertex_normals[corner], mesh.face_normals)
        sharpness[corner] = np.minimum(sharpness[corner], cosine)
    return sharpness


CASES.update(
    {
        ("hunyuan3d_shape", case.__name__): case
        for case in (
            dit_timestep_embedder, dit_self_attention, dit_cross_attention, dit_moe, dit_full, dit20_double_block,
            dit20_single_block, vae_fourier_embedder, vae_self_block, vae_cross_block, scheduler_tables,
            preprocess_single, preprocess_multiview, surface_loader,
        )
    }
)
for _name in ("plain", "skip", "skip_moe"):
    CASES["hunyuan3d_shape", f"dit_block_{_name}"] = dit_block
for _name in ("guidance_embed", "no_guidance"):
    CASES["hunyuan3d_shape", f"dit20_full_{_name}"] = dit20_full
for _name in ("large_like", "giant_like_interpolated", "multiview"):
    CASES["hunyuan3d_shape", f"conditioner_{_name}"] = conditioner
for _name in ("21", "20_sharp", "turbo_light_decoder"):
    CASES["hunyuan3d_shape", f"vae_{_name}"] = vae
