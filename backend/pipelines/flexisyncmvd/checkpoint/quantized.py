# SPDX-License-Identifier: GPL-3.0-or-later
"""Files whose tensors were made smaller: those of scaled fp8 are multiplied, other forms are refused by name."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ...common.checkpoint_shapes import Origin

SCALES = (".scale_weight", ".weight_scale")
"""Behind a layer's name: what its fp8 weight is multiplied by, in the two forms that are around."""
_NOT_OF_WEIGHTS = (".scale_input", ".input_scale", "scaled_fp8", ".comfy_quant")
"""Scales of what layers are given, and marks: weights in half precision need none."""
_FORMS = {".absmax": "bitsandbytes (NF4 or FP4)", ".quant_map": "bitsandbytes (NF4 or FP4)", ".qweight": "GPTQ or AWQ",
          ".SCB": "bitsandbytes (8 bit)", ".weight_scale_2": "NVFP4"}
_FP8 = (torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz)


def plain_tensors(name: str, tensors: Mapping[str, Tensor], origin: Origin) -> dict[str, Tensor]:
    """The file's tensors as its networks have them; those of scaled fp8 become float16.

    Raises CheckpointError that names a form of quantization that is not read.
    """
    for end, form in _FORMS.items():
        if any(key.endswith(end) for key in tensors):
            raise origin.error(f"{name} is of a kind that is not read.", f"It is quantized: {form}.")
    plain = {}
    for key, tensor in tensors.items():
        if key.endswith((*SCALES, *_NOT_OF_WEIGHTS)):
            continue
        others = (key.removesuffix(".weight") + end for end in SCALES)
        scale = next((tensors[other] for other in others if other in tensors), None)
        if scale is None or tensor.dtype not in _FP8 or not key.endswith(".weight"):
            plain[key] = tensor
            continue
        rows = scale.float().reshape(-1, *[1] * (tensor.ndim - 1)) if scale.numel() > 1 else scale.float().reshape(())
        if scale.numel() not in (1, len(tensor)):
            raise origin.error(f"{name} is of a kind that is not read.",
                               f"It is quantized: {key} has {scale.numel()} scales for {len(tensor)} rows.")
        plain[key] = (tensor.float() * rows).half()
    return plain
