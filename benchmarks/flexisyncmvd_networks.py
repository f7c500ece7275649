# SPDX-License-Identifier: GPL-3.0-or-later
"""Times texturing at its full published size: `python -m benchmarks.flexisyncmvd_networks --sd15 --sdxl`.

Weights are random and made on the GPU, so nothing is downloaded; the networks are the published ones in size, with a
depth ControlNet and an IP-Adapter "plus", and their pictures mean nothing. The mesh is a bumpy ball of 100,352 faces.
Everything runs once with six steps before the clock starts: they have every kind of step.
"""

import argparse
import json
import platform
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers import AutoencoderKL, ControlNetModel, MultiControlNetModel, UNet2DConditionModel
from diffusers.models.attention_processor import IPAdapterAttnProcessor2_0
from diffusers.models.embeddings import IPAdapterPlusImageProjection, MultiIPAdapterImageProjection
from PIL import Image
from torch import Tensor, nn
from transformers import (
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from backend.contract import Resources
from backend.geometry.projection import UVMesh, orbit_cameras
from backend.pipelines.flexisyncmvd.attention import ViewSharing, shared_attention
from backend.pipelines.flexisyncmvd.group_norm import add_to, group_norm
from backend.pipelines.flexisyncmvd.noise_prediction import Conditions, Guidance
from backend.pipelines.flexisyncmvd.pipeline import FlexiSyncMVDPipeline, fastest_attention
from backend.pipelines.flexisyncmvd.placement import place
from backend.pipelines.flexisyncmvd.published_networks import CONFIGS
from backend.pipelines.flexisyncmvd.random_draws import Draws
from backend.pipelines.flexisyncmvd.rig import CameraRig
from backend.pipelines.flexisyncmvd.schedule import ddpm_scheduler
from backend.pipelines.flexisyncmvd.settings import Scene, Settings, Sizes
from benchmarks.partpacker import StageTimes

SIZES = {"sd15": Sizes(96, 768, 768, 1024), "sdxl": Sizes(128, 1024, 1024, 1280)}
"""The original's examples; its own texture is as large as its latent one, ours is as asked for."""
RESAMPLER = {"sd15": {"hidden_dims": 768, "heads": 12}, "sdxl": {"hidden_dims": 1280, "heads": 20}}
IMAGE_TOKENS = 16
WARM_UP = 6
IMAGE_WIDTH = 1280
CELLS = 224
TINY = {
    "block_out_channels": (32, 64, 64),
    "down_block_types": ("CrossAttnDownBlock2D",) * 2 + ("DownBlock2D",),
    "cross_attention_dim": 64,
    "attention_head_dim": 4,
    "layers_per_block": 1,
}

Answer = TypeVar("Answer")


class CountedTokens:
    """Stands for CLIP's tokenizer: as many tokens as words, whatever they are."""

    model_max_length, bos_token_id, eos_token_id, pad_token_id = 77, 49406, 49407, 49407

    def __call__(self, text: str, **_: object) -> argparse.Namespace:
        words = [320 + len(word) for word in text.split()][: self.model_max_length - 2]
        return argparse.Namespace(input_ids=[self.bos_token_id, *words, self.eos_token_id])


def bumpy_ball(device: torch.device) -> UVMesh:
    """2 * CELLS² faces over the whole texture square: an octahedral map, which has no overlap."""
    ticks = torch.linspace(0, 1, CELLS + 1, dtype=torch.float64)
    uv = torch.stack(torch.meshgrid(ticks, ticks, indexing="xy"), dim=-1).reshape(-1, 2)
    x, y = (uv * 2 - 1).unbind(1)
    z = 1 - x.abs() - y.abs()
    fold = z < 0
    folded = torch.stack([(1 - y.abs()) * x.sign(), (1 - x.abs()) * y.sign()], dim=1)
    x, y = torch.where(fold, folded[:, 0], x), torch.where(fold, folded[:, 1], y)
    directions = nn.functional.normalize(torch.stack([x, y, z], dim=1), dim=1)
    bumps = 0.8 + 0.08 * (9 * directions).sin().prod(dim=1, keepdim=True)
    corner = torch.arange(CELLS * (CELLS + 1)).view(CELLS, CELLS + 1)[:, :-1].reshape(-1, 1)
    faces = torch.cat([corner + torch.tensor([[0, 1, CELLS + 1]]), corner + torch.tensor([[1, CELLS + 2, CELLS + 1]])])
    return UVMesh.of(directions * bumps, faces, uv, faces).to(device)


def build_pipeline(family: str, device: torch.device, dtype: torch.dtype, tiny: bool) -> FlexiSyncMVDPipeline:
    """Random weights, made where they will be used."""
    torch.manual_seed(0)
    configs = {name: dict(config) for name, config in CONFIGS[family].items()}
    if tiny:
        configs = _tiny(configs)
    before, scheduler = torch.get_default_dtype(), ddpm_scheduler()
    torch.set_default_dtype(dtype)
    try:
        with device:
            pipeline = FlexiSyncMVDPipeline(
                vae=AutoencoderKL.from_config(configs["vae"]),
                text_encoder=CLIPTextModel(CLIPTextConfig(**configs["text_encoder"])),
                tokenizer=CountedTokens(),
                unet=UNet2DConditionModel.from_config(configs["unet"]),
                scheduler=scheduler,
                controlnet=MultiControlNetModel([ControlNetModel.from_config(configs["controlnet"])]),
                image_encoder=CLIPVisionModelWithProjection(CLIPVisionConfig(**configs["image_encoder"])),
                feature_extractor=CLIPImageProcessor(),
                control_kinds=["depth"],
                **_second_encoder(configs),
            )
            add_image_adapter(pipeline.unet, configs["image_encoder"]["hidden_size"], **RESAMPLER[family])
    finally:
        torch.set_default_dtype(before)
    for network in pipeline.components.values():
        if isinstance(network, nn.Module):
            network.to(device, dtype).requires_grad_(False).eval()
    return pipeline


def _second_encoder(configs: dict[str, dict]) -> dict[str, Any]:
    if "text_encoder_2" not in configs:
        return {}
    return {
        "text_encoder_2": CLIPTextModelWithProjection(CLIPTextConfig(**configs["text_encoder_2"])),
        "tokenizer_2": CountedTokens(),
    }


def _tiny(configs: dict[str, dict]) -> dict[str, dict]:
    """The same kinds of networks for a CPU, to try the benchmark itself."""
    blocks = {**TINY, "transformer_layers_per_block": 1}
    ups = ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D")
    clip = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    tiny = {
        "unet": {**configs["unet"], **blocks, "up_block_types": ups},
        "controlnet": {**configs["controlnet"], **blocks},
        "vae": {**configs["vae"], "block_out_channels": (32, 32, 32, 32), "layers_per_block": 1},
        "text_encoder": {**configs["text_encoder"], **clip, "hidden_size": 64, "projection_dim": 64},
        "image_encoder": {**configs["image_encoder"], **clip},
    }
    if "text_encoder_2" in configs:
        tiny["text_encoder_2"] = {**configs["text_encoder_2"], **clip, "projection_dim": 64}
        tiny["text_encoder"] = {**tiny["text_encoder"], "hidden_size": 32}
        for name in ("unet", "controlnet"):
            tiny[name]["projection_class_embeddings_input_dim"] = 64 + 6 * tiny[name]["addition_time_embed_dim"]
    return tiny


def add_image_adapter(unet: UNet2DConditionModel, image_width: int, hidden_dims: int, heads: int) -> None:
    """An IP-Adapter "plus" of the published size, from diffusers' own layers."""
    context = unet.config.cross_attention_dim
    processors = {
        name: IPAdapterAttnProcessor2_0(
            unet.get_submodule(name.removesuffix(".processor")).inner_dim, context, (IMAGE_TOKENS,), 0.5
        )
        if name.endswith("attn2.processor")
        else processor
        for name, processor in unet.attn_processors.items()
    }
    unet.set_attn_processor(processors)
    unet.encoder_hid_proj = MultiIPAdapterImageProjection(
        [
            IPAdapterPlusImageProjection(
                image_width, context, hidden_dims, depth=4, dim_head=64, heads=heads, num_queries=IMAGE_TOKENS
            )
        ]
    )
    unet.config.encoder_hid_dim_type = "ip_image_proj"


def watch(network: nn.Module, times: dict[str, list], name: str) -> None:
    """Record CUDA events around every call of a network."""

    def mark(*_: object) -> None:
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        times.setdefault(name, []).append(event)

    network.register_forward_pre_hook(mark)
    network.register_forward_hook(mark)


def seconds_of(events: list) -> float:
    """Sum over pairs of events."""
    return sum(start.elapsed_time(end) for start, end in zip(events[::2], events[1::2], strict=True)) / 1e3


def one_texture(
    pipeline: FlexiSyncMVDPipeline, mesh: UVMesh, settings: Settings, times: StageTimes, profile: Callable[[], Any]
) -> Tensor:
    """The pipeline's stages one after the other, each measured."""
    rig, draws = CameraRig(), Draws(0, mesh.device)
    cameras = orbit_cameras([(pose.elevation, pose.azimuth) for pose in rig.poses], device=mesh.device)
    scene, sizes = Scene(mesh, rig, cameras), settings.sizes
    picture = Image.new("RGB", (512, 512), (180, 90, 40))
    prompts = times.measure("prompts", lambda: pipeline.encode_prompts("a wooden chair", "blurry", rig))
    image = times.measure("image prompt", lambda: pipeline.encode_image_prompt(picture, 0.5))
    projector = times.measure("latent projector", lambda: pipeline.latent_projector(scene, settings))
    controls = times.measure("conditions", lambda: pipeline.prepare_controls(scene, settings))
    grounds = times.measure("backgrounds", lambda: pipeline.encode_backgrounds(sizes.latent_view, draws))
    with profile():
        latents = times.measure(
            "denoise",
            lambda: pipeline.denoise(Conditions(prompts, controls, image), projector, grounds, rig, settings, draws),
        )
    views = times.measure("decode", lambda: pipeline.decode(latents, settings.decoded_together))
    texture = times.measure("bake", lambda: pipeline.bake(views, scene, settings))
    texels = times.measure("sync of one step", lambda: projector.render(projector.bake(latents, 3.0).texture))
    times.seconds["sync of one step"] += 0 * float(texels.mean())
    return texture


def measure(family: str, arguments: argparse.Namespace) -> dict:
    """All figures of one family."""
    device = arguments.device
    pipeline = build_pipeline(family, device, getattr(torch, arguments.dtype), arguments.tiny)
    if arguments.low_memory:
        pipeline.to("cpu")
    place(pipeline, Resources(str(device), low_memory=arguments.low_memory))
    together = not (arguments.low_memory or arguments.separate)
    sizes = Sizes(16, 64, 128, 128) if arguments.tiny else SIZES[family]
    settings = Settings(
        sizes, arguments.steps, Guidance(together=together), views_per_chunk=2 if arguments.low_memory else None
    )
    mesh = bumpy_ball(device)
    warm = StageTimes(device)
    one_texture(pipeline, mesh, replace(settings, steps=WARM_UP), warm, nullcontext)
    networks: dict[str, list] = {}
    if device.type == "cuda":
        watch(pipeline.unet, networks, "UNet")
        watch(pipeline.controlnet.nets[0], networks, "ControlNet")
    times = StageTimes(device)
    texture = one_texture(pipeline, mesh, settings, times, nullcontext)
    if arguments.profile and device.type == "cuda":
        profile(pipeline, mesh, replace(settings, steps=3))
    once = times.seconds.pop("sync of one step")
    return {
        "seconds": times.seconds,
        "in all": sum(times.seconds.values()),
        "sync of one step": once,
        "networks": {name: seconds_of(events) for name, events in networks.items()},
        "first run of six steps": sum(warm.seconds.values()),
        "peak GiB": times.peaks,
        "texture is finite": bool(torch.isfinite(texture).all()),
    }


def profile(pipeline: FlexiSyncMVDPipeline, mesh: UVMesh, settings: Settings) -> None:
    """The kernels that take the most time in three steps."""
    from torch.profiler import ProfilerActivity, profile

    kept: list = []

    def recorder() -> Any:
        kept.append(profile(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]))
        return kept[0]

    one_texture(pipeline, mesh, settings, StageTimes(mesh.device), recorder)
    table = kept[0].key_averages().table(sort_by="self_cuda_time_total", row_limit=25, max_name_column_width=90)
    sys.stdout.write(table + "\n")


def compare_kernels(device: torch.device) -> dict[str, float]:
    """Largest differences of our kernels in half precision from torch's own in single precision."""
    torch.manual_seed(0)
    x = (torch.randn(4, 640, 64, 64, device=device) * 2 + 1).half().to(memory_format=torch.channels_last)
    norm = nn.GroupNorm(32, 640).to(device)
    shift = torch.randn(4, 640, device=device).half()
    expected = nn.functional.silu(norm(x.float() + shift[..., None, None].float()))
    rig = CameraRig()
    query, key, value = torch.randn(3, 2, 10, 1024, 8, 40, device=device).unbind()
    sharing = ViewSharing(rig.neighbours, (rig.front,), 1.0)
    exact = torch.stack([
        torch.stack([_attention_of_view(query[s], key[s], value[s], sharing, view) for view in range(10)])
        for s in range(2)
    ])
    shared = fastest_attention(shared_attention)(query.half(), key.half(), value.half(), sharing)
    normed = group_norm(x, norm.half(), shift, activate=True)
    summed = add_to(x.clone(), shift[0], x)
    sums = 2 * x.float() + shift[0][:, None, None].float()
    pairs = {"group norm": (normed, expected), "sum": (summed, sums), "shared attention": (shared, exact)}
    return {name: float((ours - exact).abs().max()) for name, (ours, exact) in pairs.items()}


def _attention_of_view(query: Tensor, key: Tensor, value: Tensor, sharing: ViewSharing, view: int) -> Tensor:
    """[tokens, heads, width] of one view in single precision, written out."""
    results = []
    for sources in (sharing.neighbours[view], sharing.references):
        keys, values = (torch.cat([part[source] for source in sources]) for part in (key, value))
        scores = torch.einsum("thd,shd->hts", query[view], keys) / query.shape[-1] ** 0.5
        results.append(torch.einsum("hts,shd->thd", scores.softmax(-1), values))
    return (results[0] + sharing.reference_weight * results[1]) / (1 + sharing.reference_weight)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.flexisyncmvd_networks", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--sd15", action="store_true", help="Stable Diffusion 1.5, views of 768 pixels")
    parser.add_argument("--sdxl", action="store_true", help="SDXL, views of 1024 pixels")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--low-memory", action="store_true", help="networks wait on the CPU, signs one after the other")
    parser.add_argument("--separate", action="store_true", help="both signs of guidance one after the other")
    parser.add_argument("--check", action="store_true", help="also compare our kernels with torch's own")
    parser.add_argument("--profile", action="store_true", help="also list the slowest kernels")
    parser.add_argument("--device", type=torch.device, default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", choices=("float16", "bfloat16", "float32"), default="float16")
    parser.add_argument("--tiny", action="store_true", help="tiny networks, to try the benchmark itself")
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the figures to this file")
    return parser.parse_args()


def write_table(family: str, figures: dict) -> None:
    sys.stdout.write(
        f"\n{family}: {figures['in all']:.2f} s, peak {max(figures['peak GiB'].values(), default=0):.2f} "
        f"GiB; first run of six steps {figures['first run of six steps']:.1f} s; "
        f"finite: {figures['texture is finite']}\n"
    )
    for name, seconds in figures["seconds"].items():
        peak = figures["peak GiB"].get(name)
        sys.stdout.write(f"  {name:20} {seconds:8.3f} s{'' if peak is None else f'  peak {peak:.2f} GiB'}\n")
    for name, seconds in figures["networks"].items():
        sys.stdout.write(f"    of it {name:14} {seconds:8.3f} s\n")
    sys.stdout.write(f"  {'sync of one step':20} {figures['sync of one step']:8.4f} s\n")


@torch.no_grad()
def main() -> None:
    arguments = parse_arguments()
    name = torch.cuda.get_device_name(arguments.device) if arguments.device.type == "cuda" else platform.processor()
    sys.stdout.write(f"{name or 'cpu'}, torch {torch.__version__}, {arguments.steps} steps, 10 views\n")
    figures: dict[str, dict] = {}
    if arguments.check:
        figures["differences"] = compare_kernels(arguments.device)
        for name, difference in figures["differences"].items():
            sys.stdout.write(f"largest difference, {name}: {difference:.1e}\n")
    for family in ("sd15", "sdxl"):
        if getattr(arguments, family):
            figures[family] = measure(family, arguments)
            write_table(family, figures[family])
            sys.stdout.flush()
            if arguments.device.type == "cuda":
                torch.cuda.empty_cache()
    if arguments.json:
        settings = {key: str(value) for key, value in vars(arguments).items()}
        arguments.json.write_text(json.dumps({"settings": settings, **figures}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
