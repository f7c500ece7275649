# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of Mesh Silksong. A package, because other pipelines have test files of the same names."""
