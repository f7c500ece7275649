# SPDX-License-Identifier: GPL-3.0-or-later
"""Times texturing at its full published size: `python -m benchmarks.flexisyncmvd --sd15 --sdxl`.

Weights are random and made on the GPU, so nothing is downloaded; the networks are the published ones in size, with a
depth ControlNet and an IP-Adapter "plus", and their images mean nothing. The mesh is a bumpy ball of 100,352 faces.
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
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from backend.contract import Resources
from backend.geometry.projection import UVMesh, orbit_cameras
from backend.pipelines.common.memory import resting_device
from backend.pipelines.flexisyncmvd.attention import ViewSharing, shared_attention
from backend.pipelines.flexisyncmvd.group_norm import add_to, group_norm
from backend.pipelines.flexisyncmvd.noise_prediction import Conditions, Guidance
from backend.pipelines.flexisyncmvd.pipeline import FlexiSyncMVDPipeline, fastest_attention
from backend.pipelines.flexisyncmvd.placement import place
from backend.pipelines.flexisyncmvd.random_draws import Draws
from backend.pipelines.flexisyncmvd.rig import CameraRig
from backend.pipelines.flexisyncmvd.settings import Scene, Sizes, TextureSettings
from benchmarks.flexisyncmvd_networks import build_pipeline
from benchmarks.partpacker import StageTimes

SIZES = {"sd15": Sizes(96, 768, 768, 1024), "sdxl": Sizes(128, 1024, 1024, 1280)}
"""The original's examples; its own texture is as large as its latent one, ours is as asked for."""
WARM_UP = 6
CELLS = 224


def bumpy_ball(device: torch.device, cells: int = CELLS) -> UVMesh:
    """2 * cells² faces over the whole texture square: an octahedral map, which has no overlap."""
    ticks = torch.linspace(0, 1, cells + 1, dtype=torch.float64)
    uv = torch.stack(torch.meshgrid(ticks, ticks, indexing="xy"), dim=-1).reshape(-1, 2)
    x, y = (uv * 2 - 1).unbind(1)
    z = 1 - x.abs() - y.abs()
    fold = z < 0
    folded = torch.stack([(1 - y.abs()) * x.sign(), (1 - x.abs()) * y.sign()], dim=1)
    x, y = torch.where(fold, folded[:, 0], x), torch.where(fold, folded[:, 1], y)
    directions = nn.functional.normalize(torch.stack([x, y, z], dim=1), dim=1)
    bumps = 0.8 + 0.08 * (9 * directions).sin().prod(dim=1, keepdim=True)
    corner = torch.arange(cells * (cells + 1)).view(cells, cells + 1)[:, :-1].reshape(-1, 1)
    faces = torch.cat([corner + torch.tensor([[0, 1, cells + 1]]), corner + torch.tensor([[1, cells + 2, cells + 1]])])
    return UVMesh.of(directions * bumps, faces, uv, faces).to(device)


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
    pipeline: FlexiSyncMVDPipeline, mesh: UVMesh, settings: TextureSettings, times: StageTimes,
    profile: Callable[[], Any],
) -> Tensor:
    """The pipeline's stages one after the other, each measured."""
    rig, draws = CameraRig(), Draws(0, mesh.device)
    cameras = orbit_cameras([(pose.elevation, pose.azimuth) for pose in rig.poses], device=mesh.device)
    scene, sizes = Scene(mesh, rig, cameras), settings.sizes
    image = Image.new("RGB", (512, 512), (180, 90, 40))
    prompts = times.measure("prompts", lambda: pipeline.encode_prompts("a wooden chair", "blurry", rig))
    image_prompt = times.measure("image prompt", lambda: pipeline.encode_image_prompt(image, 0.5))
    projector = times.measure("latent projector", lambda: pipeline.latent_projector(scene, settings))
    controls = times.measure("conditions", lambda: pipeline.prepare_controls(scene, settings))
    grounds = times.measure("backgrounds", lambda: pipeline.encode_backgrounds(sizes.latent_view, draws))
    with profile():
        latents = times.measure(
            "denoise",
            lambda: pipeline.denoise(
                Conditions(prompts, controls, image_prompt), projector, grounds, rig, settings, draws
            ),
        )
    views = times.measure("decode", lambda: pipeline.decode(latents, settings.decoded_together))
    texture = times.measure("bake", lambda: pipeline.bake(views, scene, settings))
    texels = times.measure("sync of one step", lambda: projector.render(projector.bake(latents, 3.0).texture))
    times.seconds["sync of one step"] += 0 * float(texels.mean())
    return texture


def measure(family: str, arguments: argparse.Namespace) -> dict:
    """All results of one family."""
    device = arguments.device
    pipeline = build_pipeline(family, device, getattr(torch, arguments.dtype), arguments.tiny)
    resources, spare = Resources(str(device), memory_mode=arguments.memory_mode), arguments.memory_mode != "full"
    pipeline.to(resting_device(resources))
    place(pipeline, resources)
    together = not (spare or arguments.separate)
    sizes = Sizes(16, 64, 128, 128) if arguments.tiny else SIZES[family]
    settings = TextureSettings(
        sizes, arguments.steps, Guidance(together=together), views_per_chunk=2 if spare else None
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


def profile(pipeline: FlexiSyncMVDPipeline, mesh: UVMesh, settings: TextureSettings) -> None:
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
    sharing = ViewSharing(rig.neighbors, (rig.front,), 1.0)
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
    for sources in (sharing.neighbors[view], sharing.references):
        keys, values = (torch.cat([part[source] for source in sources]) for part in (key, value))
        scores = torch.einsum("thd,shd->hts", query[view], keys) / query.shape[-1] ** 0.5
        results.append(torch.einsum("hts,shd->thd", scores.softmax(-1), values))
    return (results[0] + sharing.reference_weight * results[1]) / (1 + sharing.reference_weight)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.flexisyncmvd", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--sd15", action="store_true", help="Stable Diffusion 1.5, views of 768 pixels")
    parser.add_argument("--sdxl", action="store_true", help="SDXL, views of 1024 pixels")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--memory-mode", choices=("full", "balanced"), default="full",
                        help="balanced: networks wait on the CPU, signs run one after the other")
    parser.add_argument("--separate", action="store_true", help="both signs of guidance one after the other")
    parser.add_argument("--check", action="store_true", help="also compare our kernels with torch's own")
    parser.add_argument("--profile", action="store_true", help="also list the slowest kernels")
    parser.add_argument("--device", type=torch.device, default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", choices=("float16", "bfloat16", "float32"), default="float16")
    parser.add_argument("--tiny", action="store_true", help="tiny networks, to try the benchmark itself")
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the results to this file")
    return parser.parse_args()


def write_table(family: str, results: dict) -> None:
    sys.stdout.write(
        f"\n{family}: {results['in all']:.2f} s, peak {max(results['peak GiB'].values(), default=0):.2f} "
        f"GiB; first run of six steps {results['first run of six steps']:.1f} s; "
        f"finite: {results['texture is finite']}\n"
    )
    for name, seconds in results["seconds"].items():
        peak = results["peak GiB"].get(name)
        sys.stdout.write(f"  {name:20} {seconds:8.3f} s{'' if peak is None else f'  peak {peak:.2f} GiB'}\n")
    for name, seconds in results["networks"].items():
        sys.stdout.write(f"    of it {name:14} {seconds:8.3f} s\n")
    sys.stdout.write(f"  {'sync of one step':20} {results['sync of one step']:8.4f} s\n")


@torch.no_grad()
def main() -> None:
    arguments = parse_arguments()
    name = torch.cuda.get_device_name(arguments.device) if arguments.device.type == "cuda" else platform.processor()
    sys.stdout.write(f"{name or 'cpu'}, torch {torch.__version__}, {arguments.steps} steps, 10 views\n")
    results: dict[str, dict] = {}
    if arguments.check:
        results["differences"] = compare_kernels(arguments.device)
        for name, difference in results["differences"].items():
            sys.stdout.write(f"largest difference, {name}: {difference:.1e}\n")
    for family in ("sd15", "sdxl"):
        if getattr(arguments, family):
            results[family] = measure(family, arguments)
            write_table(family, results[family])
            sys.stdout.flush()
            if arguments.device.type == "cuda":
                torch.cuda.empty_cache()
    if arguments.json:
        settings = {key: str(value) for key, value in vars(arguments).items()}
        arguments.json.write_text(json.dumps({"settings": settings, **results}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
