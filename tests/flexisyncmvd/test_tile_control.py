# SPDX-License-Identifier: GPL-3.0-or-later
"""Following the texture so far: each object's own reaches the images, and a ControlNet of one's own is taken."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel
from PIL import Image
from safetensors.torch import save_file

from backend.contract import BadInput, JobFolder, MeshData, Request, Resources
from backend.painting.scene import PaintedScene, strip_size
from backend.pipelines.common.checkpoint_shapes import CheckpointError
from backend.pipelines.flexisyncmvd import job
from backend.pipelines.flexisyncmvd.checkpoint.choice import CheckpointChoice
from backend.pipelines.flexisyncmvd.checkpoint.library import CheckpointLibrary
from backend.pipelines.flexisyncmvd.checkpoint.lora_names import original_name
from backend.pipelines.flexisyncmvd.conditioning import ControlKind
from backend.pipelines.flexisyncmvd.control_images import control_images
from backend.pipelines.flexisyncmvd.rig import CameraRig
from backend.pipelines.flexisyncmvd.schedule import ControlSchedule
from backend.pipelines.flexisyncmvd.settings import Scene, Sizes, TextureSettings

from ..painting.boxes import painted_box
from .checkpoint_forms import tiny_controlnet, write_set
from .test_job import FAST, Watcher
from .worker_child import TINY, TINY_SPEC

RED, BLUE = (255, 0, 0), (0, 0, 255)
STRONG = {"conditioning_scale": 2.0, "conditioning_scale_end": 2.0}
"""Random weights listen weakly."""


def plain(color: tuple[int, int, int], size: tuple[int, int] = (8, 8)) -> np.ndarray:
    """A texture of one color."""
    return np.full((*size, 3), color, np.uint8)


def box(color: tuple[int, int, int] | None, x: float = 0.0) -> MeshData:
    """A box that shows a color, or brings no texture."""
    return replace(painted_box((x, 0, 0)), texture=None if color is None else plain(color))


def images(*meshes: MeshData, kind: ControlKind = ControlKind.TILE) -> torch.Tensor:
    """What the ControlNet sees of meshes in the rig's frame, [V, 3, 256, 256]."""
    rig = CameraRig(CameraRig.even(4), top_cameras=False)
    whole = Scene.of(PaintedScene.build(meshes, rig.cameras(), 0.9, "cpu", 64), rig)
    settings = TextureSettings(Sizes(32, 32, 256, 64), controls={kind: ControlSchedule()})
    return control_images(whole, settings)[kind]


def shares(image: torch.Tensor) -> list[float]:
    """How much of an image [3, H, W] is plainly red, blue, and white."""
    colors = torch.tensor([RED, BLUE, (255, 255, 255)])[:, :, None, None] / 255
    return [float(((image - color).abs().amax(0) < 0.02).float().mean()) for color in colors]


def test_every_object_shows_its_own_texture_on_white():
    made = images(box(RED, -1.5), box(BLUE, 1.5))
    assert made.shape == (4, 3, 256, 256) and made.min() >= 0 and made.max() <= 1
    behind, from_left, front, from_right = made
    for half, own in ((front[:, :, :128], 0), (front[:, :, 128:], 1), (behind[:, :, 128:], 0), (behind[:, :, :128], 1),
                      (from_left, 0), (from_right, 1)):
        assert shares(half)[own] > 0.02 and shares(half)[1 - own] == 0, "one hides the other from the sides"
    assert all(shares(view)[2] > 0.3 for view in made)


def test_faces_that_are_not_painted_show_what_they_have():
    some = [replace(mesh, selection=np.arange(12) < 6) for mesh in (box(RED, -1.5), box(BLUE, 1.5))]
    for part, whole in zip(images(*some), images(box(RED, -1.5), box(BLUE, 1.5)), strict=True):
        assert sum(shares(part)) > 0.9 and min(np.array(shares(part)) > 0) == min(np.array(shares(whole)) > 0)


def test_the_texture_is_read_by_the_uvs():
    """The upper half of the texture, v from 1/2 on, belongs to the sides at +x, +y and +z of the box."""
    halves = np.concatenate([plain(RED, (32, 64)), plain(BLUE, (32, 64))])
    seen = [shares(view)[:2] for view in images(replace(painted_box(), texture=halves))]
    assert sorted(red > 0.1 and blue == 0 for red, blue in seen) == [False, False, True, True]
    assert sorted(blue > 0.1 and red == 0 for red, blue in seen) == [False, False, True, True]


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """SD 1.5 with depth and tile."""
    return write_set(tmp_path_factory.mktemp("weights"), "sd15", ("depth", "tile"))


@pytest.fixture(scope="module")
def without(tmp_path_factory) -> Path:
    """SD 1.5 with depth only."""
    return write_set(tmp_path_factory.mktemp("plain"), "sd15")


@pytest.fixture
def texture(tmp_path, monkeypatch):
    """Runs a texture job of two boxes with a set of weights and options; the pixels of the first one."""
    settings_of = job.settings_of
    monkeypatch.setattr(job, "settings_of", lambda *given: replace(
        settings_of(*given), sizes=Sizes(8, strip_size(64, given[1]), 64, strip_size(512, given[1]))))

    def run(folder: Path, *meshes: MeshData, **options: object) -> np.ndarray:
        place = JobFolder.create(tmp_path / f"job{len(list(tmp_path.glob('job*')))}")
        names = tuple(f"mesh.{number:03d}.npz" for number in range(len(meshes)))
        for mesh, name in zip(meshes, names, strict=True):
            mesh.write(place.inputs / name)
        request = Request("job", "texture", "flexisyncmvd", "tiny", "thing", 0,
                          FAST | STRONG | {"prompt": "a red chair"} | options, {"mesh": names})
        model = job.load(TINY, folder, Resources(), Watcher())
        result = job.run(model, request.validated(TINY_SPEC), place, Resources(), Watcher())
        return np.asarray(Image.open(place.outputs / result.artifacts[0].file)).astype(int)

    return run


@pytest.mark.parametrize("follow", ["tile", "depth+tile"])
def test_a_job_follows_the_texture_so_far(texture, weights, follow):
    red, blue = (texture(weights, box(color), cond_type=follow) for color in (RED, BLUE))
    assert red.shape == (512, 512, 3) and not np.array_equal(red, blue)
    assert not np.array_equal(red, texture(weights, box(RED))), "another than by depth alone"


def test_what_is_missing_is_said(texture, weights, without, tmp_path):
    with pytest.raises(BadInput, match="There is no texture to follow"):
        texture(weights, box(RED), box(None, 3.0), cond_type="tile")
    with pytest.raises(CheckpointError, match=r"cannot follow the texture so far\. They can follow depth\..*own"):
        texture(without, box(RED), cond_type="tile")
    with pytest.raises(BadInput, match="Tile ControlNet cannot be found"):
        texture(without, box(RED), cond_type="tile", tile_controlnet=str(tmp_path / "gone.safetensors"))


def in_original_layout(network: ControlNetModel) -> dict[str, torch.Tensor]:
    """Its tensors under the names of the files that were first published."""
    found = {}
    for name, tensor in network.state_dict().items():
        module, _, kind = name.rpartition(".")
        parts = module.split(".")
        if parts[0] == "controlnet_cond_embedding":
            last = 2 * len(network.controlnet_cond_embedding.blocks) + 2
            place = {"conv_in": 0, "conv_out": last}.get(parts[1])
            own = f"input_hint_block.{2 * int(parts[2]) + 2 if place is None else place}"
        elif parts[0] == "controlnet_down_blocks":
            own = f"zero_convs.{parts[1]}.0"
        else:
            own = "middle_block_out.0" if parts[0] == "controlnet_mid_block" else original_name(module, network)
        found[f"control_model.{own}.{kind}"] = tensor
    return found


def test_an_own_tile_controlnet_is_read_in_every_form(without, tmp_path):
    network = tiny_controlnet("sd15", 90)
    network.save_pretrained(tmp_path / "folder")
    save_file(network.state_dict(), tmp_path / "single.safetensors")
    save_file(in_original_layout(network), tmp_path / "original.safetensors")
    library = CheckpointLibrary(without, torch.float32, "cpu", published=False)
    forms = ("folder", "folder/config.json", "single.safetensors", "original.safetensors")
    for form in forms:
        read = library.components(CheckpointChoice(tile=tmp_path / form), ["depth", "tile"]).controlnets
        assert list(read) == ["depth", "tile"]
        for name, tensor in network.state_dict().items():
            assert torch.equal(read["tile"].state_dict()[name], tensor), (form, name)


def test_a_job_takes_an_own_one_before_the_sets_and_reads_it_anew_when_it_changed(texture, weights, without, tmp_path):
    path = tmp_path / "tile.safetensors"
    save_file(tiny_controlnet("sd15", 90).state_dict(), path)
    options = {"cond_type": "tile", "tile_controlnet": str(path)}
    own = texture(without, box(RED), **options)
    assert np.abs(own - texture(weights, box(RED), cond_type="tile")).max() > 1
    assert np.array_equal(own, texture(weights, box(RED), **options))
    library = CheckpointLibrary(weights, torch.float32, "cpu", published=False)
    choice = CheckpointChoice(tile=path)
    first = library.components(choice, ["tile"]).controlnets["tile"]
    assert library.components(choice, ["tile"]).controlnets["tile"] is first
    save_file(tiny_controlnet("sd15", 91).state_dict(), path)
    assert not library.holds(choice)
    second = library.components(choice, ["tile"]).controlnets["tile"]
    assert not torch.equal(first.conv_in.weight, second.conv_in.weight)
    published = library.components(controls=["tile"]).controlnets["tile"]
    assert not torch.equal(second.conv_in.weight, published.conv_in.weight)


@pytest.mark.parametrize(("tensors", "words"), [
    (lambda: tiny_controlnet("sdxl", 90).state_dict(), "Choose a ControlNet of the weights' family"),
    (lambda: {"lora_unet_down.lora_down.weight": torch.zeros(2, 2)}, "is not a ControlNet"),
    (lambda: dict(list(in_original_layout(tiny_controlnet("sd15", 90)).items())[:-3]), "missing"),
], ids=["other family", "LoRA", "cut off"])
def test_other_files_are_refused(without, tmp_path, tensors, words):
    save_file(tensors(), tmp_path / "file.safetensors")
    library = CheckpointLibrary(without, torch.float32, "cpu", published=False)
    with pytest.raises(CheckpointError, match=words):
        library.components(CheckpointChoice(tile=tmp_path / "file.safetensors"), ["tile"])
    assert list(library.components(controls=["depth"]).controlnets) == ["depth"], "and nothing is lost"
