# SPDX-License-Identifier: GPL-3.0-or-later
"""LoRAs, added to the weights while a checkpoint is read: W + strength · alpha / rank · up · down.

Added once they cost nothing in a step, and the sum is taken in float32 before it is rounded to half precision. Each
file is compared with the networks first: a LoRA of another family is refused before anything is read.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...common.checkpoint import Change
from .files import Stored
from .lora_names import module_names

_MATRICES = {
    "lora_down.weight": "down", "lora_up.weight": "up", "lora_mid.weight": "mid",
    "lora_A.weight": "down", "lora_B.weight": "up", "lora_A.default.weight": "down", "lora_B.default.weight": "up",
    "lora.down.weight": "down", "lora.up.weight": "up",
    "lora_linear_layer.down.weight": "down", "lora_linear_layer.up.weight": "up",
    "alpha": "alpha",
}
"""The ends of tensors' names in kohya's form, in PEFT's, and in two older ones of diffusers."""
_UNREAD = {"hada_": "a LoHa", "lokr_": "a LoKr", "dora_scale": "a DoRA", "lora_magnitude_vector": "a DoRA",
           ".diff.": "a full difference", ".diff_b.": "a full difference"}
_APART = {"bundle_emb.": "embeddings (words of its own)", ".w_norm": "trained norms", ".b_norm": "trained norms"}
"""What a LoRA may bring along that is not used, by a part of its tensors' names."""
_EMBEDDING = ("emb_params", "string_to_param", "clip_l", "clip_g")
"""Tensors of a file that is an embedding (textual inversion) as a whole."""
_END = re.compile(rf"[._]({'|'.join(re.escape(end) for end in _MATRICES)})$")
_HEADER = "lora_adapter_metadata"


@dataclass(frozen=True)
class LoraFile:
    """An opened LoRA and how strongly it counts; 1 is as trained, below 0 turns it round."""

    stored: Stored
    strength: float = 1.0


@dataclass
class _Matrices:
    """One layer's share of a LoRA. `mid` is there in some convolutions."""

    down: Tensor | None = None
    up: Tensor | None = None
    mid: Tensor | None = None
    alpha: Tensor | float | None = None


@dataclass(frozen=True)
class _Addition:
    down: Tensor
    up: Tensor
    mid: Tensor | None
    scale: float

    def on(self, weight: Tensor) -> Tensor:
        """The addition in float32, in the weight's shape and on its device."""
        down, up = (tensor.to(weight.device, torch.float32) for tensor in (self.down, self.up))
        if self.mid is None:
            product = up.flatten(1) @ down.flatten(1)
        else:
            mid = self.mid.to(weight.device, torch.float32)
            product = torch.einsum("or,rskl,si->oikl", up.flatten(1), mid, down.flatten(1))
        return self.scale * product.reshape(weight.shape)


class LoraSum:
    """All additions of some LoRAs to the named networks: `of` gives what changes a network's weights, and `remarks`
    says what of the files is not used.

    Args:
        networks: "unet", "text_encoder" and for SDXL "text_encoder_2"; they need no memory.
        files: of LoRAs. Raises CheckpointError that names the first layers that do not fit.
    """

    def __init__(self, networks: Mapping[str, nn.Module], files: Iterable[LoraFile]) -> None:
        self.remarks: list[str] = []
        self._additions: dict[tuple[str, str], list[_Addition]] = {}
        names = module_names(networks)
        weights = {(network, name): module.weight.shape for network, whole in networks.items()
                   for name, module in whole.named_modules() if isinstance(getattr(module, "weight", None), Tensor)}
        for file in files:
            self._take(file, names, weights)

    def of(self, network: str) -> Change:
        """What the LoRAs make of that network's weights: the sum in float32, or the weight itself."""
        def changed(parameter: str, weight: Tensor) -> Tensor:
            layer, _, kind = parameter.rpartition(".")
            additions = self._additions.get((network, layer), ()) if kind == "weight" else ()
            return weight.float() + sum(addition.on(weight) for addition in additions) if additions else weight

        return changed

    def _take(self, file: LoraFile, names: Mapping[str, tuple[str, str]],
              weights: Mapping[tuple[str, str], torch.Size]) -> None:
        wrong = []
        unused = {kind for name in file.stored.tensors for sign, kind in _APART.items() if sign in f".{name}"}
        self.remarks += [f"The LoRA {file.stored.name} also brings {' and '.join(sorted(unused))}, which are not used."
                         ] if unused else []
        for stem, matrices in _grouped(file.stored).items():
            place = names.get(stem)
            if place is None:
                wrong.append(f"there is no layer {stem}")
            elif complaint := _complaint(matrices, weights[place]):
                wrong.append(f"{stem} {complaint}")
            else:
                self._additions.setdefault(place, []).append(_addition(matrices, file.strength))
        if wrong:
            more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
            raise file.stored.origin.error(
                f"The LoRA {file.stored.name} does not fit the checkpoint.",
                f"{'; '.join(wrong[:3])}{more}. It was made for another family, or for other networks.")


def _grouped(stored: Stored) -> dict[str, _Matrices]:
    """The file's matrices by layer. Raises CheckpointError for what is no LoRA."""
    for sign, kind in _UNREAD.items():
        if any(sign in f"{name}." for name in stored.tensors):
            raise stored.origin.error(f"The LoRA {stored.name} has a format that is not supported.",
                                      f"It is {kind}; only plain LoRAs (also of convolutions) are.")
    if any(name.split(".")[0] in _EMBEDDING for name in stored.tensors):
        raise stored.origin.error(f"{stored.name} is not a LoRA.", "It is an embedding (textual inversion).")
    layers: dict[str, _Matrices] = {}
    for name, tensor in stored.tensors.items():
        if any(sign in f".{name}" for sign in _APART):
            continue
        found = _END.search(name)
        if found is None:
            raise stored.origin.error(f"{stored.name} is not a LoRA.", f"It holds {name}.")
        stem = name[:found.start()].replace(".processor", "").removesuffix("_lora")
        setattr(layers.setdefault(stem, _Matrices()), _MATRICES[found.group(1)], tensor)
    if not layers:
        raise stored.origin.error(f"{stored.name} is not a LoRA.", "It holds none of a LoRA's tensors.")
    _take_alphas(stored, layers)
    return layers


def _take_alphas(stored: Stored, layers: Mapping[str, _Matrices]) -> None:
    """PEFT writes alpha into the header and not next to the matrices."""
    try:
        header = json.loads(stored.remarks.get(_HEADER, "{}"))
    except (ValueError, RecursionError) as error:
        raise stored.origin.error(f"{stored.name} cannot be read.", "Its header is damaged.", str(error)) from error
    for stem, matrices in layers.items():
        network, _, layer = stem.partition(".")
        alpha = header.get(f"{network}.lora_alpha")
        for pattern, own in (header.get(f"{network}.alpha_pattern") or {}).items():
            alpha = own if re.fullmatch(rf"(.*\.)?{pattern}", layer) else alpha
        if matrices.alpha is None and alpha is not None and matrices.down is not None:
            rooted = header.get(f"{network}.use_rslora")
            matrices.alpha = float(alpha) * (len(matrices.down) ** 0.5 if rooted else 1.0)


def _complaint(matrices: _Matrices, shape: torch.Size) -> str:
    """What is wrong with the matrices for a weight of that shape, in words, or ""."""
    down, up, mid = matrices.down, matrices.up, matrices.mid
    if down is None or up is None:
        return "has one matrix instead of two"
    inner = down[0].numel() if mid is None else down[0].numel() * mid[0, 0].numel()
    ranks = (up.shape[1], len(down)) if mid is None else (up.shape[1], len(mid))
    fits = len(shape) > 1 and len(up) == shape[0] and inner == shape[1:].numel() and ranks[0] == ranks[1]
    return "" if fits else f"is for a layer [{len(up)}, {inner}], and it is {list(shape)}"


def _addition(matrices: _Matrices, strength: float) -> _Addition:
    assert matrices.down is not None and matrices.up is not None
    rank = len(matrices.down)
    alpha = rank if matrices.alpha is None else float(matrices.alpha)
    return _Addition(matrices.down, matrices.up, matrices.mid, strength * alpha / rank)
