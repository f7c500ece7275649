# SPDX-License-Identifier: GPL-3.0-or-later
"""Times Hunyuan3D shape stage by stage at its full published size: `python -m benchmarks.hunyuan3d_shape`.

Weights are random, so the timed networks are the published ones and their results mean nothing. Random weights have
no surface: every field query runs the whole network, and then its value is replaced by that of two balls and a box,
a signed distance truncated at 0.02, plus 0.001 times the tanh of the network's value. So the number of queries and of
triangles is that of a real object. Everything runs once before the clock starts (compilation, allocation).
"""

import argparse
import json
import platform
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.profiler import profile
from transformers import Dinov2Config, Dinov2Model

from backend.contract import MEMORY_MODES, Resources
from backend.pipelines.common.compilation import compile_blocks
from backend.pipelines.common.memory import begin_offload, resting_device
from backend.pipelines.hunyuan3d_shape.attention import KeyValue
from backend.pipelines.hunyuan3d_shape.autoencoder import ShapeAutoencoder
from backend.pipelines.hunyuan3d_shape.mixture_denoiser import MixtureDenoiser
from backend.pipelines.hunyuan3d_shape.pipeline import DECODINGS, HunyuanShapePipeline
from backend.pipelines.hunyuan3d_shape.scheduler import ShapeScheduler
from backend.pipelines.hunyuan3d_shape.two_stream_denoiser import TwoStreamDenoiser
from benchmarks.partpacker import StageTimes, analytic_field, example_image

LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "image_size": 518}
GIANT = {"hidden_size": 1536, "num_hidden_layers": 40, "num_attention_heads": 24, "image_size": 518,
         "use_swiglu_ffn": True}
LIGHT = {"encoder_layers": 0, "field_width": 512, "field_expansion": 1, "field_head_norm": "none",
         "field_last_norm": False}
FORMS: dict[str, dict[str, Any]] = {
    "2.1": {"denoiser": MixtureDenoiser, "sizes": {}, "autoencoder": {}, "image_encoder": LARGE,
            "scheduler": {}, "pipeline": {"tokens": 4096}},
    "2.0": {"denoiser": TwoStreamDenoiser, "sizes": {}, "autoencoder": {"encoder_layers": 0}, "image_encoder": GIANT,
            "scheduler": {}, "pipeline": {"tokens": 3072}},
    "2.0-turbo": {"denoiser": TwoStreamDenoiser, "sizes": {"guidance_embedding": True}, "autoencoder": LIGHT,
                  "image_encoder": GIANT, "scheduler": {"kind": "consistency"}, "pipeline": {"tokens": 3072}},
    "tiny": {"denoiser": MixtureDenoiser,
             "sizes": {"width": 64, "depth": 5, "heads": 4, "condition_width": 64, "hidden_width": 128,
                       "time_hidden_width": 64, "mixture_blocks": 1},
             "autoencoder": {"width": 64, "heads": 4, "encoder_layers": 1, "decoder_layers": 2, "field_width": 64},
             "image_encoder": {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 56},
             "scheduler": {}, "pipeline": {"tokens": 48, "image_size": 64, "encoder_size": 56}},
}


class BenchmarkAutoencoder(ShapeAutoencoder):
    """The autoencoder with a surface in its field, and a count of the points asked for."""

    queried_points = 0

    def query(self, points: Tensor, context: KeyValue) -> Tensor:
        self.queried_points += points.shape[0] * points.shape[1]
        return analytic_field(points) + 1e-3 * torch.tanh(super().query(points, context))


def build_pipeline(form: dict[str, Any], device: torch.device, dtype: torch.dtype) -> HunyuanShapePipeline:
    """Random weights, made where they will be used."""
    torch.manual_seed(0)
    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            denoiser = form["denoiser"](**form["sizes"])
            autoencoder = BenchmarkAutoencoder(**form["autoencoder"])
            image_encoder = Dinov2Model(Dinov2Config(patch_size=14, **form["image_encoder"]))
    finally:
        torch.set_default_dtype(default)
    for model in (denoiser, autoencoder, image_encoder):
        model.requires_grad_(False).eval()
    scheduler = ShapeScheduler(**form["scheduler"])
    pipeline = HunyuanShapePipeline(image_encoder, denoiser, autoencoder, scheduler, **form["pipeline"])
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def run(pipeline: HunyuanShapePipeline, times: StageTimes, arguments: argparse.Namespace, steps: int) -> dict[str, int]:
    """One generation through the pipeline's stages; numbers of queries and triangles."""
    pipeline.autoencoder.queried_points = 0
    views = {"front": example_image()}
    images = times.measure("image", lambda: pipeline.prepare_views(views))
    condition = times.measure("condition", lambda: pipeline.encode_condition(images))
    noise = pipeline.prepare_latents(seed=0)
    latent = times.measure("diffusion", lambda: pipeline.denoise(noise, condition, steps, arguments.guidance))
    tokens = times.measure("decode", lambda: pipeline.decode(latent))
    grid = times.measure(
        "field", lambda: pipeline.evaluate_field(tokens, arguments.resolution, arguments.decoding)
    )
    mesh = times.measure("surface", lambda: pipeline.extract_surface(grid))
    pipeline.maybe_free_model_hooks()
    return {"queries": pipeline.autoencoder.queried_points, "triangles": len(mesh.faces)}


def precision_errors(pipeline: HunyuanShapePipeline, guidance: float) -> dict[str, float]:
    """Relative rms difference of one guided step and of field values, the run's precision against float32."""
    condition = pipeline.encode_condition(pipeline.prepare_views({"front": example_image()}))
    latent = pipeline.prepare_latents(seed=0)
    points = torch.rand(1, 4096, 3, device=latent.device) * 2 - 1

    def values() -> tuple[Tensor, Tensor]:
        velocity = pipeline._velocity(condition, guidance)(latent, latent.new_tensor([0.5]))
        context = pipeline.autoencoder.field_context(pipeline.decode(latent))
        return velocity, ShapeAutoencoder.query(pipeline.autoencoder, points, context)

    low = values()
    pipeline.denoiser.float()
    pipeline.autoencoder.float()
    high = values()
    errors = [((a - b).square().mean() / b.square().mean()).sqrt().item() for a, b in zip(low, high, strict=True)]
    return {"guided step": errors[0], "field": errors[1]}


def write_profile(pipeline: HunyuanShapePipeline, arguments: argparse.Namespace) -> None:
    """The kernels of two steps of the sampler, and of the field, by their time."""
    condition = pipeline.encode_condition(pipeline.prepare_views({"front": example_image()}))
    latent = pipeline.prepare_latents(seed=0)
    tokens = pipeline.decode(latent)
    works = {
        "two steps": lambda: pipeline.denoise(latent, condition, 3, arguments.guidance),
        "field": lambda: pipeline.evaluate_field(tokens, arguments.resolution, arguments.decoding),
    }
    key = "self_cuda_time_total" if arguments.device.type == "cuda" else "self_cpu_time_total"
    for name, work in works.items():
        with profile() as kernels:
            work()
        table = kernels.key_averages().table(sort_by=key, row_limit=24, max_name_column_width=70)
        sys.stdout.write(f"{name}\n{table}\n")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hunyuan3d_shape", description=__doc__.splitlines()[0])
    parser.add_argument("--form", choices=FORMS, default="2.1")
    parser.add_argument("--steps", type=int, help="50, for Turbo 5")
    parser.add_argument("--guidance", type=float, default=5.0)
    parser.add_argument("--resolution", type=int, default=384)
    parser.add_argument("--decoding", choices=DECODINGS, default="flash")
    parser.add_argument("--device", type=torch.device, default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", choices=("float16", "bfloat16", "float32"), default="float16")
    parser.add_argument("--compile", action="store_true", help="compile the repeated blocks with torch.compile")
    parser.add_argument("--memory-mode", choices=MEMORY_MODES, default="full")
    parser.add_argument("--repeat", type=int, default=1, help="timed runs; the fastest is reported")
    parser.add_argument("--check", action="store_true", help="also compare the precision with float32")
    parser.add_argument("--profile", action="store_true", help="also list the kernels by their time")
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the metrics to this file")
    arguments = parser.parse_args()
    arguments.steps = arguments.steps or (5 if arguments.form.endswith("turbo") else 50)
    if arguments.memory_mode != "full" and (arguments.compile or arguments.check):
        parser.error("--compile and --check need --memory-mode full")
    return arguments


def report(arguments: argparse.Namespace, times: StageTimes, counts: dict[str, int]) -> dict[str, Any]:
    """Metrics of the run, the way they are written as JSON."""
    cuda, seconds = arguments.device.type == "cuda", times.seconds
    return {
        "device": torch.cuda.get_device_name(arguments.device) if cuda else platform.processor() or "cpu",
        "torch": torch.__version__,
        "settings": {name: str(value) for name, value in vars(arguments).items()},
        "seconds": seconds | {"one step": seconds["diffusion"] / arguments.steps, "total": sum(seconds.values())},
        "counts": counts,
        "peak GiB": times.peaks,
    }


def write_table(metrics: dict[str, Any]) -> None:
    sys.stdout.write(f"{metrics['device']}, torch {metrics['torch']}, {metrics['settings']}\n")
    for stage, seconds in metrics["seconds"].items():
        peak = f"{metrics['peak GiB'][stage]:8.2f} GiB" if stage in metrics["peak GiB"] else ""
        sys.stdout.write(f"{stage:28} {seconds:10.4f} s{peak}\n")
    for name, count in metrics["counts"].items():
        sys.stdout.write(f"{name:28} {count:10,}\n")
    sys.stdout.write(f"{'first run, 2 steps':28} {metrics['warm-up seconds']:10.4f} s\n")
    if metrics["peak GiB"]:
        sys.stdout.write(f"{'peak memory':28} {max(metrics['peak GiB'].values()):10.2f} GiB\n")
    for name, error in metrics.get("relative rms error", {}).items():
        sys.stdout.write(f"{'rms error, ' + name:28} {100 * error:10.3f} %\n")


@torch.no_grad()
def main() -> None:
    arguments = parse_arguments()
    resources = Resources(str(arguments.device), memory_mode=arguments.memory_mode, compile=arguments.compile)
    start = torch.device(resting_device(resources))
    pipeline = build_pipeline(FORMS[arguments.form], start, getattr(torch, arguments.dtype))
    begin_offload(pipeline, resources)
    compile_blocks(resources, pipeline.denoiser, pipeline.autoencoder)
    first = StageTimes(arguments.device)
    first.measure("all", lambda: run(pipeline, StageTimes(arguments.device), arguments, 3))
    runs = []
    for _ in range(arguments.repeat):
        times = StageTimes(arguments.device)
        counts = run(pipeline, times, arguments, arguments.steps)
        runs.append(report(arguments, times, counts) | {"warm-up seconds": first.seconds["all"]})
    metrics = min(runs, key=lambda one: one["seconds"]["total"])
    if arguments.profile:
        write_profile(pipeline, arguments)
    if arguments.check:
        metrics["relative rms error"] = precision_errors(pipeline, arguments.guidance)
    write_table(metrics)
    if arguments.json:
        arguments.json.write_text(json.dumps(metrics, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
