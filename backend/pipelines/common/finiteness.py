# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks whose values are not numbers: the check, and the error about them."""

import torch
from torch import Tensor

from ...contract import MeshwrightError, Remedy


class NotFiniteError(MeshwrightError):
    """A condition, a latent or a field holds NaN or infinity."""


def not_finite(holder: str, given: str, first_try: str) -> NotFiniteError:
    """The error about the `holder` of such values ("The latent of volume 1") that came from what was `given` ("image").
    """
    return NotFiniteError(
        f"{holder} holds values that are not numbers.",
        f"The weights are damaged, or the precision is too low for this {given}.",
        f"{first_try}; if it happens again, download the weights again.",
        Remedy.DOWNLOAD,
    )


def finite(values: Tensor, holder: str, given: str, first_try: str) -> Tensor:
    """The same values. Raises NotFiniteError, in the words of `not_finite`."""
    if torch.isfinite(values).all():
        return values
    raise not_finite(holder, given, first_try)
