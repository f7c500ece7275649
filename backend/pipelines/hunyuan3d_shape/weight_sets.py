# SPDX-License-Identifier: GPL-3.0-or-later
"""The sets of weights: the included one and the ten published forms."""

from collections.abc import Mapping
from dataclasses import dataclass

from ...contract import MemoryMode, WeightFile, WeightSet
from ...contract.parameter import Value
from ..common.starter_license import STARTER_LICENSE
from ..common.tencent_licenses import LICENSE_2_0, LICENSE_2_1
from .variants import CONFIGURATION, LIGHT_FILE, VARIANTS, Variant

SIDE_VIEWS = ("left", "back", "right")
"""Inputs that only weights with named views take."""
LIGHT_BYTES = 407_410_402


@dataclass(frozen=True)
class Quality:
    """Defaults of a kind of weights, and what the presets mean with them."""

    defaults: Mapping[str, Value]
    presets: Mapping[str, Mapping[str, Value]]


FULL = Quality({}, {})
FAST = Quality(
    {"steps": 20},
    {"draft": {"steps": 10, "grid_resolution": "256"}, "best": {"steps": 30, "grid_resolution": "512"}},
)
TURBO = Quality(
    {"steps": 5, "decoding": "flash"},
    {"draft": {"steps": 5, "grid_resolution": "256"}, "best": {"steps": 10, "grid_resolution": "512"}},
)
STARTER = Quality(
    {"steps": 24, "guidance_scale": 2.0, "grid_resolution": "128"},
    {"draft": {"steps": 12, "grid_resolution": "96"}, "best": {"steps": 40, "grid_resolution": "256"}},
)


def published(
    name: str, label: str, description: str, size: int, memory: Mapping[MemoryMode, float], quality: Quality
) -> WeightSet:
    """The set of a published form; `size` is the checkpoint's in bytes."""
    variant = VARIANTS[name]
    return WeightSet(
        name=name,
        label=label,
        description=description,
        files=tuple(files_of(variant, size)),
        license=LICENSE_2_0 if variant.single_depth else LICENSE_2_1,
        gigabytes=round((size + (LIGHT_BYTES if variant.light_decoder else 0)) / 1e9, 2),
        memory=memory,
        tasks=("generate_shape",) if variant.single_depth else (),
        takes=("image", "mask", *SIDE_VIEWS) if variant.named_views else ("image", "mask"),
        parameter_defaults=quality.defaults,
        preset_values=quality.presets,
    )


def files_of(variant: Variant, size: int) -> list[WeightFile]:
    """The files of a published form."""
    files = [
        WeightFile(variant.repository, f"{variant.folder}/{variant.file}", variant.file, size),
        WeightFile(variant.repository, f"{variant.folder}/config.yaml", CONFIGURATION),
    ]
    if variant.light_decoder:
        repository, folder = variant.light_decoder
        files.append(WeightFile(repository, f"{folder}/model.fp16.safetensors", LIGHT_FILE, LIGHT_BYTES))
    return files


MEMORY_2_1: Mapping[MemoryMode, float] = {"full": 8.5, "balanced": 6.9, "low": 2.5}
MEMORY_2_0: Mapping[MemoryMode, float] = {"full": 6.0, "balanced": 3.6, "low": 1.8}
MEMORY_MINI: Mapping[MemoryMode, float] = {"full": 5.0, "balanced": 3.2, "low": 1.8}

WEIGHT_SETS: tuple[WeightSet, ...] = (
    WeightSet(
        name="starter",
        label="Demo",
        description="Demo model (included). Handles about a dozen simple objects",
        files=(),
        license=STARTER_LICENSE,
        gigabytes=0.006,
        memory={"full": 0.5},
        bundled=True,
        parameter_defaults=STARTER.defaults,
        preset_values=STARTER.presets,
    ),
    published("hunyuan3d-2.1", "Hunyuan3D 2.1", "The largest model, for one image", 7_366_389_768, MEMORY_2_1, FULL),
    published("hunyuan3d-2", "Hunyuan3D 2.0", "For one image", 4_928_151_562, MEMORY_2_0, FULL),
    published("hunyuan3d-2-fast", "Hunyuan3D 2.0 Fast", "For one image, in half the time", 4_930_777_530, MEMORY_2_0,
              FAST),
    published("hunyuan3d-2-turbo", "Hunyuan3D 2.0 Turbo", "For one image, in about a second on a large GPU",
              4_930_777_530, MEMORY_2_0, TURBO),
    published("hunyuan3d-2mini", "Hunyuan3D 2mini", "The smallest model, for one image", 3_819_958_234, MEMORY_MINI,
              FULL),
    published("hunyuan3d-2mini-fast", "Hunyuan3D 2mini Fast", "The smallest model, in half the time", 3_822_584_202,
              MEMORY_MINI, FAST),
    published("hunyuan3d-2mini-turbo", "Hunyuan3D 2mini Turbo", "The smallest model, in a few steps", 3_822_584_202,
              MEMORY_MINI, TURBO),
    published("hunyuan3d-2mv", "Hunyuan3D 2mv", "For an image from the front and up to three other sides",
              4_928_151_562, MEMORY_2_0, FULL),
    published("hunyuan3d-2mv-fast", "Hunyuan3D 2mv Fast", "For up to four sides, in half the time", 4_930_777_530,
              MEMORY_2_0, FAST),
    published("hunyuan3d-2mv-turbo", "Hunyuan3D 2mv Turbo", "For up to four sides, in a few steps", 4_930_777_530,
              MEMORY_2_0, TURBO),
)
