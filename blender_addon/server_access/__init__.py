# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs on another machine: its address and token, and a button that tries them."""
