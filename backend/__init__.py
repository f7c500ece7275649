# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshwright's GPU backend: networks, pipelines, geometry and the worker. Importing this package imports no torch."""

import os

# Nothing is reported to anybody, whichever way the backend is started. The libraries look when they are imported.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
