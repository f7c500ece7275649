# SPDX-License-Identifier: GPL-3.0-or-later
"""Image files of every kind, as RGBA uint8 `[H, W, 4]` with straight (not premultiplied) alpha, in sRGB."""

import io
import math
import re
import warnings
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, TiffImagePlugin, UnidentifiedImageError

from ...contract import BadInput
from ...geometry.srgb import linear_to_srgb

RgbaArray = NDArray[np.uint8]

LARGEST_SIDE = 4096
"""Side of the largest square worked on. An image of more pixels than that is made smaller."""
MOST_PIXELS = 120_000_000
"""Of an image that is decoded; the largest cameras have 108 million. Decoding takes about 12 bytes each."""
FAINTEST = 8
"""Alpha of 255 below which nothing is seen: cut-out tools leave such haze in the background."""
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif", ".tif", ".tiff", ".bmp", ".tga", ".gif",
                  ".jp2", ".ppm", ".pgm", ".psd", ".qoi", ".hdr")
"""Of the files that a folder of images stands for: all that is read here."""
_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "TIFF", "BMP", "GIF", "JPEG2000", "PPM", "PSD", "QOI", "TGA")
"""What Pillow may take a file for. Others of its formats run programs, or are no images of objects."""
_LIGHT = {b"II*\0": "TIFF", b"MM\0*": "TIFF", b"#?RA": "Radiance", b"#?RG": "Radiance"}
"""Formats that OpenCV reads where Pillow does not, by their first bytes."""


def read_image(path: Path) -> RgbaArray:
    """Read any image file as RGBA, upright, 8 bit, sRGB; of an animation the first frame.

    Color profiles are converted, floating-point images count as scene-linear light, and what is fainter than can be
    seen is transparent. Images of more pixels than a square of 4096 a side are made smaller. Raises BadInput when the
    file is no image, is damaged, or has more than 120 million pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit here is lower
            with Image.open(path, formats=_FORMATS) as image:
                _check_size(path, image.size)
                rgba = _upright_rgba(path, image)
    except UnidentifiedImageError as error:
        rgba = _of_light(path, error)
    except Image.DecompressionBombError as error:
        raise _too_large(path) from error
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow's decoders raise on damaged files
        raise BadInput(f"{path.name} cannot be read.", f"The image file is damaged or not accessible ({error}).",
                       "Save it again, as PNG, and choose it once more.") from error
    rgba[..., 3][rgba[..., 3] < FAINTEST] = 0
    return rgba


def _check_size(path: Path, size: tuple[int, int]) -> None:
    if size[0] * size[1] > MOST_PIXELS:
        raise _too_large(path)


def _too_large(path: Path) -> BadInput:
    return BadInput(f"{path.name} is too large.", f"It has more than {MOST_PIXELS // 1_000_000} million pixels.",
                    f"Scale it down to at most {LARGEST_SIDE} pixels a side first.")


def _upright_rgba(path: Path, image: Image.Image) -> RgbaArray:
    """First frame, turned as its EXIF data says, RGBA of 8 bit, no more pixels than `LARGEST_SIDE` squared."""
    image.draft(None, (LARGEST_SIDE, LARGEST_SIDE))  # a JPEG is decoded no larger than needed
    upright = ImageOps.exif_transpose(image)
    if upright.mode == "F":
        return _fitting(_encoded(path, np.asarray(upright)[..., None]))
    if upright.mode == "LAB":
        upright = ImageCms.profileToProfile(upright, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"),
                                            outputMode="RGB") or upright
    if upright.mode.startswith("I"):
        signed = 2 in getattr(image, "tag_v2", {}).get(TiffImagePlugin.SAMPLEFORMAT, (1,))
        upright = _eight_bit(upright, signed)
    if upright.mode not in ("RGB", "RGBA", "L", "CMYK"):
        upright = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    return _fitting(_in_srgb(upright))


def _fitting(image: Image.Image) -> RgbaArray:
    """RGBA of no more pixels than `LARGEST_SIDE` squared."""
    width, height = image.size
    if width * height > LARGEST_SIDE**2:
        scale = LARGEST_SIDE / math.sqrt(width * height)
        image = image.resize((max(int(width * scale), 1), max(int(height * scale), 1)), Image.Resampling.BICUBIC)
    return np.asarray(image.convert("RGBA")).copy()


def _in_srgb(image: Image.Image) -> Image.Image:
    """The image with the colors that its profile means, as sRGB; one without a profile is in it."""
    profile = image.info.get("icc_profile")
    if profile:
        try:
            given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if not ImageCms.getProfileDescription(given).startswith("sRGB"):
                colors = image.convert("RGB") if image.mode == "RGBA" else image
                shown = ImageCms.profileToProfile(colors, given, ImageCms.createProfile("sRGB"), outputMode="RGB")
                if shown is not None and image.mode == "RGBA":
                    shown.putalpha(image.getchannel("A"))
                image = shown or image
        except (ImageCms.PyCMSError, OSError):  # a profile of other channels than the image's says nothing of it
            pass
    return image.convert("RGB") if image.mode == "CMYK" else image  # CMYK has no direct way to RGBA


def _eight_bit(image: Image.Image, signed: bool) -> Image.Image:
    """Gray images of 16 or 32 bit -> 8 bit. Plain conversion would clip them."""
    values = np.asarray(image).astype(np.float64)
    whole = 65535.0
    if image.mode == "I" and np.abs(values).max(initial=0) > whole:
        values, whole = (values, 2.0**31 - 1) if signed else (values % 2.0**32, 2.0**32 - 1)
    return Image.fromarray(np.clip(values * (255.0 / whole), 0, 255).round().astype(np.uint8))


def _encoded(path: Path, light: NDArray[np.floating]) -> Image.Image:
    """Scene-linear light [H, W, 1, 3 or 4] as sRGB; alpha stays. Raises BadInput for values that are no such light."""
    colors = np.nan_to_num(light[..., :3])
    if (colors > 1).mean() > 0.5:
        raise BadInput(f"{path.name} cannot be read.", f"Its floating-point values reach {colors.max():g}, and most of "
                       "them are above 1, which stands for white.", "Save it as PNG.")
    shown = linear_to_srgb(colors.clip(0, 1))
    alpha = light[..., 3:] if light.shape[2] == 4 else np.ones((*light.shape[:2], 1))
    whole = np.concatenate([np.broadcast_to(shown, (*shown.shape[:2], 3)), alpha], axis=2)
    return Image.fromarray((whole * 255).clip(0, 255).round().astype(np.uint8))


def _of_light(path: Path, error: UnidentifiedImageError) -> RgbaArray:
    """Images of several channels in floating point or of more bits than Pillow reads. Raises BadInput."""
    with path.open("rb") as file:
        start = file.read(4096)
    if start.startswith(b"v/1\x01"):
        raise BadInput(f"{path.name} cannot be read.", "OpenEXR images are not read.",
                       "Save it as PNG (in Blender: Image > Save As).") from error
    kind = _LIGHT.get(start[:4])
    if kind is None:
        raise BadInput(f"{path.name} is not an image.", "Its content is of no image format that can be read.",
                       "Choose a PNG, JPEG or WebP file.") from error
    try:
        _check_size(path, _tiff_size(path) if kind == "TIFF" else _radiance_size(start))
        found = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    except (cv2.error, SyntaxError, KeyError, ValueError, OSError):
        found = None
    if found is None or (found.ndim == 3 and found.shape[2] == 2):
        raise BadInput(f"{path.name} cannot be read.", f"It is a {kind} image of an unusual form, or is damaged.",
                       "Save it as PNG with 8 or 16 bit.") from error
    return _fitting(_of_values(path, found))


def _of_values(path: Path, found: NDArray) -> Image.Image:
    """OpenCV's channels [H, W] or [H, W, 3 or 4], blue first, as an image."""
    if found.dtype.kind == "f":
        values = found[..., None] if found.ndim == 2 else found[..., [2, 1, 0, *range(3, found.shape[2])]]
        return _encoded(path, values)
    bytes_ = np.round(found.astype(np.float64).clip(0, None) * (255 / np.iinfo(found.dtype).max)).astype(np.uint8)
    return Image.fromarray(bytes_ if bytes_.ndim == 2 else bytes_[..., [2, 1, 0, *range(3, bytes_.shape[2])]])


def _tiff_size(path: Path) -> tuple[int, int]:
    """Width and height, before anything is decoded."""
    with path.open("rb") as file:
        entries = TiffImagePlugin.ImageFileDirectory_v2(file.read(8))
        file.seek(entries.next)
        entries.load(file)
    return int(entries[TiffImagePlugin.IMAGEWIDTH]), int(entries[TiffImagePlugin.IMAGELENGTH])


def _radiance_size(start: bytes) -> tuple[int, int]:
    found = re.search(rb"\n[+-][XY] (\d+) [+-][XY] (\d+)\n", start)
    if found is None:
        raise ValueError("there is no size")
    return int(found[1]), int(found[2])
