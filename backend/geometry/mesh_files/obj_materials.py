# SPDX-License-Identifier: GPL-3.0-or-later
"""Material libraries (MTL) of OBJ files, as far as they name the image of a base color."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PIL import Image

from .surfaces import Surface

_OPTIONS = {"-blendu": 1, "-blendv": 1, "-cc": 1, "-clamp": 1, "-texres": 1, "-mm": 2, "-bm": 1, "-boost": 1,
            "-imfchan": 1, "-type": 1}
"""Options of a map and how many words follow each. -o, -s and -t have up to three numbers."""


def read_materials(path: Path, libraries: list[str]) -> dict[str, Surface]:
    """Every material of the libraries next to the OBJ file, by name; a missing library has none."""
    found: dict[str, Surface] = {}
    for names in libraries:
        # One name with spaces, or several names.
        for library in dict.fromkeys([names, *names.split()]):
            place = path.parent / library.replace("\\", "/")
            if place.is_file():
                found |= _of_library(place)
    return found


def _of_library(path: Path) -> dict[str, Surface]:
    found: dict[str, Surface] = {}
    name = ""
    for line in path.read_bytes().decode("utf-8-sig", "replace").splitlines():
        word, _, rest = line.strip().replace("\t", " ").partition(" ")
        if word == "newmtl":
            name = rest.strip()
            found[name] = Surface(name)
        elif word == "Kd" and name and found[name].image is None and all(map(_is_number, rest.split()[:3])):
            values = [float(number) for number in rest.split()[:3]]
            found[name] = Surface(name, tint=(values[0], values[1 % len(values)], values[2 % len(values)]))
        elif word.lower() == "map_kd" and name and rest.strip():
            image = _image(path.parent, rest.strip())
            if image is not None:
                found[name] = Surface(name, partial(Image.open, image))
    return found


def _image(folder: Path, words: str) -> Path | None:
    """The image file that a map names behind its options; None where it is missing."""
    rest = words.split()
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        count = _OPTIONS.get(option, 0)
        if option in ("-o", "-s", "-t"):
            while count < 3 and count < len(rest) and _is_number(rest[count]):
                count += 1
        rest = rest[count:]
    if not rest:
        return None
    name = words[words.rindex(rest[0]) if len(rest) == 1 else words.index(rest[0]):].replace("\\", "/")
    place = folder / name
    place = place if place.is_file() else folder / Path(name).name
    return place if place.is_file() else None


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
