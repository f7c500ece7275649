# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions of the transformer: a prompt through CLIP's text tower, an image through DINOv2, and nothing."""

import hashlib
import io
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer, Dinov2Model

from ...contract import MeshwrightError
from ..common.image_condition import ImageTokens, image_tokens
from .image_views import SQUARE, encoder_image
from .transformer import Condition

logger = logging.getLogger(__name__)

PUBLISHED_ARRAYS = {
    "empty_text_embedding.npy": "d94d687c06b0152160c7eaf256f92a5210d4fc6c171d6718aa1473ebacc6d4fc",
    "empty_dino_embedding.npy": "5941f9fd549e7ca18e3f1dff4ec9e0876395654cecadeb88dfdfc7efc336e84b",
}
"""SHA-256 of the published conditions of nothing. They lie in the code's repository, not with the weights."""
NULL_IMAGE_ROWS = {
    0: (-0.7217866, -0.5419295, -1.5828454, -0.2552586, 0.8851321, -0.7966268, -0.4584964, -1.3082396),
    1: (-0.585491, -0.798367, -1.001872, -0.681636),
    128: (-2.687404, -0.567761, -0.169167, -1.038444),
    256: (-1.097500, 0.031245, -0.770712, -1.037980),
}
"""How some rows of DINOv2's published output for nothing begin, to find out which image it was made from."""
NULL_IMAGE_TOLERANCE = 0.05
BLANKS = {"white": 255, "black": 0}


@torch.no_grad()
def text_condition(prompts: Sequence[str], tokenizer: CLIPTokenizer, text_encoder: CLIPTextModel) -> Condition:
    """The condition of each prompt, float32 on the encoder's device; what is beyond the encoder's length is cut."""
    ids = tokenizer(
        list(prompts), padding="max_length", truncation=True, max_length=text_length(text_encoder), return_tensors="pt"
    ).input_ids
    output = text_encoder(ids.to(text_encoder.device))
    return Condition(output.pooler_output.float(), output.last_hidden_state.float())


def text_length(text_encoder: CLIPTextModel) -> int:
    """The most tokens of a prompt, its start and end among them."""
    return int(text_encoder.config.max_position_embeddings)


def count_tokens(prompt: str, tokenizer: CLIPTokenizer) -> int:
    """Tokens of a prompt, its start and end among them."""
    return len(tokenizer(prompt, truncation=False, verbose=False).input_ids)


@torch.no_grad()
def image_condition(square: NDArray[np.uint8], image_encoder: Dinov2Model) -> Condition:
    """The condition of an image uint8 `[256, 256, 3]`: patches as tokens, the class token pooled."""
    return pooled_condition(image_features(square, image_encoder))


def image_features(square: NDArray[np.uint8], image_encoder: Dinov2Model) -> ImageTokens:
    """DINOv2's tokens of a square, `[1, 1 + T, Dc]`."""
    return image_tokens(image_encoder, encoder_image(square).to(image_encoder.device))


def pooled_condition(tokens: ImageTokens) -> Condition:
    """The condition of DINOv2's tokens, float32: the patches, and the class token for all of them."""
    return Condition(tokens.class_token.float(), tokens.patches.float())


def blank_square(value: int) -> NDArray[np.uint8]:
    """A square of one gray value, uint8 [256, 256, 3]."""
    return np.full((SQUARE, SQUARE, 3), value, np.uint8)


def null_text_condition(folder: Path, tokenizer: CLIPTokenizer, text_encoder: CLIPTextModel) -> Condition:
    """The published condition of no prompt: from its file in `folder` if that is there, else of the empty prompt.

    Raises MeshwrightError for a file with another content.
    """
    published = published_array(folder, "empty_text_embedding.npy")
    if published is None:
        return text_condition([""], tokenizer, text_encoder)
    tokens = published[None].to(text_encoder.device)
    return Condition(tokens[:, 1], tokens)  # as published, the pooled row is the first end token's


@torch.no_grad()
def null_image_condition(folder: Path, image_encoder: Dinov2Model) -> Condition:
    """The published condition of no image: from its file in `folder` if that is there, else of a blank image.

    It is not known whether that was white or black; the published output's first numbers decide. Raises
    MeshwrightError for a file with another content.
    """
    published = published_array(folder, "empty_dino_embedding.npy")
    if published is not None:
        return pooled_condition(ImageTokens(published[None].to(image_encoder.device)))
    candidates = {name: image_features(blank_square(value), image_encoder) for name, value in BLANKS.items()}
    distances = {name: fingerprint_distance(features.all[0]) for name, features in candidates.items()}
    nearest = min(distances, key=lambda name: distances[name])
    logger.info("the condition of no image is that of a %s one, %.4f from the published", nearest, distances[nearest])
    if distances[nearest] > NULL_IMAGE_TOLERANCE:
        logger.warning(
            "No blank image gives the published condition of nothing: the nearest, %s, is off by %.2f. Guidance may "
            "work less well; put empty_dino_embedding.npy of the model's code repository into %s.",
            nearest, distances[nearest], folder,
        )
    return pooled_condition(candidates[nearest])


def fingerprint_distance(features: Tensor) -> float:
    """The largest difference of DINOv2's output `[1 + T, Dc]` from the published one, where that is known."""
    features = features.float().cpu()
    known = [(features[row, : len(values)], torch.tensor(values)) for row, values in NULL_IMAGE_ROWS.items()]
    return max(float((found - expected).abs().max()) for found, expected in known)


def published_array(folder: Path, name: str) -> Tensor | None:
    """A published array from `folder`, float32, or None if it is missing. Raises MeshwrightError for another one."""
    path = folder / name
    if not path.is_file():
        return None
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != PUBLISHED_ARRAYS[name]:
        raise MeshwrightError(f"{name} is not the published array.", "Its content differs.",
                              f"Delete it from {folder}, or put the published one there.")
    return torch.from_numpy(np.load(io.BytesIO(content), allow_pickle=False)).float()
