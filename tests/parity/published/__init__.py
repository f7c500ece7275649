# SPDX-License-Identifier: GPL-3.0-or-later
"""The published pipelines' faults, each as a small function, so that golden numbers that contain one can be compared.

The product does what is right; `docs/parity.md` lists where it differs on purpose.
"""
