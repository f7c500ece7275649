# SPDX-License-Identifier: GPL-3.0-or-later
"""What the artist has in Blender becomes plain files in a job folder. Nothing in the scene changes."""

from .camera import view_of_objects
from .image import capture_image
from .mesh import capture_mesh, target_of
from .triangulation import triangles

__all__ = ["capture_image", "capture_mesh", "target_of", "triangles", "view_of_objects"]
