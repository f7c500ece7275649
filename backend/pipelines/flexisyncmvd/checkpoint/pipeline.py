# SPDX-License-Identifier: GPL-3.0-or-later
"""From a set of weights to a pipeline that is ready to paint, kept until a job asks for another."""

import gc
from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import MultiControlNetModel
from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

from ....contract import Resources, WeightSet
from ....contract.reports import LoadReport, ignore
from ...common.components import CLIP_VIT_H
from ...common.memory import offloads, resting_device
from ..pipeline import FlexiSyncMVDPipeline
from ..placement import place
from ..schedule import ddpm_scheduler
from .choice import CheckpointChoice
from .components import Components
from .library import AS_PUBLISHED, CheckpointLibrary

_SCHEDULE = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "rescale_betas_zero_snr")
"""What the DDPM sampler takes from a checkpoint's scheduler: how the network was trained, not how it was sampled."""


class CheckpointPipelines:
    """Pipelines over one set of weights in a folder: the last one is kept.

    float16 on GPUs, float32 on the CPU. With low memory the networks wait on the CPU, mapped from their files.
    `remarks` say what of the last pipeline's files is not used.
    """

    def __init__(self, weights: WeightSet, folder: Path, resources: Resources) -> None:
        on_cpu = resources.device == "cpu"
        dtype = torch.float32 if on_cpu else torch.float16
        self.resources = resources
        shared = None if weights.bundled else resources.components.get(CLIP_VIT_H.name)
        self.library = CheckpointLibrary(folder, dtype, resting_device(resources), not weights.bundled, shared)
        self.remarks: tuple[str, ...] = ()
        self._pipeline: FlexiSyncMVDPipeline | None = None
        self._asked: tuple[object, ...] = ()

    def pipeline(
        self, choice: CheckpointChoice = AS_PUBLISHED, controls: Sequence[str] = (), image: bool = False,
        report: LoadReport = ignore,
    ) -> FlexiSyncMVDPipeline:
        """The chosen checkpoint with a ControlNet for each of `controls`, and with `image` the IP-Adapter.

        `report` is called with what is being read and may raise to cancel. Raises CheckpointError.
        """
        asked = (choice, tuple(controls), image)
        if self._pipeline is not None and asked == self._asked and self.library.holds(choice):
            self._pipeline.maybe_free_model_hooks()  # a cancelled run leaves networks on the GPU
            return self._pipeline
        self._retire()  # what is not needed any more makes room
        components = self.library.components(choice, controls, image, report)
        self.remarks = components.remarks
        self._pipeline, self._asked = place(assemble(components), self.resources), asked
        return self._pipeline

    def _retire(self) -> None:
        """Bring what the last pipeline left on the GPU back to where it waits."""
        if self._pipeline is not None and offloads(self.resources):
            self._pipeline.remove_all_hooks()
            self._pipeline.to(self.library.device, silence_dtype_warnings=True)
        self._pipeline = None
        gc.collect()  # pipelines and hooks refer to each other


def assemble(components: Components) -> FlexiSyncMVDPipeline:
    """A pipeline of these networks, with the DDPM sampler on the checkpoint's own schedule.

    See docs/algorithms/flexisyncmvd.md, section 7.
    """
    first, *second = zip(components.text_encoders, components.tokenizers, strict=True)
    schedule = {name: components.scheduler_config[name] for name in _SCHEDULE if name in components.scheduler_config}
    nets = list(components.controlnets.values())
    return FlexiSyncMVDPipeline(
        vae=components.vae,
        text_encoder=first[0],
        tokenizer=first[1],
        unet=components.unet,
        scheduler=ddpm_scheduler(components.prediction_type, **schedule),
        controlnet=MultiControlNetModel(nets) if nets else None,
        text_encoder_2=second[0][0] if second else None,
        tokenizer_2=second[0][1] if second else None,
        image_encoder=components.image_encoder,
        feature_extractor=_image_processor(components.image_encoder),
        control_kinds=list(components.controlnets),
    )


def _image_processor(encoder: CLIPVisionModelWithProjection | None) -> CLIPImageProcessor | None:
    """CLIP's own preparation at the encoder's size: shortest side, bicubic, center.

    See docs/algorithms/flexisyncmvd.md, section 9.
    """
    if encoder is None:
        return None
    size = encoder.config.image_size
    return CLIPImageProcessor(size={"shortest_edge": size}, crop_size={"height": size, "width": size})
