# SPDX-License-Identifier: GPL-3.0-or-later
"""Fine-tunes a set of weights on a folder of textured meshes: a LoRA of the UNet, or the ControlNet for depth.

``python -m backend.pipelines.flexisyncmvd.training.fine_tuning --weights SET --meshes FOLDER --out RUN``
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import CLIPTokenizer

from ....contract import BadInput
from ....training.command import deadline, exit_status, start_processes
from ....training.schedule import StageSettings
from ....training.stage import Evaluate, Stage
from ..checkpoint.components import Components, Family
from ..checkpoint.library import CheckpointLibrary
from ..prompts import token_ids
from ..schedule import TRAIN_STEPS, ddpm_scheduler
from .low_rank import add_low_rank, save_low_rank
from .networks import TextGuidedDenoiser, TwoTextDenoiser
from .pool import random_backgrounds
from .textured_meshes import RenderedMesh, read_captions, render_folder

logger = logging.getLogger(__name__)

LORA, CONTROLNET = "lora", "controlnet"
LORA_FILE, CONTROLNET_FOLDER = "lora.safetensors", "depth"
"""What a finished run leaves in ``--out``, next to the checkpoints."""
SIZES: dict[Family, int] = {"sd15": 512, "sdxl": 1024}
"""Pixels of a view's side that the published networks were trained for."""
LATENT_PIXEL = 8
NO_WISH = 0.1
EVALUATIONS = 4
"""With held-out meshes, in a run; and one before it."""
HELD_OUT_VIEWS = 128
"""Drawn from the held-out meshes' views, each time the same with the same noise."""


@dataclass(frozen=True)
class RenderedViews:
    """All views of all meshes: ``images`` uint8 [N, 4, S, S] with alpha, ``depth`` uint8 [N, 1, S, S], token ids
    ``tokens`` int64 [N, 77], those of SDXL's second tokenizer behind them, and ``no_wish`` for no text at all."""

    images: Tensor
    depth: Tensor
    tokens: Tensor
    no_wish: Tensor

    @classmethod
    def of(
        cls, meshes: Sequence[RenderedMesh], tokenizers: Sequence[CLIPTokenizer], device: torch.device
    ) -> RenderedViews:
        """Put the views one after the other."""
        def bytes_of(values: list[Tensor]) -> Tensor:
            return (torch.cat(values) * 255.0).round().to(device, torch.uint8)

        def tokens_of(text: str) -> Tensor:
            return torch.cat([token_ids(tokenizer, text, "") for tokenizer in tokenizers])

        tokens = [tokens_of(caption) for mesh in meshes for caption in mesh.captions]
        return cls(bytes_of([mesh.images for mesh in meshes]), bytes_of([mesh.depth for mesh in meshes]),
                   torch.stack(tokens).to(device), tokens_of("").to(device))


class FineTuning:
    """Mean squared error of the prediction at uniform timesteps, on random plain backgrounds.

    See docs/algorithms/flexisyncmvd.md, section 10.
    """

    def __init__(self, views: RenderedViews, autoencoder: AutoencoderKL, prediction_type: str, batch: int) -> None:
        self.views, self.autoencoder, self.prediction_type, self.batch = views, autoencoder, prediction_type, batch
        self.alphas_cumprod = ddpm_scheduler().alphas_cumprod.to(views.tokens.device)

    def __call__(self, module: nn.Module, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        views, device = self.views, generator.device
        chosen = torch.randint(len(views.tokens), (self.batch,), generator=generator, device=device)
        timestep = torch.randint(TRAIN_STEPS, (self.batch,), generator=generator, device=device)
        silent = torch.rand(self.batch, generator=generator, device=device) < NO_WISH
        with torch.no_grad():
            data = self.latents(views.images[chosen], generator)
        noise = torch.randn(data.shape, generator=generator, device=device)
        kept = self.alphas_cumprod[timestep][:, None, None, None]
        noisy = kept.sqrt() * data + (1.0 - kept).sqrt() * noise
        target = noise if self.prediction_type == "epsilon" else kept.sqrt() * noise - (1.0 - kept).sqrt() * data
        tokens = torch.where(silent[:, None], views.no_wish, views.tokens[chosen])
        depth = views.depth[chosen].float().expand(-1, 3, -1, -1) / 255.0
        output = module(noisy, timestep, tokens, depth, torch.ones(self.batch, device=device))
        loss = (output.float() - target).square().mean()
        return loss, {"loss": loss}

    def latents(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Scaled latents of RGBA images uint8 [B, 4, S, S], each on a random background."""
        color, alpha = images[:, :3].float() / 255.0, images[:, 3:].float() / 255.0
        background = random_backgrounds(len(images), generator)[:, :, None, None]
        shown = (color * alpha + background * (1.0 - alpha)) * 2.0 - 1.0
        posterior = self.autoencoder.encode(shown).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=generator, device=shown.device)
        return (posterior.mean + posterior.std * noise) * self.autoencoder.config.scaling_factor


class HeldOutLoss:
    """What ``loss`` is on views that are not learned from: the same views, timesteps and noise every time."""

    def __init__(self, loss: FineTuning, module: nn.Module) -> None:
        self.loss, self.module = loss, module

    @torch.no_grad()
    def __call__(self) -> dict[str, float]:
        """The mean of about ``HELD_OUT_VIEWS`` views."""
        generator = torch.Generator(self.loss.views.tokens.device).manual_seed(0)
        losses = [self.loss(self.module, generator)[0] for _ in range(-(-HELD_OUT_VIEWS // self.loss.batch))]
        return {"loss_held_out": float(torch.stack(losses).mean())}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(description="Fine-tune a set of weights on a folder of textured meshes.")
    parser.add_argument("--weights", type=Path, required=True, help="folder of a set of SD 1.5's form or SDXL's")
    parser.add_argument("--meshes", type=Path, required=True, help="folder with GLB or OBJ files and captions.jsonl")
    parser.add_argument("--held-out", type=Path, help="another such folder: the loss on it is measured, before too")
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoints, curves and results")
    parser.add_argument("--what", choices=[LORA, CONTROLNET], default=LORA)
    parser.add_argument("--rank", type=int, default=16, help="of the LoRA")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=4, help="views per step and process")
    parser.add_argument("--rate", type=float, help="1e-4 for a LoRA, 1e-5 for a ControlNet if not given")
    parser.add_argument("--size", type=int, help="pixels of a view's side; 512, for SDXL 1024, if not given")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoints in --out")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop cleanly after this time and save")
    parser.add_argument("--stop-at", type=int, help="stop cleanly after this step and save")
    return parser


def check(options: argparse.Namespace) -> None:
    """Raise BadInput for what would only be found out after the rendering."""
    if options.size is not None and (options.size < LATENT_PIXEL or options.size % LATENT_PIXEL):
        raise BadInput(f"Views cannot have {options.size} pixels a side.",
                       f"A pixel of the latent stands for {LATENT_PIXEL}.", f"Choose a multiple of {LATENT_PIXEL}.")
    for folder in filter(None, (options.meshes, options.held_out)):
        read_captions(folder)


def learning_on(
    folder: Path, components: Components, options: argparse.Namespace, device: torch.device
) -> FineTuning:
    """The loss on a folder of meshes. Raises BadInput."""
    meshes = render_folder(folder, options.size or SIZES[components.family], device)
    views = RenderedViews.of(meshes, components.tokenizers, device)
    logger.info("%s: %d views of %d meshes", folder, len(views.tokens), len(meshes))
    return FineTuning(views, components.vae, components.prediction_type, options.batch)


def trainable(components: Components, options: argparse.Namespace) -> TextGuidedDenoiser:
    """The set's networks, of which only what is fine-tuned learns."""
    depth, unet = components.controlnets["depth"], components.unet
    if components.family == "sdxl":
        denoiser: TextGuidedDenoiser = TwoTextDenoiser(components.text_encoders, depth, unet)
    else:
        denoiser = TextGuidedDenoiser(components.text_encoders[0], depth, unet)
    denoiser.requires_grad_(False).train()
    if options.what == LORA:
        add_low_rank(denoiser.unet, options.rank)
    else:
        denoiser.controlnet.requires_grad_(True)
    return denoiser


def write_result(components: Components, stage: Stage, options: argparse.Namespace) -> Path:
    """Write the LoRA file or the ControlNet's folder of the averaged weights."""
    average = load_file(stage.folder / "average.safetensors")
    if options.what == LORA:
        save_low_rank(options.out / LORA_FILE, average, "unet.")
        return options.out / LORA_FILE
    with stage.averaged():
        components.controlnets["depth"].save_pretrained(options.out / CONTROLNET_FOLDER)
    return options.out / CONTROLNET_FOLDER


def main(arguments: Sequence[str]) -> int:
    """Run the fine-tuning; return its exit status: 1 for an error that is reported on stderr."""
    return exit_status(_fine_tune, arguments)


def _fine_tune(arguments: Sequence[str]) -> int:
    options = build_parser().parse_args(arguments)
    check(options)
    until, accelerator = deadline(options), start_processes(options)
    library = CheckpointLibrary(options.weights, torch.float32, accelerator.device, published=False)
    components = library.components(controls=["depth"])
    denoiser = trainable(components, options)
    learning = learning_on(options.meshes, components, options, accelerator.device)
    rate = options.rate or {LORA: 1e-4, CONTROLNET: 1e-5}[options.what]
    settings = StageSettings(steps=options.steps, batch=options.batch, rate=rate, warm_up=min(100, options.steps),
                           evaluate_every=max(options.steps // EVALUATIONS, 1))
    stage = Stage(accelerator, denoiser, settings, options.out / options.what, options.seed)
    if options.resume:
        stage.resume()
    evaluate: Evaluate = dict
    if options.held_out:
        evaluate = HeldOutLoss(learning_on(options.held_out, components, options, accelerator.device), denoiser)
        if stage.step == 0:
            stage.evaluate(evaluate)
    done = stage.run(learning, evaluate, until, options.stop_at)
    if done and accelerator.is_main_process:
        logger.info("written: %s", write_result(components, stage, options))
    logger.info("all steps done" if done else "stopped before the last step; continue with --resume")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
