# SPDX-License-Identifier: GPL-3.0-or-later
"""Cutting the object out of an opaque image: by mask, by network, by the background's color, by a graph cut."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image

from backend.contract import BadInput, Cancelled, JobFolder, Remedy, Request, Resources
from backend.pipelines.common.background import cut_out, cut_out_input
from backend.pipelines.common.background import network as network_module
from backend.pipelines.common.background.job_input import background_model
from backend.pipelines.common.background.network import BackgroundModel, network_mask
from backend.pipelines.common.background.plain import plain_mask
from backend.pipelines.common.components import BIREFNET_LITE, ISNET, U2NET
from backend.pipelines.common.image_files import read_image
from backend.pipelines.common.image_preparation import check_image

from .images import gradient, shaded_disc
from .onnx_files import write_network

PHOTOGRAPHS = Path(skimage.__file__).parent / "data"


class Watcher:
    """A progress that remembers remarks and previews, and cancels after some checks."""

    def __init__(self, cancel_after: float = float("inf")) -> None:
        self.remarks: list[str] = []
        self.previews: list[str] = []
        self.cancel_after, self.checks = cancel_after, 0

    def check(self) -> None:
        self.checks += 1
        if self.checks > self.cancel_after:
            raise Cancelled

    def loading(self, what: str) -> None:
        self.check()

    def warn(self, text: str) -> None:
        self.remarks.append(text)

    def preview(self, file: str) -> None:
        self.previews.append(file)


def opaque(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGBA")).copy()


def test_a_plain_background_is_cut_away():
    image = np.full((100, 120, 4), 255, np.uint8)
    rng = np.random.default_rng(0)
    image[..., :3] = 240 + rng.integers(-6, 7, (100, 120, 3))
    image[30:70, 40:90, :3] = (180, 40, 40)
    image[45:55, 60:70, :3] = 240  # of the background's color, but inside the object
    watcher = Watcher()
    cut = cut_out(image, None, None, watcher)
    expected = np.zeros((100, 120), bool)
    expected[30:70, 40:90] = True
    assert np.array_equal(cut.image[..., 3] > 0, expected) and np.array_equal(cut.mask > 0, expected)
    assert not watcher.remarks
    check_image(cut.image)


def test_an_empty_sheet_says_that_nothing_is_on_it():
    image = np.full((50, 50, 4), 255, np.uint8)
    image[20:30, 20:30, :3] = 245
    with pytest.raises(BadInput, match="No object"):
        plain_mask(image)


@pytest.mark.parametrize(("name", "inside", "outside", "area"), [
    ("coffee.png", [(0.5, 0.25), (0.7, 0.7), (0.45, 0.75)], [(0.05, 0.1), (0.95, 0.1), (0.9, 0.95), (0.05, 0.95)],
     (0.35, 0.6)),
    ("astronaut.png", [(0.43, 0.2), (0.3, 0.7), (0.45, 0.75)], [(0.05, 0.05), (0.9, 0.1), (0.7, 0.3)], (0.2, 0.6)),
    ("chelsea.png", [(0.4, 0.4), (0.6, 0.7)], [(0.95, 0.1), (0.95, 0.9)], (0.2, 0.6)),
    ("motorcycle_left.png", [(0.5, 0.5), (0.55, 0.65)], [(0.05, 0.9), (0.1, 0.1), (0.5, 0.05)], (0.1, 0.5)),
])
def test_a_photograph_is_cut_out_without_any_model(name, inside, outside, area):
    photograph, watcher = read_image(PHOTOGRAPHS / name), Watcher()
    cut = cut_out(photograph, None, None, watcher)
    height, width = photograph.shape[:2]

    def alpha(place):
        return cut.image[int(place[1] * height), int(place[0] * width), 3]

    assert all(alpha(place) > 200 for place in inside) and all(alpha(place) < 50 for place in outside)
    assert area[0] < (cut.mask > 127).mean() < area[1]
    assert "correct it" in watcher.remarks[0]
    again = cut_out(photograph, None, None, Watcher())
    assert np.array_equal(cut.mask, again.mask), "the same image gives the same mask"


@pytest.mark.parametrize("name", ["grass.png", "brick.png", "coins.png", "gradient"])
def test_an_image_without_one_object_says_what_to_do(name):
    image = opaque(gradient()) if name == "gradient" else read_image(PHOTOGRAPHS / name)
    with pytest.raises(BadInput, match="cannot be separated from the background") as caught:
        cut_out(image, None, None, Watcher())
    report = caught.value.report
    assert report.remedy is Remedy.DOWNLOAD and report.needs == {"pipeline": "shared", "weights": BIREFNET_LITE.name}


def test_the_artists_mask_is_obeyed_before_everything_else():
    photograph = read_image(PHOTOGRAPHS / "coffee.png")
    mask = np.zeros((200, 300, 4), np.uint8)
    mask[..., 3] = 255
    mask[20:100, 30:150, :3] = 255
    for image in (photograph, np.dstack([photograph[..., :3], np.full(photograph.shape[:2], 128, np.uint8)])):
        cut = cut_out(image, mask, BackgroundModel(Path("never opened.onnx")), Watcher())
        assert cut.mask is None and cut.image.shape == photograph.shape
        assert np.array_equal(cut.image[100, 150], image[100, 150]) and not cut.image[300, 500].any()
        assert 0.15 < (cut.image[..., 3] > 0).mean() < 0.17
    with pytest.raises(BadInput, match="The mask is empty"):
        cut_out(photograph, mask * np.uint8([0, 0, 0, 1]), None, Watcher())


def test_transparency_of_its_own_stays():
    disc = shaded_disc()
    assert cut_out(disc, None, BackgroundModel(Path("never opened.onnx")), Watcher()).image is disc


def test_a_network_says_how_much_of_each_pixel_is_the_object(tmp_path):
    image = opaque(gradient(200, 100))
    cut = cut_out(image, None, BackgroundModel(write_network(tmp_path / "u2net.onnx")), Watcher())
    assert cut.image.shape == image.shape
    assert cut.image[:, :5, 3].min() > 245 and cut.image[:, -5:, 3].max() < 10
    assert abs(int(cut.image[50, 100, 3]) - 127) <= 4
    assert np.array_equal(cut.image[50, 100, :3], image[50, 100, :3]), "colors are the image's own, not darkened"


@pytest.mark.parametrize(("name", "side", "outputs", "form"), [
    ("mine.onnx", 320, 7, "u2net"), ("mine.onnx", 1024, 6, "isnet"), ("mine.onnx", 1024, 1, "birefnet"),
    ("BiRefNet-general-lite.onnx", 512, 1, "birefnet"), ("isnet-anime.onnx", None, 1, "isnet"),
    ("matting.onnx", None, 1, "u2net"),
])
def test_the_form_of_a_file_is_found_out(tmp_path, monkeypatch, name, side, outputs, form):
    seen = []
    prepared = network_module._prepared
    monkeypatch.setattr(network_module, "_prepared", lambda rgba, form, side: seen.append((form, side)) or prepared(
        rgba, form, side))
    model = BackgroundModel(write_network(tmp_path / name, side, outputs=outputs))
    network_mask(opaque(gradient()), model, Watcher().check)
    known = network_module.FORMS[form]
    assert seen == [(known, side or known.side)]


def test_the_published_forms_normalize_as_published(tmp_path):
    """The network negates its input, so the answer shows what it was given: red at half brightness."""
    image = np.full((64, 64, 4), 255, np.uint8)
    image[:, :32, 0] = 128
    path = write_network(tmp_path / "mine.onnx", None)
    logits = network_mask(image, BackgroundModel(path, "birefnet"), Watcher().check)
    expected = [255 / (1 + np.exp((value - 0.485) / 0.229)) for value in (128 / 255, 1.0)]
    assert np.abs([logits[32, 4], logits[32, 60]] - np.array(expected)).max() <= 2
    stretched = network_mask(image, BackgroundModel(path, "isnet"), Watcher().check)
    assert stretched[32, 4] > 220 and stretched[32, 60] < 30  # the resizing filter overshoots at the step


@pytest.mark.parametrize(("write", "why"), [
    (lambda path: path.write_bytes(b"not a network" * 20), "damaged"),
    (lambda path: write_network(path, 64, channels=4), "Its input has the shape"),
], ids=["damaged", "other input"])
def test_a_file_that_is_no_background_remover_says_what_to_do(tmp_path, write, why):
    write(tmp_path / "mine.onnx")
    with pytest.raises(BadInput, match=r"background remover mine\.onnx cannot be used") as caught:
        cut_out(opaque(gradient()), None, BackgroundModel(tmp_path / "mine.onnx"), Watcher())
    assert why in caught.value.report.why and caught.value.report.needs["weights"] == BIREFNET_LITE.name


def test_a_network_that_runs_long_can_be_left_at_once(tmp_path, monkeypatch):
    import onnxruntime

    monkeypatch.setattr(onnxruntime.InferenceSession, "run", lambda *_: time.sleep(20))
    begin = time.perf_counter()
    with pytest.raises(Cancelled):
        network_mask(opaque(gradient()), BackgroundModel(write_network(tmp_path / "u2net.onnx")), Watcher(8).check)
    assert time.perf_counter() - begin < 5


def test_a_graph_cut_can_be_cancelled_between_its_rounds():
    with pytest.raises(Cancelled):
        cut_out(read_image(PHOTOGRAPHS / "coffee.png"), None, None, Watcher(2))


def test_the_threads_of_torch_are_left_alone(tmp_path):
    """Other threads would change the bytes of every later result."""
    write_network(tmp_path / "u2net.onnx")
    code = ("import sys, numpy, torch; from pathlib import Path\n"
            "from backend.pipelines.common.background.network import BackgroundModel, network_mask\n"
            "torch.set_num_threads(1)\n"
            "network_mask(numpy.full((60, 60, 4), 255, numpy.uint8), BackgroundModel(Path(sys.argv[1])), int)\n"
            "print(torch.get_num_threads())")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "u2net.onnx")], capture_output=True, text=True,
                          timeout=120)
    assert done.stdout.split() == ["1"], done.stderr


def test_which_remover_is_used(tmp_path):
    own = write_network(tmp_path / "matting.onnx")
    components = {ISNET.name: tmp_path / "isnet", U2NET.name: tmp_path / "u2net"}

    def model(chosen: str, installed=components) -> BackgroundModel | None:
        return background_model(Resources(components=installed, background_model=chosen))

    assert model("") == BackgroundModel(tmp_path / "isnet" / "isnet-general-use.onnx")
    assert model("u2net") == BackgroundModel(tmp_path / "u2net" / "u2net.onnx")
    assert model(str(own)) == BackgroundModel(own) and model(f"isnet:{own}") == BackgroundModel(own, "isnet")
    assert model("", {}) is None
    with pytest.raises(BadInput, match="BiRefNet lite is not installed") as caught:
        model("birefnet-lite")
    assert caught.value.report.needs == {"pipeline": "shared", "weights": "birefnet-lite"}
    with pytest.raises(BadInput, match="cannot be found"):
        model("nowhere.onnx")


@pytest.fixture
def job(tmp_path):
    """A job folder with a photograph, and the request of it."""
    folder = JobFolder.create(tmp_path / "job")
    (folder.inputs / "coffee.png").write_bytes((PHOTOGRAPHS / "coffee.png").read_bytes())

    def request(remove: bool = True, **inputs: tuple[str, ...]) -> Request:
        return Request("job", "make", "any", "any", "coffee", 0, {"remove_background": remove},
                       {"image": ("coffee.png",), **inputs})

    return folder, request


def test_a_job_leaves_the_mask_to_be_corrected_and_obeys_the_corrected_one(job):
    folder, request = job
    watcher = Watcher()
    image, (artifact,) = cut_out_input(request(), folder, Resources(), watcher)
    assert (artifact.role, artifact.file, artifact.target) == ("mask", "mask.png", "coffee.png")
    assert watcher.previews == ["mask.png"]
    corrected = np.asarray(Image.open(folder.outputs / "mask.png")).copy()
    corrected[:, :300] = 0
    Image.fromarray(corrected).save(folder.inputs / "corrected.png")
    again, artifacts = cut_out_input(request(mask=("corrected.png",)), folder, Resources(), Watcher())
    assert not artifacts and not again[:, :299].any()
    assert np.array_equal(again[:, 302:, 3], image[:, 302:, 3])


def test_a_background_may_stay(job):
    folder, request = job
    image, artifacts = cut_out_input(request(remove=False), folder, Resources(), Watcher())
    assert not artifacts and (image[..., 3] == 255).all()
