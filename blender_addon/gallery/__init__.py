# SPDX-License-Identifier: GPL-3.0-or-later
"""The history as the artist sees it: cards of all jobs on the disk, read in small steps, filtered, paged, pruned."""
