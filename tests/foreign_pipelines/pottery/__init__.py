# SPDX-License-Identifier: GPL-3.0-or-later
"""A pipeline that the product does not know: one task for each delivery, on numpy alone."""
