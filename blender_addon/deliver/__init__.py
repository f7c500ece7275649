# SPDX-License-Identifier: GPL-3.0-or-later
"""A finished job folder becomes objects in the scene, in one undo step."""

from . import interruption, preview
from .delivery import DeliveryReport, deliver, delivering
from .scene import blocked

__all__ = ["DeliveryReport", "blocked", "deliver", "delivering", "interruption", "preview"]
