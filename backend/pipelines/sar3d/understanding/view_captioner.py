# SPDX-License-Identifier: GPL-3.0-or-later
"""A general vision-language model that describes an object from rendered views. It does not know SAR3D's tokens."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from ...common.checkpoint_shapes import PUBLISHED, CheckpointError
from ...common.saved_network import read_saved
from .text_generation import Finite, Watched

QUESTION = "Describe this 3D object in one short sentence: what it is, its color, material and parts."
"""Asked of models that take instructions; plain captioners are asked nothing."""
MOST_NEW_TOKENS = 64


class ViewCaptioner:
    """Describes images of one object."""

    def __init__(self, processor: Any, model: Any):
        self.processor, self.model = processor, model

    @classmethod
    def load(cls, folder: Path, dtype: torch.dtype, device: torch.device | str) -> "ViewCaptioner":
        """The model in `folder`, in transformers' form. Nothing is fetched or run. Raises CheckpointError."""
        options = {"local_files_only": True, "trust_remote_code": False}
        try:
            processor = AutoProcessor.from_pretrained(folder, **options)
            model = read_saved(AutoModelForImageTextToText, folder, dtype, PUBLISHED)
        except (OSError, ValueError, ImportError, KeyError) as error:
            raise CheckpointError(f"{folder.name} holds no vision-language model.", str(error),
                                  "Download it again, or choose a folder in the form of transformers.") from error
        return cls(processor, model.to(device))

    @torch.inference_mode()
    def describe(self, images: np.ndarray, report: Callable[[int, int], None]) -> str:
        """A sentence about the object in uint8 `[V, N, N, 3]`.

        A model that takes instructions sees all views together; a captioner sees each, and of its captions the one that
        it is surest of is taken.
        """
        views = [Image.fromarray(image) for image in images]
        if getattr(self.processor, "chat_template", None):
            return self._answer(views, report)
        return self._surest_caption(views, report)

    def _answer(self, views: list[Image.Image], report: Callable[[int, int], None]) -> str:
        content = [*({"type": "image", "image": view} for view in views), {"type": "text", "text": QUESTION}]
        inputs = self.processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=True, return_dict=True,
            return_tensors="pt",
        )
        written = self._generate(inputs, report).sequences[:, inputs["input_ids"].shape[1] :]
        return self._text(written[0])

    def _surest_caption(self, views: list[Image.Image], report: Callable[[int, int], None]) -> str:
        # On Apple's GPUs transformers 5.23 looks for layers that the cache of a model with two stacks does not have.
        cached = self.model.device.type != "mps"
        output = self._generate(self.processor(images=views, return_tensors="pt"), report, cached)
        sureness = self.model.compute_transition_scores(output.sequences, output.scores, normalize_logits=True)
        likely = sureness.masked_fill(~sureness.isfinite(), 0).mean(dim=1)
        return self._text(output.sequences[int(likely.argmax())])

    def _generate(self, inputs: Any, report: Callable[[int, int], None], cached: bool = True) -> Any:
        inputs = {name: value.to(self.model.device, self.model.dtype if value.is_floating_point() else None)
                  for name, value in inputs.items()}
        return self.model.generate(
            **inputs, use_cache=cached, max_new_tokens=MOST_NEW_TOKENS, do_sample=False, return_dict_in_generate=True,
            output_scores=True, logits_processor=[Finite()], stopping_criteria=[Watched(report, MOST_NEW_TOKENS)],
        )

    def _text(self, tokens: torch.Tensor) -> str:
        return str(self.processor.decode(tokens, skip_special_tokens=True)).strip()
