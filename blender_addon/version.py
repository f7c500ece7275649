# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension's version; the manifest says the same."""

ADDON_VERSION = "0.1.0"
