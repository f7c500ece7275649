# SPDX-License-Identifier: GPL-3.0-or-later
"""Where weights lie, under which license, and how they get there."""
