# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshwright's GPU backend: networks, pipelines, geometry and the worker. Importing this package imports no torch."""
