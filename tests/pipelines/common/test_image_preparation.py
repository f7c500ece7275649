# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading images of every kind, and the way to the encoder's input."""

import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from backend.contract import BadInput
from backend.geometry.srgb import srgb_to_linear
from backend.pipelines.common.image_preparation import (
    Centering,
    has_transparency,
    load_image,
    prepare_image,
    recenter,
    resize_image,
)

from .images import gradient


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16", "F"])
def test_every_color_mode_becomes_rgba(tmp_path, mode):
    if mode in ("I;16", "F"):
        gray = np.asarray(gradient().convert("L")) / 255
        values = gray * 65535 if mode == "I;16" else srgb_to_linear(gray)
        image = Image.fromarray(values.astype(np.uint16 if mode == "I;16" else np.float32))
    else:
        image = gradient().convert(mode)
    path = tmp_path / ("image.tiff" if mode in ("CMYK", "F", "LA") else "image.png")
    image.save(path)
    rgba = load_image(path)
    assert rgba.shape == (48, 64, 4)
    assert rgba.dtype == np.uint8
    brightness = rgba[..., :3].mean(axis=-1)
    expected = np.asarray(gradient().convert("L"))
    tolerance = 60 if mode in ("1", "P") else 25
    assert abs(brightness[30:].mean() - expected[30:].mean()) < tolerance
    assert brightness.max() - brightness.min() > 60  # 16 bit and floating point are scaled, not clipped


def test_rotation_in_the_exif_data_is_applied(tmp_path):
    image = gradient()
    exif = image.getexif()
    exif[0x0112] = 6  # the camera was held upright
    image.save(tmp_path / "photo.jpg", exif=exif, quality=95)
    rgba = load_image(tmp_path / "photo.jpg")
    assert rgba.shape == (64, 48, 4)
    turned = np.rot90(np.asarray(image), -1).astype(int)
    assert np.abs(rgba[..., :3].astype(int) - turned).mean() < 5


def test_first_frame_of_an_animation(tmp_path):
    frames = [gradient(), gradient().transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    frames[0].save(tmp_path / "moving.webp", save_all=True, append_images=frames[1:], lossless=True)
    assert np.array_equal(load_image(tmp_path / "moving.webp")[..., :3], np.asarray(frames[0]))


def test_transparency_of_a_palette_is_kept(tmp_path):
    image = gradient()
    image.paste((0, 0, 0), (0, 0, 64, 10))
    image = image.convert("P")
    image.info["transparency"] = image.getpixel((0, 0))
    image.save(tmp_path / "indexed.png")
    rgba = load_image(tmp_path / "indexed.png")
    assert (rgba[:9, :, 3] == 0).all() and (rgba[20:, :, 3] == 255).any()
    assert has_transparency(rgba)


def test_images_of_many_pixels_are_made_smaller(tmp_path):
    gradient(6000, 3000).save(tmp_path / "large.png")
    gradient(20000, 20).save(tmp_path / "wide.png")
    height, width, _ = load_image(tmp_path / "large.png").shape
    assert (height, width) == (2896, 5792)
    assert load_image(tmp_path / "wide.png").shape == (20, 20000, 4)


def test_a_small_object_in_a_very_wide_image_is_seen_in_full():
    image = np.zeros((300, 20000, 4), np.uint8)
    image[50:150, 15000:15100] = 255
    centered = recenter(image)
    assert centered.shape == (4096, 4096, 4)
    assert np.ptp(np.flatnonzero(centered[2048, :, 3])) == pytest.approx(0.9 * 4096, abs=2)


def text_file(path):
    path.write_text("this is no image")


def truncated(path):
    gradient(300, 300).save(path)
    path.write_bytes(path.read_bytes()[:400])


def bomb(path):
    header = Image.new("1", (16, 16))
    header.save(path)
    content = bytearray(path.read_bytes())
    content[16:24] = (30000).to_bytes(4, "big") * 2  # width and height in the header chunk
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    path.write_bytes(content)


def single_pixel(path):
    Image.new("RGB", (1, 1)).save(path)


def one_color(path):
    Image.new("RGB", (64, 64), (10, 200, 30)).save(path)


def nothing_visible(path):
    gradient().convert("RGBA").putalpha(0)
    image = gradient().convert("RGBA")
    image.putalpha(0)
    image.save(path)


def too_faint(path):
    image = gradient().convert("RGBA")
    image.putalpha(3)
    image.save(path)


def absent(path):
    path.unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (text_file, "not an image"),
        (truncated, "cannot be read"),
        (bomb, "too large"),
        (single_pixel, "too small"),
        (one_color, "one color"),
        (nothing_visible, "transparent"),
        (too_faint, "transparent"),
        (absent, "cannot be read"),
    ],
)
def test_bad_files_say_what_is_wrong_and_what_to_do(tmp_path, write, reason):
    path = tmp_path / "image.png"
    write(path)
    with pytest.raises(BadInput, match=reason) as caught:
        load_image(path)
    assert caught.value.report.why
    assert caught.value.report.advice


def test_recenter_leaves_a_tenth_free_and_keeps_the_middle(cut_out):
    centered = recenter(cut_out)
    assert centered.shape == (80, 80, 4)
    rows, columns = np.nonzero(centered[..., 3])
    assert rows.max() - rows.min() + 1 == 72
    assert abs((rows.min() + rows.max()) / 2 - 39.5) <= 1
    assert abs((columns.min() + columns.max()) / 2 - 39.5) <= 1


@pytest.mark.parametrize("border", [0.0, 0.15, 0.5])
@pytest.mark.parametrize("scaling", ["float", "8 bit"])
def test_the_border_is_an_argument(cut_out, border, scaling):
    rows, columns = np.nonzero(recenter(cut_out, Centering(border, scaling=scaling))[..., 3])
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == int(80 * (1 - border))
    assert abs((rows.min() + rows.max()) / 2 - 39.5) <= 1


@pytest.mark.parametrize("last_lost", [False, True])
def test_without_scaling_the_square_follows_the_object(last_lost):
    image = np.zeros((40, 60, 4), np.uint8)
    image[3:19, 5:13] = np.random.default_rng(0).integers(1, 256, (16, 8, 4))
    square = recenter(image, Centering(0.2, last_lost=last_lost, scaling="none"))
    height, width = (15, 7) if last_lost else (16, 8)
    assert square.shape == (round(height / 0.8), round(height / 0.8), 4)
    top, left = ((len(square) - length) // 2 for length in (height, width))
    assert np.array_equal(square[top : top + height, left : left + width], image[3 : 3 + height, 5 : 5 + width])
    assert np.count_nonzero(square[..., 3]) == height * width


def test_fainter_pixels_than_the_faintest_do_not_count():
    image = np.zeros((40, 40, 4), np.uint8)
    image[10:20, 10:20] = 255
    noisy = image.copy()
    noisy[0, 0, 3] = 7
    assert np.array_equal(recenter(noisy, Centering(faintest=8)), recenter(image))
    assert not np.array_equal(recenter(noisy), recenter(image))


@pytest.mark.parametrize("visible", [np.s_[5:6, 5:6], np.s_[5:6, 2:40], np.s_[2:40, 5:6], np.s_[3:40, 3:5]])
def test_foregrounds_of_one_pixel(visible):
    image = np.zeros((48, 48, 4), np.uint8)
    image[visible] = 200
    assert recenter(image)[..., 3].any()
    prepared = prepare_image(image, 56)
    assert prepared.shape == (1, 3, 56, 56)
    assert prepared.min() < 1


def enlarged_by_area(values: np.ndarray, size: int) -> np.ndarray:
    """OpenCV's area interpolation for enlarging along the first axis, by its documented formula."""
    length = len(values)
    ratio = length / size
    result = []
    for d in range(size):
        s = int(np.floor(d * ratio))
        f = (d + 1) - (s + 1) / ratio
        f = 0.0 if f <= 0 else f - np.floor(f)
        if s >= length - 1:
            s, f = length - 1, 0.0
        result.append((1 - f) * values[s] + f * values[min(s + 1, length - 1)])
    return np.array(result)


def test_resize_modes(cut_out):
    area = resize_image(cut_out, 130, "area")
    expected = enlarged_by_area(cut_out.astype(float), 130)
    expected = enlarged_by_area(expected.transpose(1, 0, 2), 130).transpose(1, 0, 2)
    assert np.abs(area - expected).max() <= 1
    assert not np.array_equal(area, resize_image(cut_out, 130, "linear"))


def test_prepared_image_is_the_object_on_white(cut_out):
    prepared = prepare_image(cut_out, 70)
    assert prepared.dtype == torch.float32
    assert (prepared[0, :, 0, 0] == 1).all()
    assert 0 <= prepared.min() < 0.5
    assert prepared[0, 0, 35, 35] == pytest.approx(200 / 255, abs=0.01)
