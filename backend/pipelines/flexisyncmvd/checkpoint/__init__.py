# SPDX-License-Identifier: GPL-3.0-or-later
"""Any checkpoint of the Stable Diffusion 1.5 and SDXL families as a placed pipeline: `pipeline.CheckpointPipelines`."""
