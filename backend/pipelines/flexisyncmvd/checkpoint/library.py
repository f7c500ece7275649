# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks of one set of weights, kept between jobs; each is read when a job first needs it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from diffusers import ControlNetModel
from torch import nn
from transformers import CLIPTokenizer, CLIPVisionModelWithProjection

from ....contract.reports import LoadReport, ignore
from ...common.checkpoint_shapes import Origin, Shapes
from ..published_networks import MANIFEST_OF
from .adapter import Adapter, attach_adapter, check_adapter, detach_adapter, read_adapter
from .choice import CheckpointChoice
from .components import Components, Family
from .files import Stored, open_component, open_stored, published_shapes, read_config
from .networks import PlannedNetwork, plan
from .own_controlnet import plan_own_controlnet
from .plan import (
    BASE,
    CONTROLNETS,
    STEMS,
    CheckpointPlan,
    family_of_unet,
    folder_or_file,
    plan_checkpoint,
)

ADAPTER_FILE = Path("ip_adapter") / "ip-adapter-plus.safetensors"
IMAGE_ENCODER = Path("ip_adapter") / "image_encoder"
AS_PUBLISHED = CheckpointChoice()
FULLER_SET = Origin("Choose or download weights that have it, or leave it out.")
WITH_TILE = Origin("Choose SDXL Complete or a Tile ControlNet of your own (under Advanced), or follow something else.")
DEPTH, TILE = "depth", "tile"
"""The ControlNet that every set has, and the one that may be the artist's own."""


class CheckpointLibrary:
    """One set of weights in a folder (its layout: `plan`).

    Args:
        folder: of the set; nothing but it, the shared image encoder and the chosen files is read, nothing is fetched.
        dtype: of the networks.
        device: where they are put. For offload it is "cpu".
        published: whether the set must be the published one, tensor by tensor.
        image_encoder: folder of the shared image encoder; None for the set's own.
    """

    def __init__(
        self, folder: Path, dtype: torch.dtype, device: torch.device | str, published: bool = True,
        image_encoder: Path | None = None,
    ) -> None:
        self.folder, self.dtype, self.device, self.published = folder, dtype, device, published
        self.image_encoder = image_encoder or folder / IMAGE_ENCODER
        self.family: Family = family_of_unet(read_config(folder / BASE / "unet"))
        self._fingerprint: tuple[object, ...] = ()
        self._checkpoint: Components | None = None
        self._controlnets: dict[str, ControlNetModel] = {}
        self._image_encoder: CLIPVisionModelWithProjection | None = None
        self._adapter: Adapter | None = None
        self._adapter_is_in = False

    def holds(self, choice: CheckpointChoice) -> bool:
        """Whether this choice's networks are kept, and its files have not changed."""
        return self._checkpoint is not None and _fingerprint(choice) == self._fingerprint

    def components(
        self, choice: CheckpointChoice = AS_PUBLISHED, controls: Sequence[str] = (), image: bool = False,
        report: LoadReport = ignore,
    ) -> Components:
        """Everything for one job: the chosen checkpoint, a ControlNet for each of `controls`, and with `image` the
        image encoder and the IP-Adapter, which is then in the UNet.

        All files are checked before the first is read. What the last job had and this one needs is kept, the rest is
        let go first. `report` is called with what is being read and may raise to cancel. Raises CheckpointError.
        """
        checkpoint = None if self.holds(choice) else plan_checkpoint(self.folder, choice, self.published)
        networks = {kind: self._plan_controlnet(kind, choice.tile if kind == TILE else None)
                    for kind in controls if kind not in self._controlnets or (kind == TILE and checkpoint is not None)}
        encoder = self._plan_image_encoder() if image and self._image_encoder is None else None
        adapter = self._open_adapter(checkpoint) if image and self._adapter is None else None
        self._let_go(checkpoint is not None, controls, image)
        if checkpoint is not None:
            self._read_checkpoint(checkpoint, report)
            self._fingerprint = _fingerprint(choice)
        for kind, planned in networks.items():
            self._controlnets[kind] = planned.filled(self.dtype, self.device, report)
        if encoder is not None:
            self._image_encoder = encoder.filled(self.dtype, self.device, report)
        if adapter is not None:
            self._adapter = read_adapter(adapter, self.dtype, self.device, report)
        return self._gathered(controls, image)

    def _let_go(self, replaced: bool, controls: Sequence[str], image: bool) -> None:
        """Make room for what will be read."""
        if replaced:
            self._checkpoint, self._adapter_is_in = None, False
            self._controlnets.pop(TILE, None)  # it may have been the last choice's own
        elif self._adapter_is_in and not image and self._checkpoint is not None:
            detach_adapter(self._checkpoint.unet)
            self._adapter_is_in = False
        self._controlnets = {kind: network for kind, network in self._controlnets.items() if kind in controls}
        if not image:
            self._image_encoder = self._adapter = None

    def _gathered(self, controls: Sequence[str], image: bool) -> Components:
        assert self._checkpoint is not None
        asked = {kind: self._controlnets[kind] for kind in controls}
        if image and not self._adapter_is_in and self._adapter is not None:
            attach_adapter(self._checkpoint.unet, self._adapter)
            self._adapter_is_in = True
        return replace(self._checkpoint, controlnets=asked, image_encoder=self._image_encoder, ip_adapter=self._adapter)

    def _read_checkpoint(self, planned: CheckpointPlan, report: LoadReport) -> None:
        tokenizers = tuple(CLIPTokenizer.from_pretrained(path, local_files_only=True) for path in planned.tokenizers)
        networks: dict[str, nn.Module] = {}
        for name, network in planned.networks.items():
            wide = name == "vae" and planned.wide_vae and self.dtype == torch.float16
            dtype = torch.float32 if wide else self.dtype
            networks[name] = network.filled(dtype, self.device, report, planned.additions.of(name))
        encoders = tuple(networks[name] for name in ("text_encoder", "text_encoder_2") if name in networks)
        self._checkpoint = Components(planned.family, networks["unet"], networks["vae"], encoders, tokenizers,
                                      planned.scheduler_config, remarks=tuple(planned.additions.remarks))

    def _plan_controlnet(self, kind: str, own: Path | None = None) -> PlannedNetwork:
        """The set's, or the artist's `own`."""
        folder = self.folder / CONTROLNETS / kind
        if own is not None:
            return plan_own_controlnet(f"own {kind} ControlNet", own, read_config(self.folder / CONTROLNETS / DEPTH))
        if not folder.is_dir():
            known = sorted(path.name for path in (self.folder / CONTROLNETS).glob("*") if path.is_dir())
            what, origin = (f"{kind} images", FULLER_SET) if kind != TILE else ("the texture so far", WITH_TILE)
            raise origin.error(f"These weights cannot follow {what}.", f"They can follow {', '.join(known) or 'none'}.")
        stored = open_component(folder, STEMS["controlnet"])
        return plan(f"{kind} ControlNet", "controlnet", read_config(folder), stored, self._published("controlnet"))

    def _plan_image_encoder(self) -> PlannedNetwork:
        if not self.image_encoder.is_dir():
            raise FULLER_SET.error("These weights cannot take an image.", f"{self.image_encoder} is missing.")
        return plan("image encoder", "image_encoder", read_config(self.image_encoder),
                    open_component(self.image_encoder, "model"), self._published("image_encoder"))

    def _open_adapter(self, checkpoint: CheckpointPlan | None) -> Stored:
        stored = open_stored(self.folder / ADAPTER_FILE)
        if checkpoint is not None:
            unet: nn.Module = checkpoint.networks["unet"].network
        else:
            assert self._checkpoint is not None  # it stays, since none is planned
            unet = self._checkpoint.unet
        check_adapter(stored, unet, self._published("ip_adapter"))
        return stored

    def _published(self, component: str) -> Shapes | None:
        return published_shapes(MANIFEST_OF[self.family, component]) if self.published else None


def _fingerprint(choice: CheckpointChoice) -> tuple[object, ...]:
    """Changes with the choice, and when a chosen file, or one in a chosen folder, was written again."""
    files = [lora.path for lora in choice.loras]
    if choice.checkpoint is not None:
        checkpoint = folder_or_file(choice.checkpoint)
        files += [checkpoint, *sorted(checkpoint.glob("*/*"))]  # each component has a folder
    if choice.tile is not None:
        files += [choice.tile, *sorted(choice.tile.glob("*"))]
    return choice, *((file, file.stat().st_mtime_ns) for file in files if file.exists())
