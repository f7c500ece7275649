# SPDX-License-Identifier: GPL-3.0-or-later
"""Times SAR3D from a prompt or an image to a colored mesh at its full published size: `python -m benchmarks.sar3d`.

Weights are random, so the timed networks are the published ones and their tokens mean nothing. So that the surface
has a usual size, the fields read a ball of four fifths of the cube's width instead of the decoded triplane, which is
computed all the same. The first run records the CUDA graphs and is told apart.
"""

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, Dinov2Config, Dinov2Model

from backend.contract.reports import StageReport, ignore
from backend.pipelines.common.checkpoint import dtype_of
from backend.pipelines.sar3d import conditions
from backend.pipelines.sar3d.checkpoint import IMAGE_TRANSFORMER, TEXT_TRANSFORMER
from backend.pipelines.sar3d.fields import DensityField
from backend.pipelines.sar3d.generation import TokenGenerator
from backend.pipelines.sar3d.pipeline import Sar3dPipeline, SurfaceSettings
from backend.pipelines.sar3d.surfaces import FlexiCubesGrid
from backend.pipelines.sar3d.transformer import Condition, NextScaleTransformer
from backend.pipelines.sar3d.triplane_decoder import TriplaneDecoder

PROMPT = "a red wooden chair with four legs"
ORIGINAL_SECONDS = {
    ("text", "flexicubes"): 0.19, ("image", "flexicubes"): 0.27, ("text", "density"): 0.29, ("image", "density"): 0.36,
}
"""The published program's on one H200, with its own random weights."""
BALL_RADIUS = 0.8
TEXT_ENCODER = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
                "vocab_size": 49408, "max_position_embeddings": 77, "eos_token_id": 2}
IMAGE_ENCODER = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "image_size": 518,
                 "patch_size": 14}
TINY_ENCODER = {"num_hidden_layers": 1}


class BallPipeline(Sar3dPipeline):
    """Decodes as always, then shows the fields a ball."""

    def decode(self, latent: Tensor, progress: StageReport = ignore) -> Tensor:
        triplane = super().decode(latent, progress)
        side = triplane.shape[-1]
        axis = (torch.arange(side, device=triplane.device) + 0.5) * 2 / side - 1
        ball = triplane * 1e-4
        ball[:, :, 0] += axis.square() - BALL_RADIUS**2 / 3
        return ball


@torch.no_grad()
def read_the_ball(decoder: TriplaneDecoder) -> None:
    """Have the field's first two channels pass the sum of the planes' first channels on; all others stay random."""
    layers = decoder.field.net if isinstance(decoder.field, DensityField) else decoder.field.net_sdf
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    channels = linear[0].weight.shape[1] // 3
    for layer in linear:
        layer.bias.zero_()
        layer.weight[:2] = 0
    linear[0].weight[0, ::channels], linear[0].weight[1, ::channels] = 1, -1
    for layer in linear[1:-1]:
        layer.weight[0, 0] = layer.weight[1, 1] = 1
    density = isinstance(decoder.field, DensityField)
    linear[-1].weight[0] = 0
    linear[-1].weight[0, :2] = torch.tensor([-30.0, 30.0] if density else [1.0, -1.0])
    if density:
        linear[-1].bias[0] = 10.0


def build(field_kind: str, device: torch.device, dtype: torch.dtype, tiny: bool) -> BallPipeline:
    """The pipeline with random weights, its networks in `dtype` but for what they keep in float32."""
    torch.manual_seed(0)
    with device:
        if tiny:
            decoder = TriplaneDecoder(field_kind, width=48, depth=2, heads=2, plane_multipliers=(1, 1))
            transformers = [NextScaleTransformer(64, 2, 2, 512, False), NextScaleTransformer(64, 2, 2, 768, True)]
            encoders = CLIPTextModel(CLIPTextConfig(**TINY_ENCODER)), Dinov2Model(Dinov2Config(**TINY_ENCODER))
        else:
            decoder = TriplaneDecoder(field_kind)
            transformers = [part.model() for part in (TEXT_TRANSFORMER, IMAGE_TRANSFORMER)]
            encoders = CLIPTextModel(CLIPTextConfig(**TEXT_ENCODER)), Dinov2Model(Dinov2Config(**IMAGE_ENCODER))
    read_the_ball(decoder)
    for model in (decoder, *transformers):
        for name, parameter in model.named_parameters():
            parameter.data = parameter.data.to(dtype_of(model, name, dtype))
        model.requires_grad_(False).eval()
    pipeline = BallPipeline(decoder, tokenizer(), encoders[0].eval(), transformers[0], encoders[1].eval(),
                            transformers[1])
    pipeline.null_text = conditions.text_condition([""], pipeline.tokenizer, pipeline.text_encoder)
    pipeline.null_image = conditions.image_condition(conditions.blank_square(255), pipeline.image_encoder)
    return pipeline


def tokenizer() -> CLIPTokenizer:
    """A tokenizer in CLIP's form, whose words take about as many tokens."""
    from backend.training.vocabulary import read_vocabulary, write_vocabulary

    with tempfile.TemporaryDirectory() as folder:
        write_vocabulary(Path(folder), [PROMPT])
        return read_vocabulary(Path(folder))


def disc() -> np.ndarray:
    """A gray disc on white, uint8 [256, 256, 3]."""
    y, x = np.mgrid[:256, :256] - 127.5
    return np.where(x**2 + y**2 < 100**2, 110, 255).astype(np.uint8)[..., None].repeat(3, axis=-1)


class Stages:
    """Seconds of every stage, with the GPU's queue empty at its end."""

    def __init__(self, cuda: bool):
        self.cuda, self.seconds = cuda, {}
        self.last = time.perf_counter()

    def __call__(self, stage: str, step: int, of: int) -> None:
        if self.cuda:
            torch.cuda.synchronize()
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self.last
        self.last = now


def measure(pipeline: BallPipeline, kind: str, runs: int, surface: SurfaceSettings, cuda: bool) -> dict:
    """The first run, the median of `runs` more, the stages of one more, the mesh's size and the peak of memory."""
    given = {"prompt": PROMPT} if kind == "text" else {"image": disc()}
    first, *others = [timed(lambda seed=seed: pipeline(**given, seeds=[seed], surface=surface), cuda)
                      for seed in range(runs + 1)]
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    stages = Stages(cuda)
    output = pipeline(**given, seeds=[0], surface=surface, progress=stages)
    return {
        "seconds": statistics.median(others), "fastest": min(others), "first run seconds": first,
        "stages": stages.seconds, "vertices": len(output.meshes[0].vertices), "faces": len(output.meshes[0].faces),
        "peak GiB": torch.cuda.max_memory_allocated() / 2**30 if cuda else None,
        "reserved GiB": torch.cuda.memory_reserved() / 2**30 if cuda else None,
    }


def timed(work, cuda: bool) -> float:
    """Seconds of `work`, which ends with the mesh on the host."""
    if cuda:
        torch.cuda.synchronize()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


@torch.no_grad()
def precision_error(transformer: NextScaleTransformer, pipeline: BallPipeline) -> dict[str, float]:
    """Guided logits scale by scale in the transformer's dtypes against all in float32, for random tokens.

    Relative rms error, and the share of positions whose likeliest token is the same. Converts the transformer.
    """
    device, quantizer = transformer.device, pipeline.decoder.quantize
    width = transformer.config["condition_width"]
    generator = torch.Generator().manual_seed(0)
    given, null = (Condition(torch.randn(1, width, generator=generator), torch.randn(1, 77, width, generator=generator))
                   for _ in range(2))
    tokens = torch.randint(len(quantizer.embedding.weight), (1, quantizer.layout.total), generator=generator).to(device)

    def logits() -> Tensor:
        steps = TokenGenerator(transformer, quantizer, 1, 77)
        steps.begin(given, null)
        found = []
        for scale in range(len(quantizer.layout.sides)):
            found.append(steps.logits(scale))
            steps.accept(scale, tokens[:, quantizer.layout.span(scale)])
        return torch.cat(found, dim=1)

    fast = logits()
    transformer.float()
    exact = logits()
    error = ((fast - exact).square().mean() / exact.square().mean()).sqrt().item()
    return {"relative rms error of logits": error,
            "same likeliest token": (fast.argmax(-1) == exact.argmax(-1)).float().mean().item()}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sar3d", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10, help="runs of which the median counts")
    parser.add_argument("--condition", nargs="+", default=["text", "image"], choices=("text", "image"))
    parser.add_argument("--field", nargs="+", default=["flexicubes", "density"], choices=("flexicubes", "density"))
    parser.add_argument("--device", type=torch.device, default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16")
    parser.add_argument("--check", action="store_true", help="also compare with float32")
    parser.add_argument("--tiny", action="store_true", help="tiny networks and grids, to try the benchmark itself")
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the results to this file")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    cuda = arguments.device.type == "cuda"
    surface = SurfaceSettings(points=24, grid=FlexiCubesGrid(16)) if arguments.tiny else SurfaceSettings()
    results = {
        "device": torch.cuda.get_device_name(arguments.device) if cuda else platform.processor() or "cpu",
        "torch": torch.__version__, "settings": {name: str(value) for name, value in vars(arguments).items()},
        "runs": {},
    }
    sys.stdout.write(f"{results['device']}, torch {results['torch']}, {arguments.dtype}\n")
    for field_kind in arguments.field:
        for kind in arguments.condition:
            pipeline = build(field_kind, arguments.device, getattr(torch, arguments.dtype), arguments.tiny)
            unused = "image" if kind == "text" else "text"
            setattr(pipeline, f"{unused}_transformer", None)
            setattr(pipeline, f"{unused}_encoder", None)
            result = measure(pipeline, kind, arguments.runs, surface, cuda)
            if arguments.check:
                result |= precision_error(getattr(pipeline, f"{kind}_transformer"), pipeline)
            results["runs"][f"{kind}, {field_kind}"] = result
            write_run(kind, field_kind, result)
            del pipeline
            if cuda:
                torch.cuda.empty_cache()
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


def write_run(kind: str, field_kind: str, result: dict) -> None:
    """One run as lines of text."""
    peak = "" if result["peak GiB"] is None else f", peak {result['peak GiB']:.2f} GiB"
    sys.stdout.write(
        f"{kind}, {field_kind}: {result['seconds']:.4f} s (fastest {result['fastest']:.4f}, first run "
        f"{result['first run seconds']:.2f}; the original {ORIGINAL_SECONDS[kind, field_kind]:.2f}){peak}, "
        f"{result['vertices']} vertices, {result['faces']} faces\n"
    )
    for stage, seconds in result["stages"].items():
        sys.stdout.write(f"    {stage:12} {1e3 * seconds:8.2f} ms\n")
    for name in ("relative rms error of logits", "same likeliest token"):
        if name in result:
            sys.stdout.write(f"    {name:32} {result[name]:.4g}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
