# SPDX-License-Identifier: GPL-3.0-or-later
"""Which device warp gets, on computers that are imitated."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
import torch
import warp as wp

from backend.geometry import library_devices
from backend.geometry.isosurface import extract_isosurface
from backend.geometry.library_devices import warp_device, warp_runs_on
from backend.geometry.projection import Projector, orbit_cameras
from tests.pretend_mps import NotOnMps, pretend_mps

from .projection.meshes import RIG, globe

Computer = Callable[[int, int], None]


@pytest.fixture
def computer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Computer]:
    """Imitate a computer by warp's number of CUDA devices and their compute capability, times ten."""
    def imitate(devices: int, capability: int) -> None:
        library_devices._warp_runs_on.cache_clear()
        monkeypatch.setattr(wp, "is_cuda_available", lambda: devices > 0)
        monkeypatch.setattr(wp, "get_cuda_device_count", lambda: devices)
        monkeypatch.setattr(wp, "get_device", lambda name: SimpleNamespace(arch=capability))

    yield imitate
    library_devices._warp_runs_on.cache_clear()


@pytest.mark.parametrize(("wanted", "devices", "capability", "given", "reason"), [
    ("cuda:0", 1, 90, "cuda:0", ""),
    ("cuda:1", 2, 75, "cuda:1", ""),
    ("cuda:0", 0, 90, "cpu", "driver"),  # older than warp's toolkit: warp sees no device where torch sees one
    ("cuda:1", 1, 90, "cpu", "driver"),
    ("cuda:0", 1, 61, "cpu", "7.5 or newer, and this GPU has 6.1"),
    ("mps", 0, 0, "cpu", ""),
    ("cpu", 1, 90, "cpu", ""),
])
def test_warp_gets_the_gpu_where_it_can_use_it(
    computer: Computer, caplog: pytest.LogCaptureFixture, wanted: str, devices: int, capability: int, given: str,
    reason: str,
) -> None:
    computer(devices, capability)
    assert warp_device(wanted) == torch.device(given)
    assert warp_runs_on(wanted) == (given == wanted)
    assert reason in caplog.text and bool(reason) == bool(caplog.text)


def test_amd_gpus_are_cuda_to_torch_and_not_to_warp(computer: Computer, monkeypatch: pytest.MonkeyPatch) -> None:
    computer(1, 90)
    monkeypatch.setattr(torch.version, "hip", "7.2")
    assert warp_device("cuda:0") == torch.device("cpu")


def test_a_surface_on_a_gpu_without_warp_is_extracted_by_scikit_image(
    computer: Computer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OnGpu(torch.Tensor):
        is_cuda = True
        device = torch.device("cuda:0")

    computer(0, 0)
    monkeypatch.setattr("backend.geometry.isosurface.extract_with_warp", lambda *_: pytest.fail("warp was asked"))
    axis = torch.linspace(-1, 1, 17)
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    ball = extract_isosurface((0.5 - (x**2 + y**2 + z**2).sqrt()).as_subclass(OnGpu))
    assert len(ball.faces) > 100 and abs(abs(ball.vertices).max() - 0.5) < 0.02


def test_only_latents_travel_between_a_gpu_and_the_projector() -> None:
    projector = Projector.build(globe(), orbit_cameras(RIG), 32, 64)
    texture = torch.rand(4, 64, 64)
    views = projector.render(texture)
    baked = projector.bake(views[:, :4], 2.0)
    with pretend_mps():
        there = projector.render(texture.to("mps"))
        back = projector.bake(there[:, :4], 2.0)
        assert {there.device.type, back.texture.device.type, back.weight.device.type} == {"mps"}
        assert torch.equal(there.cpu(), views) and torch.equal(back.texture.cpu(), baked.texture)


def test_the_imitation_keeps_the_rules_of_a_mac() -> None:
    with pretend_mps() as recorder:
        there = torch.ones(3, 3).to("mps")
        assert (there @ there).sum().item() == 27
        for refused in (there.double, lambda: there + torch.ones(3), there.numpy,
                        lambda: torch.randn(2, device="mps", generator=torch.Generator("cpu")),
                        lambda: torch.linalg.lstsq(there, there)):
            with pytest.raises(NotOnMps):
                refused()
        assert there[torch.tensor([0, 2])].cpu().shape == (2, 3), "indices may lie on the CPU"
    assert "aten::mm" in recorder.operators
