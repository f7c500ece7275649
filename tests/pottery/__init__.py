# SPDX-License-Identifier: GPL-3.0-or-later
"""The pipeline in `tests/foreign_pipelines`, which the product does not know."""
