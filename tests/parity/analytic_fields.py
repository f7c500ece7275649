# SPDX-License-Identifier: GPL-3.0-or-later
"""Analytic distance fields that stand for a network in golden files, read from the file's configuration."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

Field = Callable[[Tensor], Tensor]
"""Points float64 [P, 3] to untruncated distances, positive inside."""

_NUMBER = r"-?[\d.]+(?:e-?\d+)?"
_POINT = rf"\(({_NUMBER}(?:, *{_NUMBER}){{2}})\)"
_BALL_IN_WORDS = re.compile(rf"({_NUMBER})-\|p-{_POINT}\|")
_BOX_IN_WORDS = re.compile(rf"box cent(?:re|er) {_POINT} half-size {_POINT}")
_TWO_BALLS_IN_WORDS = "two balls of grid_refine"
_TWO_BALLS = "0.45-|p-(-0.35,0.1,0)|, 0.3-|p-(0.5,-0.2,0.25)|"
"""What the words above mean in files that do not list their solids."""


def truncated_union(truncation: float, solids: list[Field]) -> Field:
    """The field that a network would be: in double as the golden one was, float32 in and out, clipped to [-1, 1]."""

    def query(points: Tensor) -> Tensor:
        distance = torch.stack([solid(points.double()) for solid in solids]).amax(dim=0)
        return (distance / truncation).clamp(-1, 1).float()

    return query


def solids_of(config: dict[str, Any], name: str) -> list[Field]:
    """The solids of one field: lists `<name>_spheres` and `<name>_box(es)`, or else the formula under `name`."""
    spheres, boxes = config.get(f"{name}_spheres"), config.get(f"{name}_boxes", config.get(f"{name}_box"))
    if spheres is None and boxes is None:
        return list(_solids_in_words(config[name].replace(_TWO_BALLS_IN_WORDS, _TWO_BALLS)))
    return [_ball(given) for given in spheres or []] + [_box(given) for given in _each(boxes)]


def _solids_in_words(formula: str) -> Iterator[Field]:
    for radius, center in _BALL_IN_WORDS.findall(formula):
        yield ball(float(radius), _point(center))
    for center, half_size in _BOX_IN_WORDS.findall(formula):
        yield box(_point(center), _point(half_size))


def _point(text: str) -> list[float]:
    return [float(number) for number in text.split(",")]


def _each(boxes: Any) -> list[Any]:
    """One box or several as a list of boxes."""
    if not boxes:
        return []
    several = isinstance(boxes, list) and (isinstance(boxes[0], dict) or not _is_box(boxes))
    return boxes if several else [boxes]


def _is_box(given: Any) -> bool:
    """Whether it is a center and a half size, nested or in six numbers."""
    return len(_flat(given)) == 6


def _flat(given: Any) -> list[float]:
    return [number for item in given for number in _flat(item)] if isinstance(given, list) else [float(given)]


def _ball(given: Any) -> Field:
    """From {radius, center}, from a pair of a radius and a center in any order, or from x, y, z, radius."""
    if isinstance(given, dict):
        center = given.get("center", given.get("centre"))
        return ball(given.get("radius", given.get("r")), center)
    if len(given) == 2:
        radius, center = given if isinstance(given[1], list) else given[::-1]
        return ball(radius, center)
    return ball(given[3], given[:3])


def _box(given: Any) -> Field:
    """From {center, half_size}, from a pair of them, or from six numbers."""
    if isinstance(given, dict):
        center = given.get("center", given.get("centre"))
        half_size = next(value for key, value in given.items() if "half" in key)
        return box(center, half_size)
    numbers = _flat(given)
    return box(numbers[:3], numbers[3:])


def ball(radius: float, center: list[float]) -> Field:
    return lambda p: radius - (p - torch.tensor(center, dtype=p.dtype)).norm(dim=-1)


def box(center: list[float], half_size: list[float]) -> Field:
    def distance(p: Tensor) -> Tensor:
        q = (p - torch.tensor(center, dtype=p.dtype)).abs() - torch.tensor(half_size, dtype=p.dtype)
        return -(q.clamp(min=0).norm(dim=-1) + q.amax(dim=-1).clamp(max=0))

    return distance
