# SPDX-License-Identifier: GPL-3.0-or-later
"""The prompt of each view names its side of the object (docs/algorithms/flexisyncmvd.md, section 6)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from .rig import Pose

DIRECTIONS = ("", "front", "side", "back", "top", "bottom")
STEEP, FRONT, BACK = 30.0, 30.0, 120.0


def suffix(direction: str) -> str:
    """The words after the prompt that name the side; none without a direction."""
    return f", {direction} view." if direction else ""


def positive_direction(pose: Pose) -> str:
    """The side that a camera sees."""
    if abs(pose.elevation) > STEEP:
        return "top" if pose.elevation > 0 else "bottom"
    turn = _from_front(pose)
    if turn <= FRONT:
        return "front"
    return "back" if turn >= BACK else "side"


def negative_direction(pose: Pose) -> str:
    """The side that a camera must not see: the front, unless it stands before it."""
    return "" if _from_front(pose) < FRONT else "front"


def _from_front(pose: Pose) -> float:
    return abs((pose.azimuth + 180) % 360 - 180)


@dataclass(frozen=True)
class TextEncoding:
    """`sequence` [N, 77, width], and SDXL's `pooled` [N, width]."""

    sequence: Tensor
    pooled: Tensor | None = None

    def select(self, rows: Sequence[int]) -> "TextEncoding":
        """Some of the texts, in the order of `rows`."""
        index = torch.tensor(rows, device=self.sequence.device)
        return TextEncoding(self.sequence[index], None if self.pooled is None else self.pooled[index])

    def to(self, device: torch.device | str, dtype: torch.dtype) -> "TextEncoding":
        """Moved and converted."""
        pooled = None if self.pooled is None else self.pooled.to(device, dtype)
        return TextEncoding(self.sequence.to(device, dtype), pooled)


@dataclass(frozen=True)
class ViewPrompts:
    """What every view shall and shall not show."""

    positive: TextEncoding
    negative: TextEncoding


def of_views(positive: TextEncoding, negative: TextEncoding, poses: Sequence[Pose]) -> ViewPrompts:
    """Pick the variant of each view from encodings of all `DIRECTIONS`."""
    return ViewPrompts(
        positive.select([DIRECTIONS.index(positive_direction(pose)) for pose in poses]),
        negative.select([DIRECTIONS.index(negative_direction(pose)) for pose in poses]),
    )


def token_ids(tokenizer: CLIPTokenizer, text: str, ending: str) -> Tensor:
    """Token ids int64 [77] of the text and its ending. A long text is cut before the ending."""
    longest = tokenizer.model_max_length
    whole = tokenizer(text + ending, truncation=False, verbose=False).input_ids
    if len(whole) > longest:
        kept = tokenizer(ending, add_special_tokens=False).input_ids
        body = tokenizer(text, add_special_tokens=False, verbose=False).input_ids[: longest - 2 - len(kept)]
        whole = [tokenizer.bos_token_id, *body, *kept, tokenizer.eos_token_id]
    return torch.tensor(whole + [tokenizer.pad_token_id] * (longest - len(whole)))


def words_cut(tokenizer: CLIPTokenizer, text: str) -> bool:
    """Whether the text is too long to be read whole together with its longest ending."""
    endings = [suffix(direction) for direction in DIRECTIONS]
    counts = [len(tokenizer(text + ending, truncation=False, verbose=False).input_ids) for ending in endings]
    return max(counts) > tokenizer.model_max_length


Encoder = tuple[CLIPTokenizer, CLIPTextModel | CLIPTextModelWithProjection]


def encode(
    encoders: Sequence[Encoder],
    text: str,
    endings: Sequence[str],
    device: torch.device | str,
) -> TextEncoding:
    """Encode the text with each of the endings by the one encoder of Stable Diffusion 1.5 or the two of SDXL."""
    hidden, pooled = [], None
    for tokenizer, model in encoders:
        ids = torch.stack([token_ids(tokenizer, text, ending) for ending in endings])
        output = model(ids.to(device), output_hidden_states=len(encoders) > 1)
        hidden.append(output.hidden_states[-2] if len(encoders) > 1 else output.last_hidden_state)
        pooled = output.text_embeds if len(encoders) > 1 and "text_embeds" in output else pooled
    return TextEncoding(torch.cat(hidden, dim=-1), pooled)
