# SPDX-License-Identifier: GPL-3.0-or-later
"""A photograph on the command line: it is cut out, the mask can be corrected, the artist's own model is used."""

from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image

from tests.pipelines.common.onnx_files import write_network

FAST = ("--device", "cpu", "--steps", "1", "--grid-resolution", "64")
COFFEE = Path(skimage.__file__).parent / "data" / "coffee.png"


@pytest.fixture
def parts(backend, tmp_path, monkeypatch):
    """Makes parts from a photograph; what was written, and what the encoder saw of it."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, out="out"):
        ended = backend("generate-parts", COFFEE, "--out", out, *FAST, *arguments)
        assert ended.code == 0, ended.err
        return ended, np.asarray(Image.open(f"{out}/coffee/image.png")).astype(int)

    return run


def white(image: np.ndarray) -> float:
    return float((image.min(axis=2) > 250).mean())


def test_without_a_model_the_mask_comes_back_and_a_corrected_one_is_obeyed(parts):
    ended, seen = parts()
    assert "correct it" in ended.out and white(seen) > 0.15
    mask = np.asarray(Image.open("out/coffee/mask.png"))
    assert 0.3 < (mask > 127).mean() < 0.6 and mask.shape == (400, 600)
    corrected = np.zeros_like(mask)
    corrected[100:300, 200:260] = 255  # a narrow strip
    Image.fromarray(corrected).save("corrected.png")
    ended, strip = parts("--mask", "corrected.png", out="again")
    assert white(strip) > 0.6 and not Path("again/coffee/mask.png").exists() and "correct it" not in ended.out


def test_an_onnx_file_of_the_artists_own(parts, backend):
    write_network(Path("mine.onnx"))
    ended, _ = parts("--background-model", "mine.onnx")
    mask = np.asarray(Image.open("out/coffee/mask.png")).astype(float)
    red = np.asarray(Image.open(COFFEE).convert("RGB"))[..., 0].astype(float)
    assert np.corrcoef(mask.ravel(), -red.ravel())[0, 1] > 0.95, "the network takes what is dark for the object"
    assert "correct it" not in ended.out


@pytest.mark.parametrize(("model", "words"), [
    ("none.onnx", "The background remover none.onnx cannot be found."),
    ("u2net", "The background remover U2Net is not installed."),
])
def test_a_model_that_is_not_there_is_said(backend, tmp_path, model, words):
    ended = backend("generate-parts", COFFEE, "--out", tmp_path / "out", *FAST, "--background-model", model)
    assert ended.code == 1 and words in ended.err
