# SPDX-License-Identifier: GPL-3.0-or-later
"""Hunyuan3D-2.1 paint's networks and sampler against golden numbers."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from diffusers.models.attention import BasicTransformerBlock
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from transformers import Dinov2Config, Dinov2Model

from backend.contract.reports import CountReport, ignore
from backend.pipelines.common.image_condition import normalize_image
from backend.pipelines.common.rrdbnet import RRDBNet, enlarge
from backend.pipelines.hunyuan3d_paint.attention import (
    MATERIALS,
    material_attention,
    reference_attention,
    reference_keys,
)
from backend.pipelines.hunyuan3d_paint.autoencoding import decode, encode, to_pixels
from backend.pipelines.hunyuan3d_paint.block import PaintBlock
from backend.pipelines.hunyuan3d_paint.conditions import Conditions
from backend.pipelines.hunyuan3d_paint.reference_image import encoder_image, reference_view
from backend.pipelines.hunyuan3d_paint.rotary import position_values, rotary_table, voxel_indices
from backend.pipelines.hunyuan3d_paint.sampling import Predictor, paint_scheduler, sample
from backend.pipelines.hunyuan3d_paint.unet import PaintUNet, ReferenceUNet, published_name

from .comparison import Comparison
from .golden import Golden
from .kinds import companion, kind
from .published.paint_positions import background_cleared, published_voxel_indices

NAME = "hunyuan3d_paint"
BLOCK_TOLERANCE, UNET_TOLERANCE, SAMPLER_TOLERANCE = 1e-5, 1e-4, 1e-3
PIXEL_TOLERANCE = 1
OURS = ("in_channels", "out_channels")
"""What our networks do not let anyone choose."""


@kind(NAME, "rope_voxels")
def compare_rope_voxels(golden: Golden) -> Iterator[Comparison]:
    maps = golden.input("position_u8")
    positions, views = position_values(maps), len(maps)
    levels = dict(zip(golden.config["grids"], golden.config["voxel_resolutions"], strict=True))
    published = published_voxel_indices(positions, levels)
    for side, resolution in levels.items():
        tokens = views * side * side
        ours = voxel_indices(positions, side, resolution)
        yield Comparison(f"clean.idx_{tokens}", ours[None], golden.output(f"clean.idx_{tokens}"), 0)
        expected = golden.output(f"inplace.idx_{tokens}")
        yield Comparison(f"inplace.idx_{tokens}", published[side].expand_as(expected), expected, 0)
    for width in golden.config["head_dims"]:
        expected = golden.output(f"cos_{width}")
        table = rotary_table(golden.output(f"inplace.idx_{expected.shape[1]}"), width)
        yield Comparison(f"cos_{width}", table.cosine.repeat_interleave(2, -1), expected, BLOCK_TOLERANCE)
        yield Comparison(f"sin_{width}", table.sine.repeat_interleave(2, -1), golden.output(f"sin_{width}"),
                         BLOCK_TOLERANCE)
    cleared = background_cleared(positions).permute(0, 3, 1, 2)[None]
    yield Comparison("inplace.position_after", cleared, golden.output("inplace.position_after"), 0)
    x = golden.input("x")
    width = x.shape[-1]
    table = rotary_table(golden.output(f"inplace.idx_{x.shape[2]}"), width)
    yield Comparison("rotated", table.rotate(x), golden.output("rotated"), BLOCK_TOLERANCE)


@kind(NAME, "block_2p5d")
def compare_block(golden: Golden) -> Iterator[Comparison]:
    config = golden.config
    branches, views, width = config["B"], config["n_view"], config["dim"]
    plain = BasicTransformerBlock(width, config["heads"], config["head_dim"], cross_attention_dim=config["cross_dim"])
    block = PaintBlock(plain, "block", config["cross_dim"])
    block.load_state_dict({name: tensor.float() for name, tensor in golden.weights().items()})
    block.eval()
    scales = tuple(float(scale) for scale in config["ref_scale"])
    looking = [branch for branch, scale in enumerate(scales) if scale]
    text = golden.input("text").unflatten(0, (branches, len(MATERIALS), views))
    hidden, tokens = golden.input("hidden"), config["tokens"]
    conditions = Conditions(views, scales, golden.input("dino"), {"block": golden.input("ref")[looking]},
                            {tokens: golden.input("voxel_indices")})
    given = {"conditions": conditions, "prompt": text, "image": golden.input("dino")}
    yield Comparison("hidden_out", block(hidden, cross_attention_kwargs=given), golden.output("hidden_out"),
                     BLOCK_TOLERANCE)
    # Each attention by itself, from the recorded inputs.
    norm1 = golden.output("norm1").unflatten(0, (branches, len(MATERIALS), views))
    yield Comparison("norm1", block.transformer.norm1(hidden), golden.output("norm1"), BLOCK_TOLERANCE)
    mda = material_attention(block.transformer.attn1, norm1)
    yield Comparison("attn1_mda", mda, golden.output("attn1_mda"), BLOCK_TOLERANCE)
    taken = block.from_reference(norm1, conditions).flatten(2, 3)
    yield Comparison("attn_refview", taken, golden.output("attn_refview")[looking], BLOCK_TOLERANCE)
    yield from _silent_branches(golden, block, norm1, scales)
    mva = block.between_views(norm1, conditions).flatten(2, 3).flatten(0, 1)
    yield Comparison("attn_multiview", mva, golden.output("attn_multiview"), BLOCK_TOLERANCE)
    norm2 = golden.output("norm2").unflatten(0, (branches, len(MATERIALS), views))
    for name, attended in (
        ("attn2", block.from_prompt(norm2, text, conditions)),
        ("attn_dino", block.from_image(norm2, golden.input("dino"), conditions)),
    ):
        yield Comparison(name, attended.flatten(0, 2), golden.output(name), BLOCK_TOLERANCE)
    before = golden.output("hidden_out") - golden.output("ff")
    yield Comparison("ff", block.transformer.ff(block.transformer.norm3(before)), golden.output("ff"), BLOCK_TOLERANCE)


def _silent_branches(
    golden: Golden, block: PaintBlock, norm1: Tensor, scales: tuple[float, ...]
) -> Iterator[Comparison]:
    """Branches of scale 0 too have a recorded value, which ours leaves out."""
    silent = [branch for branch, scale in enumerate(scales) if not scale]
    if silent:
        keys = reference_keys(block.attn_refview, golden.input("ref")[silent])
        taken = reference_attention(block.attn_refview, norm1[silent, 0].flatten(1, 2), *keys)
        yield Comparison("attn_refview.silent", taken, golden.output("attn_refview")[silent], BLOCK_TOLERANCE)


def loaded(network: torch.nn.Module, published: dict[str, Tensor]) -> Any:
    """A network with the weights that the published names of its parameters have."""
    network.load_state_dict({name: published[published_name(name)].float() for name in network.state_dict()})
    return network.eval()


def unets_of(golden: Golden) -> tuple[PaintUNet, ReferenceUNet]:
    """Both networks, of the weights in other files of the same folder."""
    weights: dict[str, Tensor] = {}
    for case in golden.config["weights"]:
        weights |= golden.named(case).weights() if case.startswith("unet") else {}
    config = {name: value for name, value in golden.config["unet"].items() if name not in OURS}
    tokens, width = weights["unet.learned_text_clip_ref"].shape[0], weights["unet.image_proj_model_dino.proj.weight"]
    paint = PaintUNet(**config, prompt_tokens=tokens, image_width=width.shape[1])
    reference = ReferenceUNet(**config, prompt_tokens=tokens)
    assert {published_name(name) for net in (paint, reference) for name in net.state_dict()} == set(weights)
    return loaded(paint, weights), loaded(reference, weights)


def levels_below(side: int, count: int) -> dict[int, int]:
    """Voxels a side by latent pixels a side, for all levels of a UNet."""
    return {side >> level: 8 * side >> level for level in range(count)}


def published_voxels(maps: Tensor, side: int, levels: int) -> dict[int, Tensor]:
    """Voxels of all levels below a latent of `side`, by tokens of one view."""
    indices = published_voxel_indices(position_values(maps), levels_below(side, levels))
    return {side * side: of_level[None] for side, of_level in indices.items()}


def features_of(reference: ReferenceUNet, latents: Tensor) -> dict[str, Tensor]:
    """Tokens of all reference images in a row."""
    return {name: tokens.flatten(0, 1)[None] for name, tokens in reference(latents).items()}


class Run:
    """The networks and inputs of a recorded run; both recorded ways of guidance."""

    def __init__(self, golden: Golden) -> None:
        self.golden = golden
        self.paint, self.reference = unets_of(golden)
        maps = golden.input("position_u8")
        self.views = len(maps)
        self.latents = golden.input("sample").flatten(0, 2)
        self.features = features_of(self.reference, golden.input("ref_latents").flatten(0, 1))
        self.levels = len(self.paint.config.block_out_channels)
        self.voxels = published_voxels(maps, self.latents.shape[-1], self.levels)
        self.controls = torch.cat([golden.input("embeds_normal")[0], golden.input("embeds_position")[0]], dim=1)

    def predictor(self, branches: str, guidance: float = 1.0) -> Predictor:
        """Branches by their letters: unconditional, reference only, full."""
        image = self.golden.input("dino_hidden_states")
        images = torch.cat([image if letter == "f" else torch.zeros_like(image) for letter in branches])
        scales = tuple(float(letter != "u") for letter in branches)
        conditions = Conditions(self.views, scales, images, self.features, self.voxels)
        return Predictor(self.paint, self.controls, [conditions], guidance)


def three_branches(rows: Tensor, guidance: float) -> Tensor:
    """The original's guidance from branches u, r, f; what r adds and takes away cancels."""
    plain, reference, full = rows
    return plain + guidance * (reference - plain) + guidance * (full - reference)


@kind(NAME, "unet_forward")
def compare_unet(golden: Golden) -> Iterator[Comparison]:
    run = Run(golden)
    predictor = run.predictor("urf")
    rows = predictor.branches(run.latents, golden.config["timestep"])
    yield Comparison("pred", rows.flatten(0, 1), golden.output("pred"), UNET_TOLERANCE)
    for name in golden.outputs:
        if name.startswith("guided_g"):
            guidance, expected = float(name.removeprefix("guided_g")), golden.output(name)
            yield Comparison(name, three_branches(rows, guidance), expected, UNET_TOLERANCE)
            guided = run.predictor("uf", guidance)(run.latents, golden.config["timestep"])
            yield Comparison(f"{name} by two branches", guided, expected, UNET_TOLERANCE)
    (projected,) = predictor.passes[0].once("", "image", tuple)
    yield Comparison("dino_proj", projected, golden.output("dino_proj"), BLOCK_TOLERANCE)
    features = golden.with_prefix("out.ref_features.")
    yield Comparison("blocks", sorted(run.features), sorted(features))
    for name, feature in features.items():
        yield Comparison(f"ref_features.{name}", run.features[name], feature, UNET_TOLERANCE)
    for tokens, indices in run.voxels.items():
        name = f"voxel_indices_{run.views * tokens}"
        yield Comparison(name, indices, golden.output(name), 0)


class Recorded:
    """Runs the sampler and keeps the latents after each step."""

    def __init__(self) -> None:
        self.latents: list[Tensor] = []

    def run(
        self, predict: Callable[[Tensor, Tensor], Tensor], scheduler: Any, noise: Tensor, steps: int,
        report: CountReport = ignore,
    ) -> Tensor:
        def recording(current: Tensor, timestep: Tensor) -> Tensor:
            self.latents.append(current)
            return predict(current, timestep)

        clean = sample(recording, scheduler, noise, steps, report)
        self.latents = [*self.latents[1:], clean]
        return clean


@kind(NAME, "scheduler")
def compare_scheduler(golden: Golden) -> Iterator[Comparison]:
    config = golden.config
    scheduler = paint_scheduler(config["config"])
    outputs, steps, clean = iter(golden.input("model_outputs")), Recorded(), []
    yield Comparison("alphas_cumprod", scheduler.alphas_cumprod, golden.output("alphas_cumprod"), BLOCK_TOLERANCE)
    yield Comparison("init_noise_sigma", torch.tensor(scheduler.init_noise_sigma), golden.output("init_noise_sigma"))
    steps.run(lambda _current, _timestep: next(outputs), scheduler, golden.input("sample"), config["steps"],
              lambda _done, _of: clean.append(scheduler.model_outputs[-1]))
    yield from _grid(golden, scheduler)
    yield Comparison("latents", torch.stack(steps.latents), golden.output("latents"), SAMPLER_TOLERANCE)
    yield Comparison("x0", torch.stack(clean), golden.output("x0"), SAMPLER_TOLERANCE)


def _grid(golden: Golden, scheduler: Any) -> Iterator[Comparison]:
    yield Comparison("timesteps", scheduler.timesteps, golden.output("timesteps"), 0)
    yield Comparison("sigmas", scheduler.sigmas, golden.output("sigmas"), SAMPLER_TOLERANCE)


@kind(NAME, "sampler_loop")
def compare_sampler(golden: Golden) -> Iterator[Comparison]:
    run, config = Run(golden), golden.config
    guidance = float(config["guidance"])
    three, two = run.predictor("urf"), run.predictor("uf", guidance)
    scheduler = paint_scheduler(config["scheduler"])
    recorded = {name.removeprefix("pred_"): rows for name, rows in golden.with_prefix("out.").items()
                if name.startswith("pred_")}
    scheduler.set_timesteps(config["steps"])
    for step, predicted in recorded.items():
        before = golden.output("latents")[int(step) - 1] if int(step) else run.latents
        timestep = scheduler.timesteps[int(step)]
        rows = three.branches(before, timestep)
        yield Comparison(f"pred_{step}", rows.flatten(0, 1), predicted, SAMPLER_TOLERANCE)
        yield Comparison(f"guided_{step}", three_branches(rows, guidance), golden.output(f"guided_{step}"),
                         SAMPLER_TOLERANCE)
        yield Comparison(f"two_branch_guided_{step}", two(before, timestep),
                         golden.output(f"two_branch_guided_{step}"), SAMPLER_TOLERANCE)
    steps = Recorded()
    steps.run(two, scheduler, run.latents, config["steps"])
    yield from _grid(golden, scheduler)
    yield Comparison("latents", torch.stack(steps.latents), golden.output("latents"), SAMPLER_TOLERANCE)


def vae_of(golden: Golden, config: dict[str, Any]) -> AutoencoderKL:
    vae = AutoencoderKL.from_config(config)
    vae.load_state_dict({name: tensor.float() for name, tensor in golden.weights().items()})
    return vae.eval()


@kind(NAME, "vae")
def compare_vae(golden: Golden) -> Iterator[Comparison]:
    vae = vae_of(golden, golden.config["vae"])
    images = golden.input("images").flatten(0, 1)
    posterior = vae.encode((images - 0.5) * 2.0).latent_dist
    yield Comparison("mean", posterior.mean, golden.output("mean"), BLOCK_TOLERANCE)
    yield Comparison("std", posterior.std, golden.output("std"), BLOCK_TOLERANCE)
    latents = encode(vae, images, golden.input("noise"))
    yield Comparison("latents", latents, golden.output("latents"), BLOCK_TOLERANCE)
    decoded = decode(vae, golden.input("latents"))
    yield Comparison("decoded", decoded, golden.output("decoded"), UNET_TOLERANCE)
    yield Comparison("image_u8", to_pixels(decoded), golden.output("image_u8"), PIXEL_TOLERANCE)


def rrdbnet_of(golden: Golden) -> RRDBNet:
    config = golden.config
    network = RRDBNet(config["num_in_ch"], config["num_feat"], config["num_block"], config["num_grow_ch"])
    network.load_state_dict({name: tensor.float() for name, tensor in golden.weights().items()})
    return network.eval()


@kind(NAME, "rrdbnet")
def compare_rrdbnet(golden: Golden) -> Iterator[Comparison]:
    network = rrdbnet_of(golden)
    yield Comparison("y", network(golden.input("x")), golden.output("y"), BLOCK_TOLERANCE)
    enlarged = enlarge(network, golden.input("rgb_u8")[None])[0]
    yield Comparison("enhanced_u8", enlarged, golden.output("enhanced_u8"), PIXEL_TOLERANCE)


@kind(NAME, "image_preprocess")
def compare_image_preprocess(golden: Golden) -> Iterator[Comparison]:
    rgba, dino = Image.fromarray(golden.input("rgba").numpy()), golden.config["dino"]
    view = reference_view(rgba, golden.config["view_size"])
    yield Comparison("view", pixels_of(view), golden.output("view"), 0)
    pixels = normalize_image(encoder_image(view, dino["size"]["shortest_edge"], dino["crop_size"]["height"]))
    for name in golden.outputs:
        every = int(name.partition("every")[2] or 1)
        if name.startswith("style512"):
            style = pixels_of(reference_view(rgba, 512))[::every, ::every]
            yield Comparison(name, style, golden.output(name), 0)
        elif name.startswith("dino_pixels"):
            yield Comparison(name, pixels[..., ::every, ::every], golden.output(name), BLOCK_TOLERANCE)


def pixels_of(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(image).copy())


@kind(NAME, "dinov2_tiny")
def compare_dinov2(golden: Golden) -> Iterator[Comparison]:
    config = {name: value for name, value in golden.config.items() if name != "note"}
    with TemporaryDirectory() as folder:
        Dinov2Config(**config).save_pretrained(folder)
        weights = {name: tensor.float() for name, tensor in golden.weights().items()}
        save_file(weights, Path(folder) / "model.safetensors", metadata={"format": "pt"})
        encoder = Dinov2Model.from_pretrained(folder).eval()
    tokens = encoder(golden.input("pixel_values")).last_hidden_state
    yield Comparison("last_hidden_state", tokens, golden.output("last_hidden_state"), BLOCK_TOLERANCE)


companion(NAME, "unet_weights_")
