# SPDX-License-Identifier: GPL-3.0-or-later
"""The terms under which weights are used."""

from dataclasses import dataclass


@dataclass(frozen=True)
class License:
    """The terms that the artist must accept before a download. `text` is shown whole."""

    name: str
    url: str
    text: str
    commercial_use: bool
    territory: str = "worldwide"

    @property
    def outputs(self) -> str:
        """What may be done with results, in one sentence."""
        use = "any use" if self.commercial_use else "non-commercial only"
        return f"Output: {use}" + ("" if self.territory == "worldwide" else f", {self.territory}")
