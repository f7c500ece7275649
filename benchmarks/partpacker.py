# SPDX-License-Identifier: GPL-3.0-or-later
"""Times PartPacker stage by stage at its full published size: `python -m benchmarks.partpacker`.

Weights are random, so the timed networks are the published ones and their results mean nothing. Random weights have
no surface: every field query runs the whole network, and then its value is replaced by that of two balls and a box,
a signed distance truncated at 0.02, plus 0.001 times the tanh of the network's value. So the number of queries and of
triangles is that of a real object. Everything runs once before the clock starts (compilation, allocation).
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from transformers import Dinov2Config, Dinov2Model

from backend.contract import MEMORY_MODES, Resources
from backend.pipelines.common.compilation import compile_blocks
from backend.pipelines.common.memory import begin_offload, resting_device
from backend.pipelines.common.sampler import flow_scheduler
from backend.pipelines.partpacker.autoencoder import FieldContext, PartPackerAutoencoder
from backend.pipelines.partpacker.denoiser import PartPackerDenoiser
from backend.pipelines.partpacker.pipeline import VOLUMES, PartPackerPipeline

PUBLISHED = {
    "denoiser": {},
    "autoencoder": {},
    "image_encoder": {"hidden_size": 1536, "num_hidden_layers": 40, "num_attention_heads": 24, "image_size": 518},
    "pipeline": {"tokens_per_volume": 4096, "image_size": 518},
}
TINY = {
    "denoiser": {"width": 64, "layers": 2, "heads": 4, "condition_width": 48},
    "autoencoder": {"width": 64, "heads": 4, "decoder_layers": 2},
    "image_encoder": {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 56},
    "pipeline": {"tokens_per_volume": 32, "image_size": 56},
}
TRUNCATION = 0.02
GUIDANCE_SCALE = 7.0

Answer = TypeVar("Answer")


class BenchmarkAutoencoder(PartPackerAutoencoder):
    """The autoencoder with a surface in its field, and a count of the points asked for."""

    queried_points = 0

    def query(self, points: Tensor, hidden: Tensor | FieldContext) -> Tensor:
        self.queried_points += points.shape[1]
        return analytic_field(points) + 1e-3 * torch.tanh(super().query(points, hidden))


def analytic_field(points: Tensor) -> Tensor:
    """Two balls and a box at `points [..., 3]`, positive inside, truncated and scaled to [-1, 1]."""
    centers = points.new_tensor([[-0.35, 0.1, 0.0], [0.5, -0.2, 0.25]])
    first, second = ((points - center).norm(dim=-1) for center in centers)
    box = (points - points.new_tensor([0.1, 0.3, -0.55])).abs() - points.new_tensor([0.6, 0.4, 0.2])
    box_distance = box.clamp(min=0).norm(dim=-1) + box.amax(dim=-1).clamp(max=0)
    inside = torch.maximum(torch.maximum(0.45 - first, 0.3 - second), -box_distance)
    return (inside / TRUNCATION).clamp(-1, 1)


class StageTimes:
    """Seconds and peak GPU memory of each stage, measured with the GPU's queue empty at both ends."""

    def __init__(self, device: torch.device):
        self.device = device
        self.seconds: dict[str, float] = {}
        self.peaks: dict[str, float] = {}
        """GiB allocated at the most, weights included; empty without a GPU."""

    def measure(self, stage: str, work: Callable[[], Answer]) -> Answer:
        self._synchronize()
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        start = time.perf_counter()
        answer = work()
        self._synchronize()
        self.seconds[stage] = time.perf_counter() - start
        if self.device.type == "cuda":
            self.peaks[stage] = torch.cuda.max_memory_allocated(self.device) / 2**30
        return answer

    def _synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def build_pipeline(sizes: dict[str, dict], device: torch.device, dtype: torch.dtype) -> PartPackerPipeline:
    """Random weights, made where they will be used."""
    torch.manual_seed(0)
    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            denoiser = PartPackerDenoiser(**sizes["denoiser"])
            autoencoder = BenchmarkAutoencoder(**sizes["autoencoder"])
            image_encoder = Dinov2Model(Dinov2Config(patch_size=14, use_swiglu_ffn=True, **sizes["image_encoder"]))
            for linear in [denoiser.proj_out, *(layer.adaln_linear for layer in denoiser.layers)]:
                torch.nn.init.normal_(linear.weight, std=0.02)
    finally:
        torch.set_default_dtype(default)
    for model in (denoiser, autoencoder, image_encoder):
        model.requires_grad_(False).eval()
    return PartPackerPipeline(image_encoder, denoiser, autoencoder, flow_scheduler(), **sizes["pipeline"])


def example_image() -> np.ndarray:
    """RGBA uint8 [512, 512, 4]: a shaded disc on transparent ground."""
    y, x = np.mgrid[:512, :512]
    disc = (y - 256) ** 2 + (x - 256) ** 2 < 200**2
    return np.stack([x // 2, y // 2, 255 - x // 2, 255 * disc], axis=-1).astype(np.uint8)


def run(pipeline: PartPackerPipeline, times: StageTimes, steps: int, resolution: int) -> dict[str, int]:
    """One generation through the pipeline's stages; numbers of queries and triangles."""
    autoencoder = pipeline.autoencoder
    autoencoder.queried_points = 0
    image = times.measure("image", lambda: pipeline.prepare_image(example_image()))
    condition = times.measure("condition", lambda: pipeline.encode_condition(image))
    noise = pipeline.prepare_latents(seed=0)
    latent = times.measure("flow", lambda: pipeline.denoise(noise, condition, steps, GUIDANCE_SCALE))
    device, triangles = pipeline.device_of(autoencoder), 0
    for volume, half in enumerate(latent.chunk(VOLUMES, dim=1), start=1):
        hidden = times.measure(f"decode, volume {volume}", lambda half=half: autoencoder.decode(half.to(device)))
        grids = times.measure(
            f"field, volume {volume}", lambda hidden=hidden: pipeline.evaluate_fields([hidden], resolution)
        )
        meshes = times.measure(f"marching cubes, volume {volume}", lambda grids=grids: pipeline.extract_surfaces(grids))
        triangles += len(meshes[0].faces)
        del grids, hidden
    return {"queries": autoencoder.queried_points, "triangles": triangles}


def precision_errors(pipeline: PartPackerPipeline) -> dict[str, float]:
    """Relative rms difference of one guided step and of field values, the run's precision against float32."""
    tokens = pipeline.config.tokens_per_volume
    condition = pipeline.encode_condition(pipeline.prepare_image(example_image()))
    latent = pipeline.prepare_latents(seed=0)
    points = torch.rand(1, 4096, 3, device=latent.device) * 2 - 1

    def values() -> tuple[Tensor, Tensor]:
        cache = pipeline.denoiser.condition_cache(condition)
        conditional, unconditional = pipeline.denoiser.guided_velocities(latent, latent.new_tensor([500.0]), cache)
        velocity = unconditional.float() + GUIDANCE_SCALE * (conditional.float() - unconditional.float())
        hidden = pipeline.autoencoder.decode(latent[:, :tokens])
        return velocity, PartPackerAutoencoder.query(pipeline.autoencoder, points, hidden)

    low = values()
    pipeline.denoiser.float()
    pipeline.autoencoder.float()
    high = values()
    errors = [((a - b).square().mean() / b.square().mean()).sqrt().item() for a, b in zip(low, high, strict=True)]
    return {"guided step": errors[0], "field": errors[1]}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.partpacker", description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--resolution", type=int, default=384)
    parser.add_argument("--device", type=torch.device, default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16")
    parser.add_argument("--compile", action="store_true", help="compile the repeated blocks with torch.compile")
    parser.add_argument("--memory-mode", choices=MEMORY_MODES, default="full")
    parser.add_argument("--check", action="store_true", help="also compare the precision with float32")
    parser.add_argument("--tiny", action="store_true", help="tiny networks, to try the benchmark itself")
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the results to this file")
    arguments = parser.parse_args()
    if arguments.memory_mode != "full" and (arguments.compile or arguments.check):
        parser.error("--compile and --check need --memory-mode full")
    return arguments


def report(arguments: argparse.Namespace, times: "StageTimes", counts: dict[str, int]) -> dict:
    """Results of the run, as they are written as JSON."""
    cuda, seconds = arguments.device.type == "cuda", times.seconds
    return {
        "device": torch.cuda.get_device_name(arguments.device) if cuda else platform.processor() or "cpu",
        "torch": torch.__version__,
        "settings": {name: str(value) for name, value in vars(arguments).items()},
        "seconds": seconds | {"one step": seconds["flow"] / arguments.steps, "total": sum(seconds.values())},
        "counts": counts,
        "peak GiB": times.peaks,
    }


def write_table(results: dict) -> None:
    sys.stdout.write(f"{results['device']}, torch {results['torch']}\n")
    for stage, seconds in results["seconds"].items():
        peak = f"{results['peak GiB'][stage]:8.2f} GiB" if stage in results["peak GiB"] else ""
        sys.stdout.write(f"{stage:28} {seconds:10.4f} s{peak}\n")
    for name, count in results["counts"].items():
        sys.stdout.write(f"{name:28} {count:10,}\n")
    sys.stdout.write(f"{'first run, 2 steps':28} {results['warm-up seconds']:10.4f} s\n")
    if results["peak GiB"]:
        sys.stdout.write(f"{'peak memory':28} {max(results['peak GiB'].values()):10.2f} GiB\n")
    for name, error in results.get("relative rms error", {}).items():
        sys.stdout.write(f"{'rms error, ' + name:28} {100 * error:10.3f} %\n")


@torch.no_grad()
def main() -> None:
    arguments = parse_arguments()
    resources = Resources(str(arguments.device), memory_mode=arguments.memory_mode, compile=arguments.compile)
    pipeline = build_pipeline(
        TINY if arguments.tiny else PUBLISHED, resting_device(resources), getattr(torch, arguments.dtype)
    )
    begin_offload(pipeline, resources)
    compile_blocks(resources, pipeline.denoiser, pipeline.autoencoder)
    first = StageTimes(arguments.device)
    first.measure("all", lambda: run(pipeline, StageTimes(arguments.device), 2, arguments.resolution))
    times = StageTimes(arguments.device)
    counts = run(pipeline, times, arguments.steps, arguments.resolution)
    results = report(arguments, times, counts) | {"warm-up seconds": first.seconds["all"]}
    if arguments.check:
        results["relative rms error"] = precision_errors(pipeline)
    write_table(results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
