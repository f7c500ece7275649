# SPDX-License-Identifier: GPL-3.0-or-later
"""Hunyuan3D shape: one image, or up to four named views, to one object; 2.1 and the 2.0 family."""
