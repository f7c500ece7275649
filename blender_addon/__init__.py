# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshwright: generative models for 3D artists. This module only registers."""

import importlib
import sys

_need_reload = "registration" in locals()

if _need_reload:  # Blender reloads this module alone: the others must be read again with it
    for _name in [name for name in sys.modules if name.startswith(f"{__package__}.")]:
        del sys.modules[_name]
        globals().pop(_name.split(".")[len(__package__.split("."))], None)  # `from . import x` would find the old one

registration = importlib.import_module(f"{__package__}.registration")


def register() -> None:
    """Called by Blender when the extension is enabled."""
    registration.register()


def unregister() -> None:
    """Called by Blender when the extension is disabled, and at its end."""
    registration.unregister()
