# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh described in words: views, tokens, and the language models that read one or the other."""
