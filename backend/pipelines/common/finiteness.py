# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said when a network's values are not numbers."""

from ...contract import MeshwrightError, Remedy


class NotFiniteError(MeshwrightError):
    """A condition, a latent or a field holds NaN or infinity."""


def not_finite(holder: str, given: str, first_try: str) -> NotFiniteError:
    """The error about the `holder` of such values ("The latent of volume 1"), computed of what was `given` ("image").
    """
    return NotFiniteError(
        f"{holder} holds values that are not numbers.",
        f"The weights are damaged, or the precision is too low for this {given}.",
        f"{first_try}; if it happens again, download the weights again.",
        Remedy.DOWNLOAD,
    )
