# SPDX-License-Identifier: GPL-3.0-or-later
"""Golden numbers: our networks and geometry against values recorded from the published pipelines.

`python -m tests.parity PATH...` compares golden files and exits with 1 when any value is out of tolerance, was not
compared, or belongs to an unknown kind of file. `kinds.py` says how a module of this package declares its kinds.
"""
