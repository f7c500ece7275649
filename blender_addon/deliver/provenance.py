# SPDX-License-Identifier: GPL-3.0-or-later
"""How a result was made, as custom properties on its objects."""

import json
from collections.abc import Mapping

import bpy

from ..backend.contract import BadInput, JobFolder, Request
from ..backend.contract.parameter import Value
from ..backend.pipelines import registry
from ..delivery_note import DeliveryNote
from ..version import ADDON_VERSION

PREFIX = "meshwright_"
PART, SIZE, SUBJECT, FOLDER, SEED, PIPELINE, TASK, WEIGHTS, LICENSE, COMMERCIAL_USE = (PREFIX + name for name in (
    "part", "size", "subject", "folder", "seed", "pipeline", "task", "weights", "license", "commercial_use"))
ORIGINAL, VARIANT, DELIVERY, CAPTION = (PREFIX + name for name in ("original", "variant", "delivery", "caption"))
"""The object that was captured (a Reference as JSON); the number of a variant, which has siblings of one delivery; a
text about the object."""


def provenance(folder: JobFolder, request: Request, note: DeliveryNote) -> dict[str, Value]:
    """Flat values by property name: pipeline, weights, license, seed, parameters (JSON), image, versions …"""
    values: dict[str, Value] = {
        "job": request.job, "task": request.task, "pipeline": request.pipeline,
        "seed": request.seed, "parameters": json.dumps(dict(request.parameters), sort_keys=True),
        "subject": request.subject, "image": note.image, "folder": folder.path.name,
        "version": ADDON_VERSION, "blender": bpy.app.version_string, **_weights(request),
    }
    return {PREFIX + name: value for name, value in values.items() if value != ""}


def attach(datablock: bpy.types.ID, values: Mapping[str, Value]) -> None:
    """Write the values as custom properties."""
    for name, value in values.items():
        datablock[name] = value


def _weights(request: Request) -> dict[str, Value]:
    try:
        spec = registry.spec(request.pipeline)
        if not spec.task(request.task).needs_weights:
            return {}
        license = spec.weight_set(request.weights).license
    except BadInput:  # the job of a version that had other pipelines can still be delivered
        return {"weights": request.weights}
    return {"weights": request.weights, "license": license.name, "license_url": license.url,
            "commercial_use": license.commercial_use}
