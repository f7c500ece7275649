# SPDX-License-Identifier: GPL-3.0-or-later
"""Hypothesis without a deadline: on a busy machine time says nothing about the contract."""

from hypothesis import settings

settings.register_profile("busy", deadline=None, max_examples=60)
settings.load_profile("busy")
