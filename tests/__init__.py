# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshwright's tests, one folder per room."""
