# SPDX-License-Identifier: GPL-3.0-or-later
"""Times Mesh Silksong's token generation at its full published size: `python -m benchmarks.silksong`.

Weights are random, so the timed networks are the published ones and their tokens mean nothing. Every sequence has its
full length: the end token is never drawn. The first run of each size records the CUDA graphs and is not counted.
"""

import argparse
import json
import platform
import sys
import time
from pathlib import Path

import torch
from torch import Tensor

from backend.pipelines.silksong.generation import TokenGenerator
from backend.pipelines.silksong.point_encoder import SilksongConditioner
from backend.pipelines.silksong.tokenizer import vocabulary
from backend.pipelines.silksong.transformer import SilksongTransformer

TINY = {
    "conditioner": {"width": 32, "heads": 4, "layers": 2, "condition_width": 48},
    "transformer": {"width": 64, "condition_width": 48, "depth": 2, "heads": 2, "max_tokens": 256},
}
PUBLISHED = {"conditioner": {}, "transformer": {}}
POINTS = 4096
PREFIX = 512
"""Tokens over which half precision with a cache is compared with single precision without one."""
NEVER = -1e4


def build(sizes: dict[str, dict], device: torch.device, dtype: torch.dtype) -> tuple:
    """Conditioner and transformer with random weights, made where they will be used."""
    torch.manual_seed(0)
    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            conditioner = SilksongConditioner(**sizes["conditioner"])
            transformer = SilksongTransformer(**sizes["transformer"])
    finally:
        torch.set_default_dtype(default)
    transformer.requires_grad_(False).eval()
    transformer.to_logits.bias[[vocabulary.END, vocabulary.PADDING]] = NEVER
    return conditioner.requires_grad_(False).eval(), transformer


class Clock:
    """Wall time and peak GPU memory of the work between two readings, with the GPU's queue empty at both."""

    def __init__(self, device: torch.device):
        self.cuda = device.type == "cuda"

    def start(self) -> None:
        if self.cuda:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        self.started = time.perf_counter()

    def seconds(self) -> float:
        if self.cuda:
            torch.cuda.synchronize()
        return time.perf_counter() - self.started

    def peak(self) -> float | None:
        """GiB allocated at the most, weights included."""
        return torch.cuda.max_memory_allocated() / 2**30 if self.cuda else None


def time_generation(
    transformer: SilksongTransformer, condition: Tensor, rows: int, tokens: int, clock: Clock
) -> dict[str, float | None]:
    """Two runs of `rows` sequences of `tokens` tokens with sampling and grammar; the second is the one that counts."""
    generator = TokenGenerator(transformer, rows, tokens)
    clock.start()
    generator.run(condition)
    first = clock.seconds()
    clock.start()
    lengths = [len(row) for row in generator.run(condition, seed=1)]
    seconds = clock.seconds()
    return {"ms per token": 1e3 * seconds / max(lengths), "seconds": seconds, "first run seconds": first,
            "tokens": max(lengths), "peak GiB": clock.peak()}


def first_tokens_ms(transformer: SilksongTransformer, condition: Tensor, rows: int, clock: Clock) -> float:
    """Milliseconds a token without grammar over a short sequence, the figure the published pipeline was timed with."""
    generator = TokenGenerator(transformer, rows, 256, grammar=False)
    generator.run(condition)
    clock.start()
    generator.run(condition, seed=1)
    return 1e3 * clock.seconds() / 256


def precision_error(transformer: SilksongTransformer, condition: Tensor) -> float:
    """Relative rms difference of cached logits from the uncached ones in float32 over a prefix of random tokens.

    Converts the transformer, so it comes last.
    """
    count = min(PREFIX, len(transformer.abs_pos_emb.weight) - 1)
    tokens = torch.randint(vocabulary.END, (1, count), generator=torch.Generator().manual_seed(0))
    tokens = tokens.to(condition.device)
    decoder = TokenGenerator(transformer, 1, count + 1).decoder
    decoder.begin(condition)
    given = torch.cat([torch.full_like(tokens[:, :1], decoder.start), tokens], dim=1)
    cached = [
        decoder.logits(given[:, i], torch.tensor([i], device=given.device), decoder.capacity).float()
        for i in range(count + 1)
    ]
    exact = transformer.float()(tokens, condition.float())[0]
    # The bias of the tokens that never come would hide all else.
    difference = (torch.cat(cached) - exact)[:, : vocabulary.END]
    return (difference.square().mean() / exact[:, : vocabulary.END].square().mean()).sqrt().item()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.silksong", description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=4096, help="length of the timed sequences")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 4], help="numbers of sequences at a time")
    parser.add_argument("--device", type=torch.device, default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", choices=("float16", "bfloat16", "float32"), default="float16")
    parser.add_argument("--longest", action="store_true", help="also run the longest sequence, for its peak memory")
    parser.add_argument("--check", action="store_true", help="also compare with uncached float32")
    parser.add_argument("--tiny", action="store_true", help="tiny networks and 128 tokens, to try the benchmark itself")
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the results to this file")
    arguments = parser.parse_args()
    if arguments.tiny:
        arguments.tokens = min(arguments.tokens, 128)
    return arguments


def measure(arguments: argparse.Namespace) -> dict:
    """All results asked for."""
    device, clock = arguments.device, Clock(arguments.device)
    sizes = TINY if arguments.tiny else PUBLISHED
    conditioner, transformer = build(sizes, device, getattr(torch, arguments.dtype))
    points = torch.rand(1, POINTS, 6, device=device, dtype=conditioner.dtype) * 1.9 - 0.95
    conditioner(points)
    clock.start()
    condition = conditioner(points)
    results = {
        "device": torch.cuda.get_device_name(device) if clock.cuda else platform.processor() or "cpu",
        "torch": torch.__version__,
        "settings": {name: str(value) for name, value in vars(arguments).items()},
        "condition ms": 1e3 * clock.seconds(),
        "256 tokens without grammar, ms per token": first_tokens_ms(transformer, condition, 1, clock),
        "runs": {},
    }
    for rows in arguments.batch:
        results["runs"][f"batch {rows}"] = time_generation(transformer, condition, rows, arguments.tokens, clock)
    if arguments.longest:
        longest = len(transformer.abs_pos_emb.weight)
        results["runs"][f"batch 1, {longest} tokens"] = time_generation(transformer, condition, 1, longest, clock)
    if arguments.check:
        results["relative rms error of logits"] = precision_error(transformer, condition)
    return results


def write_table(results: dict) -> None:
    sys.stdout.write(f"{results['device']}, torch {results['torch']}\n")
    for name, value in results.items():
        if isinstance(value, float):
            sys.stdout.write(f"{name:44} {value:10.3g}\n")
    for name, run in results["runs"].items():
        peak = "" if run["peak GiB"] is None else f", peak {run['peak GiB']:.2f} GiB"
        sys.stdout.write(
            f"{name:24} {run['ms per token']:8.3f} ms a token, {run['tokens']} tokens in {run['seconds']:.2f} s "
            f"(first run {run['first run seconds']:.2f} s){peak}\n"
        )


@torch.no_grad()
def main() -> None:
    arguments = parse_arguments()
    results = measure(arguments)
    write_table(results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
