# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker behind HTTP: an interface drawn from the specs, job folders as its memory, engines that do the work."""
