# SPDX-License-Identifier: GPL-3.0-or-later
"""Attention shared between views against the same written out view by view."""

import pytest
import torch
from diffusers import UNet2DConditionModel

from backend.pipelines.flexisyncmvd.attention import (
    ViewSharing,
    ViewSharingAttention,
    Windows,
    shared_attention,
    sharing_views,
)
from backend.pipelines.flexisyncmvd.rig import CameraRig
from tests.flexisyncmvd.checkpoint_forms import TINY_UNET, randomized

RIG = CameraRig()


def written_out(query, key, value, sharing):
    """One sign's and view's attention after the other."""
    result = torch.empty_like(query)
    for sign in range(query.shape[0]):
        for view, near in enumerate(sharing.neighbors):
            mixed = [attend(query[sign, view], *(torch.cat([part[sign, i] for i in seen]) for part in (key, value)))
                     for seen in (near, sharing.references)]
            weight = sharing.reference_weight
            result[sign, view] = (mixed[0] + weight * mixed[1]) / (1 + weight)
    return result


def attend(query, key, value):
    """[tokens, heads, width]"""
    scores = torch.einsum("thd,shd->hts", query, key) / query.shape[-1] ** 0.5
    return torch.einsum("hts,shd->thd", scores.softmax(-1), value)


@pytest.mark.parametrize("chunk", [None, 1, 3])
@pytest.mark.parametrize("weight", [0.0, 1.0, 0.5])
@pytest.mark.parametrize("rig", [
    RIG, CameraRig(CameraRig.even(5)), CameraRig(CameraRig.even(4), top_cameras=False),
    CameraRig(CameraRig.even(4), bottom_cameras=True),
], ids=lambda rig: f"{len(rig.poses)}")
def test_views_read_their_neighbors(rig, weight, chunk):
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, len(rig.poses), 6, 2, 4).unbind()
    sharing = ViewSharing(rig.neighbors, (rig.front,), weight, chunk)
    torch.testing.assert_close(shared_attention(query, key, value, sharing), written_out(query, key, value, sharing))


def test_ring_is_read_without_a_copy_for_every_reader():
    windows = Windows.over(RIG.neighbors, 0, 8)
    assert windows.order == (7, 0, 1, 2, 3, 4, 5, 6, 7, 0)
    source = torch.randn(10, 3, 2, 4)
    read = windows.read(source)
    assert read.untyped_storage().nbytes() == 10 * 3 * 2 * 4 * 4
    for view, near in enumerate(RIG.neighbors[:8]):
        assert torch.equal(read[view], torch.cat([source[i] for i in near]))


def test_signs_do_not_mix():
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 10, 6, 2, 4).unbind()
    sharing = ViewSharing(RIG.neighbors, (RIG.front,), 1.0)
    before = shared_attention(query, key, value, sharing)
    value[1] += 1
    assert torch.equal(shared_attention(query, key, value, sharing)[0], before[0])


@torch.no_grad()
@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_both_signs_in_one_batch_are_as_one_after_the_other(family):
    """Also where the first layer is computed once for both."""
    unet = randomized(UNet2DConditionModel.from_config(TINY_UNET[family]), 0)
    sample = torch.randn(4, 4, 16, 16)
    width = unet.config.cross_attention_dim
    text, pooled = torch.randn(8, 3, width), torch.randn(8, 16)
    rig = CameraRig(CameraRig.even(4), top_cameras=False)
    sizes = torch.tensor([[128.0, 128, 0, 0, 128, 128]])

    def outputs(rows):
        added = {"text_embeds": pooled[rows], "time_ids": sizes.expand(len(rows), -1)} if family == "sdxl" else None
        given = sample.repeat(len(rows) // 4, 1, 1, 1)
        return unet(given, 500, text[rows], added_cond_kwargs=added).sample

    before = dict(unet.attn_processors)
    with sharing_views(unet, ViewSharing(rig.neighbors, (rig.front,), 1.0)):
        together = outputs(list(range(8)))
        apart = torch.cat([outputs([0, 1, 2, 3]), outputs([4, 5, 6, 7])])
        alike = [name for name, processor in unet.attn_processors.items()
                 if isinstance(processor, ViewSharingAttention) and processor.alike]
    assert unet.attn_processors == before
    assert len(alike) == (family == "sd15")
    torch.testing.assert_close(together, apart)
