# SPDX-License-Identifier: GPL-3.0-or-later
"""The version of the boundary's language."""

VERSION = 2
