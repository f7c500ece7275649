# SPDX-License-Identifier: GPL-3.0-or-later
"""Loading the published checkpoints unchanged (docs/algorithms/hunyuan3d_paint.md, "Checkpoints")."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UniPCMultistepScheduler

from ...contract.reports import LoadReport, ignore
from ..common.checkpoint import Network, StoredTensors, empty, fill, open_tensors, shapes_of
from ..common.checkpoint_shapes import absent, damaged
from ..common.image_encoder import encoder_shapes, load_image_encoder
from ..common.rrdbnet import RRDBNet
from .pipeline import Hunyuan3DPaintPipeline
from .sampling import paint_scheduler
from .unet import PaintUNet, ReferenceUNet, is_of_reference, own_name

UNET, VAE = Path("unet/diffusion_pytorch_model.bin"), Path("vae/diffusion_pytorch_model.bin")
SCHEDULER = Path("scheduler/scheduler_config.json")
UPSCALER = "RealESRGAN_x4plus.pth"
WRAPPERS = ("params_ema.", "params.")
"""Around Real-ESRGAN's weights: the averaged ones are meant to be used."""
VAE_CONFIGURATION = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "sample_size": 768,
}
LEGACY_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


def load_published(
    folder: Path,
    image_encoder: Path,
    upscaler: Path,
    dtype: torch.dtype,
    report: LoadReport = ignore,
) -> Hunyuan3DPaintPipeline:
    """The published pipeline on the CPU. Raises CheckpointError.

    Args:
        folder: with the files of the painting model itself.
        image_encoder: folder of DINOv2 giant.
        upscaler: folder of Real-ESRGAN.
        dtype: of all networks.
        report: called before every tensor; may raise to give up.
    """
    networks, vae = open_tensors(folder / UNET), open_tensors(folder / VAE)
    enlarging = open_upscaler(upscaler / UPSCALER)
    return Hunyuan3DPaintPipeline(
        image_encoder=load_image_encoder(
            image_encoder, encoder_shapes("dinov2-giant"), dtype, partial(report, "image encoder")
        ),
        vae=_filled(empty_vae(), vae.renamed(current_vae_name), dtype, partial(report, "autoencoder")),
        reference_unet=_filled(
            empty(ReferenceUNet), of_reference(networks), dtype, partial(report, "reference network")
        ),
        unet=_filled(empty(PaintUNet), of_painting(networks), dtype, partial(report, "painting network")),
        scheduler=read_scheduler(folder / SCHEDULER),
        upscaler=_filled(empty(RRDBNet), enlarging, dtype, partial(report, "upscaler")),
    )


def _filled(network: Network, stored: StoredTensors, dtype: torch.dtype, on_tensor: Callable[[], None]) -> Network:
    return fill(network, stored.checked(shapes_of(network)), dtype, "cpu", on_tensor)


def of_painting(stored: StoredTensors) -> StoredTensors:
    """The painting network's tensors, of a file that holds both."""
    return stored.renamed(lambda name: None if is_of_reference(own_name(name)) else own_name(name))


def of_reference(stored: StoredTensors) -> StoredTensors:
    """The reference network's tensors, of a file that holds both."""
    return stored.renamed(lambda name: own_name(name) if is_of_reference(own_name(name)) else None)


def open_upscaler(path: Path) -> StoredTensors:
    """Real-ESRGAN's tensors, the averaged ones where the file holds several kinds. Raises CheckpointError."""
    stored = open_tensors(path)
    return next((part for wrapper in WRAPPERS if (part := stored.under(wrapper)).shapes), stored)


def empty_vae() -> AutoencoderKL:
    """Stable Diffusion's autoencoder, without memory."""
    return empty(lambda: AutoencoderKL(**VAE_CONFIGURATION))


def current_vae_name(name: str) -> str:
    """A parameter's name as diffusers has it today."""
    *path, layer, kind = name.split(".")
    if "attentions" in path and layer in LEGACY_ATTENTION:
        return ".".join([*path, LEGACY_ATTENTION[layer], kind])
    return name


def read_scheduler(path: Path) -> UniPCMultistepScheduler:
    """UniPC for the published noise schedule."""
    if not path.is_file():
        raise absent(path)
    try:
        return paint_scheduler(json.loads(path.read_text("utf-8")))
    except (ValueError, OSError, RecursionError) as error:
        raise damaged(path, error) from error
