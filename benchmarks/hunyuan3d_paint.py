# SPDX-License-Identifier: GPL-3.0-or-later
"""Times painting at its full published size: `python -m benchmarks.hunyuan3d_paint --texture 4096`.

Weights are random and made on the GPU, so nothing is downloaded; the networks are the published ones in size, and
their images mean nothing. The mesh is a bumpy ball of about 40,000 faces over the whole texture. Everything runs once
with two steps before the clock starts.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch import nn
from transformers import Dinov2Config, Dinov2Model

from backend.contract import MemoryMode, Resources
from backend.geometry.projection import UVMesh
from backend.pipelines.common.rrdbnet import RRDBNet
from backend.pipelines.hunyuan3d_paint.checkpoint import VAE_CONFIGURATION
from backend.pipelines.hunyuan3d_paint.pipeline import Hunyuan3DPaintPipeline
from backend.pipelines.hunyuan3d_paint.placement import place
from backend.pipelines.hunyuan3d_paint.random_draws import Draws
from backend.pipelines.hunyuan3d_paint.rig import paint_cameras
from backend.pipelines.hunyuan3d_paint.sampling import paint_scheduler
from backend.pipelines.hunyuan3d_paint.scene import PaintScene, choose_poses, in_sphere
from backend.pipelines.hunyuan3d_paint.settings import PaintSettings
from backend.pipelines.hunyuan3d_paint.unet import PaintUNet, ReferenceUNet
from benchmarks.flexisyncmvd import bumpy_ball
from benchmarks.partpacker import StageTimes

GIANT = {"hidden_size": 1536, "num_hidden_layers": 40, "num_attention_heads": 24, "image_size": 518,
         "use_swiglu_ffn": True}
TINY_UNET = {"block_out_channels": (16, 32, 32, 32), "layers_per_block": 1, "attention_head_dim": (1, 2, 2, 2),
             "cross_attention_dim": 32, "norm_num_groups": 8, "prompt_tokens": 5}
TINY_VAE = {"block_out_channels": (8, 8, 16, 16), "layers_per_block": 1, "norm_num_groups": 4}
FACES = 40_000


def build_pipeline(device: torch.device, dtype: torch.dtype, tiny: bool) -> Hunyuan3DPaintPipeline:
    """Random networks, made on `device` and left on the CPU."""
    unet: dict[str, Any] = TINY_UNET if tiny else {}
    encoder = {**GIANT, **({"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 3} if tiny else {})}
    torch.manual_seed(0)
    torch.set_default_dtype(dtype)
    try:
        with device:
            networks: list[nn.Module] = [
                Dinov2Model(Dinov2Config(**encoder)),
                AutoencoderKL(**{**VAE_CONFIGURATION, **(TINY_VAE if tiny else {})}),
                ReferenceUNet(**unet),
                PaintUNet(**unet, image_width=encoder["hidden_size"]),
            ]
            upscaler = RRDBNet(features=8, blocks=1, growth=4) if tiny else RRDBNet()
    finally:
        torch.set_default_dtype(torch.float32)
    networks = [network.to("cpu").requires_grad_(False).eval() for network in (*networks, upscaler)]
    return Hunyuan3DPaintPipeline(*networks[:4], paint_scheduler(), networks[4])


def ball(device: torch.device) -> UVMesh:
    """The ball with about `FACES` faces, where the rig sees it."""
    return in_sphere(bumpy_ball(device, int((FACES / 2) ** 0.5)))


def run(
    pipeline: Hunyuan3DPaintPipeline, mesh: UVMesh, settings: PaintSettings, times: StageTimes
) -> tuple[int, list[torch.Tensor]]:
    """All stages, each measured; the number of views and the textures."""
    image = Image.new("RGB", (512, 512), (180, 90, 40))
    draws = Draws(0, pipeline._execution_device)
    every = torch.ones(len(mesh.faces), dtype=torch.bool, device=mesh.device)
    poses = times.measure("views", lambda: choose_poses(mesh, every, settings.views))
    scene = PaintScene(mesh, 1, 1, poses, paint_cameras(poses).to(mesh.device))
    shown, normals, positions = times.measure("control maps", lambda: pipeline.render(scene, settings))
    conditions = times.measure("conditions", lambda: pipeline.condition(image, positions, settings, draws))
    controls = times.measure("encode maps", lambda: pipeline.encode_maps(normals, positions, draws))
    latents = times.measure("sample", lambda: pipeline.denoise(controls, conditions, settings, draws))
    views = times.measure("decode", lambda: pipeline.decode(latents, settings))
    enlarged = times.measure("enlarge", lambda: pipeline.enlarge(views))
    textures = times.measure("bake and fill", lambda: pipeline.bake(scene, shown, enlarged, settings))
    pipeline.maybe_free_model_hooks()
    return len(poses), textures


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--memory", choices=("full", "balanced", "low"), default="full")
    parser.add_argument("--views", type=int, default=6)
    parser.add_argument("--view-size", type=int, default=512)
    parser.add_argument("--texture", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--tiny", action="store_true", help="small networks, to try the benchmark itself")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


@torch.inference_mode()
def main() -> None:
    arguments = parse_arguments()
    device, memory = torch.device(arguments.device), arguments.memory
    mode: MemoryMode = memory
    pipeline = build_pipeline(device, torch.float32 if device.type == "cpu" else torch.float16, arguments.tiny)
    place(pipeline, Resources(device=arguments.device, memory_mode=mode))
    mesh = ball(device)
    settings = PaintSettings(
        view_size=arguments.view_size, views=arguments.views, steps=arguments.steps, texture_size=arguments.texture,
        together=mode != "low", decoded_together=1 if mode == "low" else 2,
    )
    first, times = StageTimes(device), StageTimes(device)
    few = PaintSettings(**{**vars(settings), "steps": 2})
    first.measure("first run, 2 steps", lambda: run(pipeline, mesh, few, StageTimes(device)))
    views, _ = run(pipeline, mesh, settings, times)
    metrics = {
        "settings": {"views": views, "view": settings.view_size, "texture": settings.texture_size,
                     "steps": settings.steps, "faces": len(mesh.faces), "memory": mode},
        "seconds": {**times.seconds, "total": sum(times.seconds.values()), **first.seconds},
        "peak GiB": times.peaks,
    }
    for name, seconds in metrics["seconds"].items():
        peak = f"{times.peaks[name]:8.2f} GiB" if name in times.peaks else ""
        sys.stdout.write(f"{name:24} {seconds:9.3f} s{peak}\n")
    if arguments.json:
        arguments.json.write_text(json.dumps(metrics, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
