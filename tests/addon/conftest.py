# SPDX-License-Identifier: GPL-3.0-or-later
"""In the zip the backend is a folder of the add-on; in the repository it stands beside it. Both names are one here."""

import sys

import backend.contract

sys.modules.setdefault("blender_addon.backend", backend)
sys.modules.setdefault("blender_addon.backend.contract", backend.contract)
