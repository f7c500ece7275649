# SPDX-License-Identifier: GPL-3.0-or-later
"""DINOv2's tokens: any size, before or after the last norm, with or without the class token."""

import pytest
import torch
from torch.nn import functional
from transformers import Dinov2Config, Dinov2Model

from backend.pipelines.common.image_condition import image_tokens, middle, normalize_image

TINY = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 28, "patch_size": 14}


@pytest.fixture(scope="module")
def encoder() -> Dinov2Model:
    torch.manual_seed(0)
    encoder = Dinov2Model(Dinov2Config(**TINY)).eval()
    torch.nn.init.normal_(encoder.embeddings.position_embeddings)
    torch.nn.init.normal_(encoder.layernorm.weight)
    torch.nn.init.normal_(encoder.layernorm.bias)
    return encoder


@torch.no_grad()
def test_the_last_norm_is_all_that_lies_between(encoder):
    images = torch.rand(2, 3, 28, 28)
    after, before = image_tokens(encoder, images), image_tokens(encoder, images, last_norm=False)
    torch.testing.assert_close(encoder.layernorm(before.all), after.all)
    torch.testing.assert_close(after.all, encoder(normalize_image(images)).last_hidden_state)
    assert not torch.allclose(before.all, after.all, atol=0.1)


@torch.no_grad()
def test_a_failure_leaves_no_hook(encoder, monkeypatch):
    def out_of_memory(*_arguments, **_options):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(encoder.encoder, "forward", out_of_memory)
    with pytest.raises(torch.OutOfMemoryError):
        image_tokens(encoder, torch.rand(1, 3, 28, 28), last_norm=False)
    assert not encoder.layernorm._forward_pre_hooks


@torch.no_grad()
def test_class_token_and_patches_are_all_tokens(encoder):
    tokens = image_tokens(encoder, torch.rand(2, 3, 28, 28))
    assert tokens.class_token.shape == (2, 24)
    assert tokens.patches.shape == (2, 4, 24)
    assert torch.equal(torch.cat([tokens.class_token[:, None], tokens.patches], dim=1), tokens.all)


@pytest.mark.parametrize(("height", "width"), [(14, 14), (56, 56), (42, 70)])
@torch.no_grad()
def test_positions_are_interpolated_to_other_sizes(encoder, height, width):
    """Of an image of one color only the positions tell the patches apart: before the first block they are those,
    bicubic between the four that the encoder was trained with."""
    seen = []
    hook = encoder.encoder.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    tokens = image_tokens(encoder, torch.full((1, 3, height, width), 0.5))
    hook.remove()
    rows, columns = height // 14, width // 14
    assert tokens.patches.shape == (1, rows * columns, 24)
    learned = encoder.embeddings.position_embeddings[:, 1:].reshape(1, 2, 2, 24).permute(0, 3, 1, 2)
    expected = functional.interpolate(learned, (rows, columns), mode="bicubic", align_corners=False)
    found = seen[0][0, 1:] - seen[0][0, 1]
    positions = expected.flatten(2)[0].T
    torch.testing.assert_close(found, positions - positions[0], atol=1e-5, rtol=1e-5)


def test_images_are_normalized_channel_by_channel():
    normalized = normalize_image(torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1) + 0.1)
    torch.testing.assert_close(normalized.flatten(), 0.1 / torch.tensor([0.229, 0.224, 0.225]))


def test_the_middle_of_an_image():
    image = torch.arange(6 * 8).view(1, 6, 8)
    assert middle(image, 2).tolist() == [[[19, 20], [27, 28]]]
