# SPDX-License-Identifier: GPL-3.0-or-later
"""What every pipeline must pass (`contract`), and the tests of what several share (`common`)."""

import pytest

for _module in ("contract", "results", "spec_texts", "trials"):
    pytest.register_assert_rewrite(f"{__name__}.{_module}")
