# SPDX-License-Identifier: GPL-3.0-or-later
"""Image files as cameras, studios and cut-out tools write them: read right, or named as what they are."""

import io
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from backend.contract import BadInput
from backend.geometry.srgb import srgb_to_linear
from backend.pipelines.common.image_files import IMAGE_SUFFIXES, read_image
from backend.pipelines.common.image_preparation import has_transparency, load_image, recenter

from .images import gradient, shaded_disc

GRAY = np.linspace(0.1, 0.9, 32)[None, :, None].repeat(24, 0).repeat(3, 2)


def test_haze_in_the_background_is_background(tmp_path):
    small = np.zeros((200, 200, 4), np.uint8)
    small[120:180, 110:190] = shaded_disc()
    haze = small.copy()
    haze[..., 3] = np.maximum(haze[..., 3], 1)
    for name, image in (("small", small), ("haze", haze)):
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    assert np.array_equal(recenter(load_image(tmp_path / "small.png")), recenter(load_image(tmp_path / "haze.png")))


def rounded(image: np.ndarray) -> None:
    image[:3, :3, 3] = 0


def one_pixel(image: np.ndarray) -> None:
    image[5, 5, 3] = 0


def a_hole(image: np.ndarray) -> None:
    image[20:40, 20:40, 3] = 0


def almost_opaque(image: np.ndarray) -> None:
    image[..., 3] = 254


@pytest.mark.parametrize("change", [rounded, one_pixel, a_hole, almost_opaque])
def test_a_photograph_stays_one(change):
    image = np.asarray(gradient().convert("RGBA")).copy()
    change(image)
    assert not has_transparency(image)


@pytest.mark.parametrize("rows", [np.s_[:3], np.s_[:, :2], np.s_[10:]])
def test_an_object_that_reaches_the_border_is_cut_out(rows):
    image = np.asarray(gradient().convert("RGBA")).copy()
    image[rows][..., 3] = 0
    assert has_transparency(image)


def wide_gamut() -> bytes:
    """A profile with linear light and sRGB's colors: values of 188 become darker."""
    profile = ImageCms.createProfile("sRGB")
    content = bytearray(ImageCms.ImageCmsProfile(profile).tobytes())
    for tag in (b"rTRC", b"gTRC", b"bTRC"):
        entry = content.index(tag)
        start = int.from_bytes(content[entry + 4 : entry + 8], "big")
        content[start : start + 12] = b"curv" + bytes(4) + bytes(4)  # a curve without entries is a straight line
        content[entry + 8 : entry + 12] = (12).to_bytes(4, "big")
    return bytes(content).replace("sRGB".encode("utf-16-be"), "Line".encode("utf-16-be"))


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_color_profile_is_converted(tmp_path, mode):
    color = (55, 55, 55, 128)[: len(mode)]
    Image.new(mode, (20, 20), color).save(tmp_path / "a.png", icc_profile=wide_gamut())
    red, _, _, alpha = read_image(tmp_path / "a.png")[0, 0]
    assert abs(int(red) - 128) <= 2 and alpha == (128 if mode == "RGBA" else 255)


def test_an_unfit_profile_changes_nothing(tmp_path):
    for profile in (b"no profile", ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()):
        Image.new("RGB", (20, 20), (55, 66, 77)).save(tmp_path / "a.png", icc_profile=profile)
        assert read_image(tmp_path / "a.png")[0, 0].tolist() == [55, 66, 77, 255]


@pytest.mark.parametrize(("suffix", "values"), [
    ("tiff", srgb_to_linear(GRAY).astype(np.float32)), ("hdr", srgb_to_linear(GRAY).astype(np.float32)),
    ("tiff", (GRAY * 65535).astype(np.uint16)), ("png", (GRAY * 65535).astype(np.uint16)),
    ("tiff", srgb_to_linear(GRAY[..., 0]).astype(np.float32)), ("tiff", (GRAY[..., 0] * 65535).astype(np.uint16)),
], ids=["float", "radiance", "16 bit", "16 bit png", "float gray", "16 bit gray"])
def test_light_and_deep_images_look_as_they_are(tmp_path, suffix, values):
    path = tmp_path / f"a.{suffix}"
    assert cv2.imwrite(str(path), values)
    assert np.abs(read_image(path)[..., :3] / 255 - GRAY).max() < 0.012


def test_lab_is_shown_as_srgb(tmp_path):
    lab = ImageCms.profileToProfile(Image.new("RGB", (20, 20), (200, 30, 40)), ImageCms.createProfile("sRGB"),
                                    ImageCms.createProfile("LAB"), outputMode="LAB")
    lab.save(tmp_path / "a.tiff")
    assert np.abs(read_image(tmp_path / "a.tiff")[0, 0].astype(int) - (200, 30, 40, 255)).max() <= 3


def test_integers_of_32_bit(tmp_path):
    values = (GRAY[..., 0] * (2**31 - 1)).astype(np.int32)
    Image.fromarray(values, "I").save(tmp_path / "a.tiff")
    assert np.abs(read_image(tmp_path / "a.tiff")[..., :3] / 255 - GRAY).max() < 0.01


@pytest.mark.parametrize(("content", "words"), [
    (b"v/1\x01" + bytes(60), "OpenEXR"), (b"II*\0" + bytes(60), "TIFF image of an unusual form"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is not an image"), (b"%PDF-1.4\n", "is not an image"),
])
def test_what_is_not_read_is_named(tmp_path, content, words):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(BadInput, match=words):
        read_image(tmp_path / "a.png")


def test_floats_that_are_no_light_are_named(tmp_path):
    cv2.imwrite(str(tmp_path / "a.tiff"), (GRAY * 255).astype(np.float32))
    with pytest.raises(BadInput, match="most of them are above 1"):
        read_image(tmp_path / "a.tiff")


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    side = 12_000  # 144 million pixels, 20 kB
    rows = zlib.compress(bytes(side // 8 + 1) * side, 9)
    head = side.to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
    chunks = b"".join(len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
                      for kind, data in ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b"")))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    assert (tmp_path / "a.png").stat().st_size < 30_000
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("it is decoded"))
    with pytest.raises(BadInput, match="120 million pixels"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", [suffix for suffix in IMAGE_SUFFIXES if suffix not in (".psd", ".qoi", ".hdr")])
def test_every_format_of_the_list_is_read(tmp_path, suffix):
    content = io.BytesIO()
    image = gradient().convert("L") if suffix == ".pgm" else gradient()
    image.save(content, {".jfif": "JPEG", ".jpe": "JPEG"}.get(suffix, Image.registered_extensions()[suffix]))
    (tmp_path / f"a{suffix}").write_bytes(content.getvalue())
    assert read_image(tmp_path / f"a{suffix}").shape == (48, 64, 4)
