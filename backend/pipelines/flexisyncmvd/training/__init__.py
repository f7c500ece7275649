# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipe that trains a small set of Stable Diffusion's networks to paint procedural objects by caption."""
