# SPDX-License-Identifier: GPL-3.0-or-later
"""Chains of tasks as one task: what they are, how they are offered, how they run. See docs/workflows.md."""
