# SPDX-License-Identifier: GPL-3.0-or-later
"""Which file each network comes from: the set's own base, a folder, or a single file. Checked whole, nothing read yet.

    <set>/base/             a diffusers folder: unet, vae, text_encoder, tokenizer, scheduler; SDXL also *_2
    <set>/controlnet/<kind>/
    <set>/ip_adapter/       ip-adapter-plus.safetensors; image_encoder/ where it is not the shared one
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...common.checkpoint_shapes import PUBLISHED, Origin
from ..published_networks import MANIFEST_OF
from .choice import CheckpointChoice
from .components import FAMILY_NAMES, Family
from .family import LATENT_CHANNELS, family_of, predicts_velocity, reaches_zero_snr
from .files import CHOSEN, Stored, open_component, open_stored, published_shapes, read_config
from .lora import LoraFile, LoraSum
from .networks import PlannedNetwork, empty_network, plan, shapes_of
from .single_file import converted, parts_in

BASE, CONTROLNETS = "base", "controlnet"
NETWORKS: Mapping[Family, tuple[str, ...]] = {
    "sd15": ("unet", "vae", "text_encoder"),
    "sdxl": ("unet", "vae", "text_encoder", "text_encoder_2"),
}
_DIFFUSERS = "diffusion_pytorch_model"
STEMS = {"unet": _DIFFUSERS, "vae": _DIFFUSERS, "controlnet": _DIFFUSERS}
"""What the weights' file of a component is called; transformers' are called `model`."""
LABELS = {"unet": "UNet", "vae": "VAE", "text_encoder": "text encoder", "text_encoder_2": "second text encoder"}


@dataclass
class CheckpointPlan:
    """All that a checkpoint is made of, checked; `networks` are filled one after the other."""

    family: Family
    networks: dict[str, PlannedNetwork]
    additions: LoraSum
    scheduler_config: dict[str, Any]
    tokenizers: tuple[Path, ...]
    wide_vae: bool
    """Whether the VAE overflows in half precision."""


@dataclass(frozen=True)
class _Source:
    config: dict[str, Any]
    stored: Stored


def plan_checkpoint(folder: Path, choice: CheckpointChoice, published: bool) -> CheckpointPlan:
    """What `choice` means on top of the set of weights in `folder`.

    With `published` the set's own files are compared with the manifests of the published ones. Raises CheckpointError.
    """
    base = folder / BASE
    family = family_of_unet(read_config(base / "unet"))
    sources, schedule = _own_base(base, family), read_config(base / "scheduler", "scheduler_config.json")
    tokenizers = base
    if choice.checkpoint is not None:
        path = _existing(choice.checkpoint)
        if path.is_dir():
            replaced, schedule, tokenizers = _from_folder(path, family, schedule, base)
        else:
            replaced, said = _from_file(path, family, sources)
            schedule |= said
        sources |= replaced
    if choice.prediction != "auto":
        schedule["prediction_type"] = choice.prediction
    networks = _planned(sources, family, read_config(base / "unet"), published)
    files = [LoraFile(open_stored(lora.path, CHOSEN), lora.strength) for lora in choice.loras]
    whole = {name: planned.network for name, planned in networks.items() if name != "vae"}
    wide = family == "sdxl" and bool(sources["vae"].config.get("force_upcast", True))
    return CheckpointPlan(family, networks, LoraSum(whole, files), schedule, _tokenizers(tokenizers, family), wide)


def family_of_unet(config: Mapping[str, Any]) -> Family:
    """The family of a UNet in diffusers' form."""
    return "sdxl" if config.get("addition_embed_type") == "text_time" else "sd15"


def _own_base(base: Path, family: Family) -> dict[str, _Source]:
    return {name: _Source(read_config(base / name), open_component(base / name, STEMS.get(name, "model")))
            for name in NETWORKS[family]}


def folder_or_file(path: Path) -> Path:
    """The diffusers folder that is meant, also by its model_index.json, or the file."""
    return path.parent if path.name == "model_index.json" else path


def _existing(path: Path) -> Path:
    """The folder or file. Raises CheckpointError where it is missing or holds no checkpoint of this kind."""
    meant = folder_or_file(path)
    if not meant.exists():
        raise CHOSEN.error(f"{path.name} is missing.", f"{path} does not exist.")
    if meant.is_dir() and not (meant / "unet").is_dir():
        why = "It holds a transformer: it is of a newer family (Stable Diffusion 3, Flux)." \
            if (meant / "transformer").is_dir() else "It holds no unet, as a diffusers folder does."
        raise CHOSEN.error(f"The folder {meant.name} cannot be used as a checkpoint.", why)
    return meant


def _from_folder(path: Path, family: Family, schedule: dict[str, Any],
                 base: Path) -> tuple[dict[str, _Source], dict[str, Any], Path]:
    """All networks of a folder, its schedule and its tokenizers; the base's where it has none of the latter."""
    config = read_config(path / "unet", origin=CHOSEN)
    channels = config.get("in_channels", LATENT_CHANNELS)
    if channels != LATENT_CHANNELS:
        raise CHOSEN.error(f"The folder {path.name} cannot be used as a checkpoint.",
                           f"Its network takes {channels} channels instead of {LATENT_CHANNELS}: it is an inpainting "
                           "model or another special one.")
    _require_family(path.name, family_of_unet(config), family)
    sources = {name: _Source(read_config(path / name, origin=CHOSEN),
                             open_component(path / name, STEMS.get(name, "model"), CHOSEN))
               for name in NETWORKS[family]}
    if (path / "scheduler").is_dir():
        schedule = read_config(path / "scheduler", "scheduler_config.json", CHOSEN)
    return sources, schedule, path if (path / "tokenizer").is_dir() else base


def _from_file(path: Path, family: Family, base: Mapping[str, _Source]) -> tuple[dict[str, _Source], dict[str, Any]]:
    """The networks that a single file brings, and what it says of the schedule.

    The VAE of such a file is never the one that was fixed for half precision.
    """
    stored = open_stored(path, CHOSEN)
    _require_family(path.name, family_of(stored), family)
    sources = {}
    for name in parts_in(stored, family):
        config = base[name].config | ({"force_upcast": True} if name == "vae" else {})
        sources[name] = _Source(config, converted(stored, family, name, config))
    velocity = {"prediction_type": "v_prediction"} if predicts_velocity(stored) else {"prediction_type": "epsilon"}
    return sources, velocity | ({"rescale_betas_zero_snr": True} if reaches_zero_snr(stored) else {})


def _require_family(name: str, found: Family, wanted: Family) -> None:
    if found != wanted:
        raise Origin(f"Choose the weights of {FAMILY_NAMES[found]}, or another checkpoint.").error(
            f"{name} does not go with the chosen weights.",
            f"It is of the family {FAMILY_NAMES[found]}, they are {FAMILY_NAMES[wanted]}.")


def _planned(sources: Mapping[str, _Source], family: Family, base_unet: Mapping[str, Any],
             published: bool) -> dict[str, PlannedNetwork]:
    """Every network compared with its configuration, the set's own also with the published ones, and a chosen UNet with
    the base's: ControlNets and adapters fit no other."""
    networks = {}
    for name, source in sources.items():
        expected = None
        if source.stored.origin is PUBLISHED and published:
            expected = published_shapes(MANIFEST_OF[family, name])
        elif source.stored.origin is CHOSEN and name == "unet":
            expected = shapes_of(empty_network("unet", base_unet))
        networks[name] = plan(LABELS[name], name, source.config, source.stored, expected)
    return networks


def _tokenizers(folder: Path, family: Family) -> tuple[Path, ...]:
    """Folders of the vocabularies. A single file brings none: they come with the set."""
    paths = tuple(folder / name for name in (("tokenizer",) if family == "sd15" else ("tokenizer", "tokenizer_2")))
    for path in paths:
        if not (path / "tokenizer.json").is_file() and not (
                (path / "vocab.json").is_file() and (path / "merges.txt").is_file()):
            raise PUBLISHED.error("The vocabulary is missing.",
                                  f"{path} holds neither tokenizer.json nor vocab.json and merges.txt.")
    return paths
