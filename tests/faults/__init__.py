# SPDX-License-Identifier: GPL-3.0-or-later
"""The product under attack: killed processes, hostile messages, a hub that misbehaves. Nothing is lost or hangs."""
