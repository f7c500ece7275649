# SPDX-License-Identifier: GPL-3.0-or-later
"""A texture on the artist's own object: UV layers, materials next to the old ones, what was there before."""
