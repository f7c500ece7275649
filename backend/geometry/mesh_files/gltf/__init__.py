# SPDX-License-Identifier: GPL-3.0-or-later
"""glTF 2.0 files by their specification (https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html)."""
