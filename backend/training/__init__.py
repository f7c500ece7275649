# SPDX-License-Identifier: GPL-3.0-or-later
"""What the recipes of all pipelines share: the stage that trains, its schedule and curves, the command, the model card.

A recipe is ``backend/pipelines/<name>/training/recipe.py`` with ``train(arguments) -> exit code``.
"""
