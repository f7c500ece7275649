# SPDX-License-Identifier: GPL-3.0-or-later
"""In the zip the backend is a folder of the add-on; in the repository it stands beside it. Both names are one here."""

import os
import sys
import tempfile

import backend.contract

# Before anything imports bpy: tests must not see or change the user's own preferences.
os.environ.setdefault("BLENDER_USER_RESOURCES", tempfile.mkdtemp(prefix="meshwright-blender-"))

sys.modules.setdefault("blender_addon.backend", backend)
sys.modules.setdefault("blender_addon.backend.contract", backend.contract)
