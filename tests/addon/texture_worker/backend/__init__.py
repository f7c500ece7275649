# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands where the add-on looks for the backend, and leads to the real worker with tiny texture weights."""
