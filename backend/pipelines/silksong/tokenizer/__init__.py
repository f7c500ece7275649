# SPDX-License-Identifier: GPL-3.0-or-later
"""Triangle meshes to token sequences and back."""

from .decode import DecodedMesh, decode
from .encode import Tokens, encode

__all__ = ["DecodedMesh", "Tokens", "decode", "encode"]
