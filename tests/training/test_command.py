# SPDX-License-Identifier: GPL-3.0-or-later
"""What all training commands share."""

from types import SimpleNamespace

import pytest

from backend.contract import BadInput
from backend.training.command import build_run_parser, deadline, own_share


@pytest.mark.parametrize(("count", "processes"), [(7, 1), (7, 3), (8, 8)])
def test_shares_hold_every_object_once(count: int, processes: int) -> None:
    members = [SimpleNamespace(process_index=index, num_processes=processes) for index in range(processes)]
    shares = [list(range(count))[own_share(count, member)] for member in members]
    assert sorted(number for share in shares for number in share) == list(range(count))
    assert min(map(len, shares)) >= count // processes


def test_too_few_objects_are_refused() -> None:
    with pytest.raises(BadInput, match="2 objects cannot be shared out among 3"):
        own_share(2, SimpleNamespace(process_index=0, num_processes=3))


def test_without_minutes_there_is_no_deadline() -> None:
    options = build_run_parser("partpacker", "", ["starter"]).parse_args(["--out", "run"])
    assert deadline(options) == float("inf")
    assert options.preset == "starter"
