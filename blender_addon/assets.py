# SPDX-License-Identifier: GPL-3.0-or-later
"""A result as an asset of the Asset Browser: with a preview, tags, what it shows and how it was made."""

import bpy

from .deliver.caption import caption_of
from .deliver.provenance import LICENSE, PREFIX
from .results import made_by

TAG = "Meshwright"


def asset_of(result: bpy.types.Object) -> bpy.types.ID:
    """What becomes the asset: the collection of a result in parts, since an empty as an asset comes without what is
    below it; else the object."""
    if result.type == "EMPTY":
        homes = [home for home in result.users_collection if home.library is None]
        return next((home for home in homes if set(result.children) <= set(home.all_objects)), result)
    return result


def mark_as_asset(result: bpy.types.Object) -> bpy.types.ID:
    """Mark the result as an asset, or bring one up to date. Its metadata keeps the provenance."""
    asset = asset_of(result)
    asset.asset_mark()
    data, maker = asset.asset_data, made_by(result)
    data.description = caption_of(result) or result.name
    data.license = str(result.get(LICENSE, ""))
    for tag in (TAG, *((maker[0].label, maker[1].label) if maker else ())):
        data.tags.new(tag, skip_if_exists=True)
    for name, value in result.items():
        if name.startswith(PREFIX) and isinstance(value, str | int | float):
            data[name] = value
    asset.asset_generate_preview()
    return asset
