# SPDX-License-Identifier: GPL-3.0-or-later
"""The terms of the small weights that come along. Blender reads this with the specs: it imports the contract only."""

from ...contract import License

STARTER_LICENSE = License(
    name="GPL-3.0-or-later",
    url="https://www.gnu.org/licenses/gpl-3.0.html",
    text="Trained by Meshwright on shapes that it drew itself. Use the results for anything.",
    commercial_use=True,
)
