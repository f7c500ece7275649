# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects that this project draws itself: analytic signed distances, surfaces and images to train every pipeline on.

Frame of everything here: the pipelines' internal frame, z up and +x the front, longest side 1.9 inside [-1, 1]^3.
"""
