# SPDX-License-Identifier: GPL-3.0-or-later
"""The published networks at full size, without memory: every published tensor has its place.

See docs/algorithms/flexisyncmvd.md, section 9.
"""

import json

import pytest
import torch
from safetensors.torch import save_file

from backend.pipelines.common.checkpoint_shapes import CheckpointError
from backend.pipelines.flexisyncmvd.checkpoint.adapter import attach_adapter, check_adapter
from backend.pipelines.flexisyncmvd.checkpoint.choice import CheckpointChoice
from backend.pipelines.flexisyncmvd.checkpoint.files import Stored, published_shapes
from backend.pipelines.flexisyncmvd.checkpoint.library import CheckpointLibrary
from backend.pipelines.flexisyncmvd.checkpoint.networks import canonical, empty_network, plan, shapes_of
from backend.pipelines.flexisyncmvd.checkpoint.single_file import converted
from backend.pipelines.flexisyncmvd.published_networks import CONFIGS, MANIFEST_OF

from .checkpoint_forms import original_unet, write_set

PARAMETERS = {
    ("sd15", "unet"): 859_520_964, ("sd15", "controlnet"): 361_279_120, ("sd15", "vae"): 83_653_863,
    ("sd15", "text_encoder"): 123_060_480, ("sd15", "image_encoder"): 632_076_800,
    ("sdxl", "unet"): 2_567_463_684, ("sdxl", "controlnet"): 1_251_014_160, ("sdxl", "vae"): 83_653_863,
    ("sdxl", "text_encoder"): 123_060_480, ("sdxl", "text_encoder_2"): 694_659_840,
    ("sdxl", "image_encoder"): 632_076_800,
}
ADAPTER_PARAMETERS = {"sd15": 49_087_488, "sdxl": 423_748_864}


def empty_file(network: str) -> Stored:
    """A published file with its names and shapes, and no memory."""
    return Stored(network, {name: torch.empty(shape, device="meta")
                            for name, shape in published_shapes(network).items()})


@pytest.mark.parametrize(("family", "component"), PARAMETERS)
def test_every_published_tensor_has_its_place(family, component):
    network = empty_network(component, CONFIGS[family][component])
    published = published_shapes(MANIFEST_OF[family, component])
    assert shapes_of(network) == {canonical(name): shape for name, shape in published.items()}
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS[family, component]
    planned = plan(component, component, CONFIGS[family][component], empty_file(MANIFEST_OF[family, component]),
                   published)
    assert planned.tensors.keys() == network.state_dict().keys()


@pytest.mark.parametrize("family", ADAPTER_PARAMETERS)
def test_the_published_adapters_fit_the_published_unets(family):
    stored, unet = empty_file(f"{family}-ip_adapter"), empty_network("unet", CONFIGS[family]["unet"])
    check_adapter(stored, unet, published_shapes(f"{family}-ip_adapter"))
    assert sum(tensor.numel() for tensor in stored.tensors.values()) == ADAPTER_PARAMETERS[family]
    layers = {name for name in stored.tensors if name.startswith("ip_adapter.")}
    assert len(layers) == {"sd15": 32, "sdxl": 140}[family]
    other = empty_network("unet", CONFIGS["sdxl" if family == "sd15" else "sd15"]["unet"])
    with pytest.raises(CheckpointError, match="does not contain the expected weights"):
        check_adapter(stored, other)


def test_a_published_adapter_attaches_at_full_size():
    unet = empty_network("unet", CONFIGS["sd15"]["unet"])
    assert hasattr(unet, "_load_ip_adapter_weights"), "attach_adapter calls it, and diffusers has moved it"
    adapter = {"image_proj": {}, "ip_adapter": {}}
    for name, tensor in empty_file("sd15-ip_adapter").tensors.items():
        part, _, inner = name.partition(".")
        adapter[part][inner] = tensor
    attach_adapter(unet, adapter)
    assert sum(tensor.numel() for name, tensor in unet.state_dict().items() if "_ip." in name) == \
        sum(tensor.numel() for tensor in adapter["ip_adapter"].values())
    assert unet.encoder_hid_proj.image_projection_layers[0].latents.shape == (1, 16, 768)


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_a_single_file_at_full_size_converts(family):
    """diffusers' conversion on the original names of all tensors of the published UNet."""
    config = CONFIGS[family]["unet"]
    unet = empty_network("unet", config)
    own = {f"model.diffusion_model.{name}": tensor for name, tensor in original_unet(unet).items()}
    assert len(own) == len(unet.state_dict())
    planned = plan("UNet", "unet", config, converted(Stored("file", own), family, "unet", config),
                   published_shapes(MANIFEST_OF[family, "unet"]))
    assert planned.tensors.keys() == unet.state_dict().keys()


def test_a_set_that_is_not_the_published_one_is_told_by_name(tmp_path):
    """The tiny set agrees with its own configuration, and still is not Stable Diffusion 1.5."""
    weights = write_set(tmp_path / "sd15", "sd15")
    CheckpointLibrary(weights, torch.float32, "cpu", published=False).components()
    read: list[str] = []
    with pytest.raises(CheckpointError) as caught:
        CheckpointLibrary(weights, torch.float32, "cpu").components(CheckpointChoice(), report=read.append)
    assert "base/unet/diffusion_pytorch_model.safetensors does not contain" in caught.value.report.what
    assert "down_blocks.0.attentions.1.norm.weight is missing" in caught.value.report.why
    assert caught.value.report.remedy == "download" and not read


def test_a_missing_tensor_and_a_wrong_shape_are_named(tmp_path):
    weights = write_set(tmp_path / "sd15", "sd15")
    library = CheckpointLibrary(weights, torch.float32, "cpu", published=False)
    network = library.components().vae.state_dict()
    network["encoder.conv_in.weight"] = network["encoder.conv_in.weight"][:4].clone()
    del network["decoder.conv_out.bias"]
    save_file(network, weights / "base" / "vae" / "diffusion_pytorch_model.safetensors")
    with pytest.raises(CheckpointError, match=r"decoder.conv_out.bias is missing; encoder.conv_in.weight has shape "
                                              r"\[4, 3, 3, 3\] instead of \[8, 3, 3, 3\]"):
        CheckpointLibrary(weights, torch.float32, "cpu", published=False).components()


def test_a_configuration_that_describes_nothing_is_told(tmp_path):
    weights = write_set(tmp_path / "sd15", "sd15")
    path = weights / "controlnet" / "depth" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"down_block_types": ["NoBlock"] * 4}))
    library = CheckpointLibrary(weights, torch.float32, "cpu", published=False)
    with pytest.raises(CheckpointError, match=r"configuration of controlnet/depth/.* cannot be used"):
        library.components(controls=("depth",))
    path.write_text("{")
    with pytest.raises(CheckpointError, match=r"controlnet/depth/config\.json cannot be read"):
        library.components(controls=("depth",))
