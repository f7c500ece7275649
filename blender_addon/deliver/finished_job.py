# SPDX-License-Identifier: GPL-3.0-or-later
"""What every deliverer gets and gives."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import bpy

from ..backend.contract import JobFolder, Request, Result
from ..backend.contract.parameter import Value
from ..delivery_note import DeliveryNote


@dataclass(frozen=True)
class FinishedJob:
    """A job whose result is put into the scene. `provenance` is kept as custom properties on what is made."""

    folder: JobFolder
    request: Request
    result: Result
    note: DeliveryNote
    provenance: Mapping[str, Value]
    scene: bpy.types.Scene
    view_layer: bpy.types.ViewLayer


@dataclass(frozen=True)
class Delivered:
    """What came into the scene: objects, the one to make active first, remarks, and the undo step's name.

    `shown` are new objects to select, without hidden ones; what was only changed stays selected as it was.
    """

    objects: tuple[bpy.types.Object, ...]
    shown: tuple[bpy.types.Object, ...]
    title: str
    notes: tuple[str, ...] = ()


Steps: TypeAlias = Generator[None, None, Delivered]
"""A delivery in small steps. Nothing of it is in the scene before the last one."""
