# SPDX-License-Identifier: GPL-3.0-or-later
"""Which family a single file belongs to, by the names and shapes of its tensors; what it is if it is no checkpoint
that can be used."""

from ...common.checkpoint_shapes import CheckpointError, Shapes
from .components import Family
from .files import Stored

UNET = "model.diffusion_model."
FIRST_LAYER = UNET + "input_blocks.0.0.weight"
SIZE_EMBEDDING = UNET + "label_emb.0.0.weight"
CROSS_ATTENTION_KEYS = "attn2.to_k.weight"
LATENT_CHANNELS = 4
SD2_CONTEXT = 1024
"""Width of the text that Stable Diffusion 2's cross attention reads; 1.5 reads 768."""

_WANTED = "A checkpoint of the families Stable Diffusion 1.5 and SDXL is needed."
_OTHERS = (
    (("lora_down", "lora_up", "lora_a.", "lora_b.", "lora.down", "lora.up", "hada_w1", "lokr_w1"),
     "a LoRA, an addition to a checkpoint", "Choose it as LoRA, and a checkpoint of its family with it."),
    (("double_blocks.", "double_stream", "single_blocks."), "a checkpoint of the Flux family", ""),
    (("joint_blocks.",), "a checkpoint of the Stable Diffusion 3 family", ""),
    (("control_model.", "input_hint_block.", "controlnet_cond_embedding.", "controlnet_blocks."), "a ControlNet", ""),
    (("ip_adapter.", "image_proj."), "an IP-Adapter", ""),
    (("string_to_param", "emb_params", "clip_l"), "a textual inversion, which is not read", ""),
)
_CHANNELS = {
    9: "an inpainting model, whose network also takes a mask",
    8: "a model that edits images (InstructPix2Pix)",
    5: "a model that also takes a depth map (Stable Diffusion 2 depth)",
}


def family_of(stored: Stored) -> Family:
    """The family of a checkpoint in the original layout. Raises CheckpointError that says what the file is instead."""
    shapes = stored.shapes
    if FIRST_LAYER not in shapes:
        raise _refused(stored, *_something_else(shapes))
    channels = shapes[FIRST_LAYER][1]
    if channels != LATENT_CHANNELS:
        kind = _CHANNELS.get(channels, f"a network that takes {channels} channels instead of {LATENT_CHANNELS}")
        raise _refused(stored, kind)
    context = next((shape[1] for name, shape in shapes.items()
                    if name.startswith(UNET) and name.endswith(CROSS_ATTENTION_KEYS)), 0)
    if SIZE_EMBEDDING in shapes:
        if any(name.startswith("conditioner.embedders.0.model.") for name in shapes):
            raise _refused(stored, "SDXL's refiner, which only finishes images")
        return "sdxl"
    if context == SD2_CONTEXT or any(name.startswith("cond_stage_model.model.") for name in shapes):
        raise _refused(stored, "a checkpoint of the Stable Diffusion 2 family")
    return "sd15"


def predicts_velocity(stored: Stored) -> bool:
    """Whether the file says that its network predicts v and not the noise: by a marker tensor or in its header."""
    said = stored.remarks.get("modelspec.prediction_type", "").lower()
    return "v_pred" in stored.tensors or said in ("v", "v_prediction", "v-prediction", "velocity")


def reaches_zero_snr(stored: Stored) -> bool:
    """Whether the file says that its schedule was rescaled to end in pure noise."""
    return "ztsnr" in stored.tensors


def _something_else(shapes: Shapes) -> tuple[str, str]:
    names = [name.lower() for name in shapes]
    for signs, kind, advice in _OTHERS:
        if any(sign in name for sign in signs for name in names):
            return kind, advice
    if any(name.startswith(("down_blocks.", "unet.")) for name in names):
        return "a network of diffusers without its folder", "Choose the folder that holds unet, vae and text_encoder."
    if any(name.startswith(("first_stage_model.", "encoder.", "decoder.", "vae.")) for name in names):
        return "a VAE alone", ""
    return "not a checkpoint that Meshwright knows", ""


def _refused(stored: Stored, kind: str, advice: str = "") -> CheckpointError:
    origin = stored.origin
    return CheckpointError(f"{stored.name} cannot be used as a checkpoint.", f"It is {kind}. {_WANTED}",
                           advice or origin.advice, origin.remedy)
