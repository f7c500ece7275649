# SPDX-License-Identifier: GPL-3.0-or-later
"""The published pipeline's configuration files, in this one's options. Free of torch.

See docs/algorithms/flexisyncmvd.md, section 10.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...contract import BadInput
from .spec import TEXTURE_SIZES

_MODELS = {"sd1.5": "sd15", "sdxl": "sdxl"}
_WITHOUT_MEANING = {
    "prefix": "results are named after the mesh file",
    "use_mesh_name": "results are named after the mesh file",
    "timeformat": "results are named after the mesh file",
    "latent_tex_size": "it follows from latent_view_size",
    "rgb_view_size": "it follows from latent_view_size",
    "max_batch_size": "the batch follows from the memory that is free",
    "view_fast_preview": "previews are always fast ones",
    "tex_fast_preview": "previews are always fast ones",
}
Translated = tuple[dict[str, Any], list[str]]


def translated(values: Mapping[str, Any], folder: Path) -> Translated:
    """The options under this pipeline's names, unknown ones as they are, and remarks on what is taken otherwise.

    `folder` is the file's own: results go there where `output` is left empty, and `mesh` counts from it where
    `mesh_config_relative` says so. Raises BadInput.
    """
    own: dict[str, Any] = {}
    remarks: list[str] = []
    for name, value in values.items():
        if name in _WITHOUT_MEANING:
            remarks.append(f"{name} has no effect: {_WITHOUT_MEANING[name]}.")
        elif name in _CHANGED:
            changed, more = _CHANGED[name](value)
            own, remarks = own | changed, remarks + more
        elif name not in ("mesh_config_relative", "t2i_model"):
            own[name] = value
    if "t2i_model" in values:
        own["weights"] = _weights(values)
    if values.get("mesh_config_relative") and isinstance(own.get("mesh"), str):
        own["mesh"] = str(folder / own["mesh"])
    if "output" in values and not values["output"]:
        own["out"] = str(folder)
    return own, remarks


def _weights(values: Mapping[str, Any]) -> str:
    """The family's set; the complete one where an image leads or views follow more than depth."""
    family = _MODELS.get(str(values["t2i_model"]).lower())
    if family is None:
        raise BadInput(f"There is no t2i_model {values['t2i_model']!r}.", "Known are SD1.5 and SDXL.",
                       "Choose one of these.")
    complete = values.get("ip_adapter_image") or values.get("cond_type", "depth") != "depth"
    return f"{family}_all" if complete else family


def _texture_size(value: Any) -> Translated:
    """The next larger size that there is: a texture is never coarser than it was asked to be."""
    larger = [size for size in TEXTURE_SIZES if isinstance(value, int) and size >= value]
    if not larger:
        raise BadInput(f"rgb_tex_size cannot be {value}.", f"It takes up to {TEXTURE_SIZES[-1]}.",
                       "Choose a smaller one.")
    remarks = [] if larger[0] == value else [f"rgb_tex_size {value} becomes {larger[0]}."]
    return {"texture_size": larger[0]}, remarks


def _views(value: Any) -> Translated:
    """A list, as the original has it, or the text that the option is otherwise."""
    listed = value if isinstance(value, list) else [value]
    return {"camera_azims": " ".join(map(str, listed))}, []


_CHANGED: dict[str, Callable[[Any], Translated]] = {
    "output": lambda value: ({"out": value} if value else {}, []),
    "checkpoint_path": lambda value: ({"checkpoint": value}, []),
    "ip_adapter_image": lambda value: ({"image": value}, []),
    "rgb_tex_size": _texture_size,
    "camera_azims": _views,
    "no_top_cameras": lambda value: ({"top_cameras": not value}, []),
    "cond_type": lambda value: ({"cond_type": "tile" if value == "render" else value}, []),
    "keep_mesh_uv": lambda value: ({"uv": "keep" if value else "auto"}, []),
}
