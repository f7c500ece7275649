# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker's messages passed on to a server. Standard library only: it also runs in Blender's own Python, so that an
artist without a GPU installs nothing.
"""
