# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for the backend where a test needs a worker that misbehaves."""
