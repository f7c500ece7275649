# SPDX-License-Identifier: GPL-3.0-or-later
"""One line of the protocol, in and out: the only way in which events and messages cross a pipe."""

import json

from .error import BadInput
from .event import Event, event_from_json, event_to_json
from .json_form import parse
from .message import Message, message_from_json, message_to_json

MAXIMUM_LINE_BYTES = 4 * 1024 * 1024
"""A longer line is refused whole; a result of ten thousand parts has half of that."""


def line_of(item: Event | Message) -> bytes:
    """The item as ASCII, with the end of the line. Raises BadInput for a number that is not finite."""
    data = message_to_json(item) if isinstance(item, Message) else event_to_json(item)
    return json.dumps(data).encode("ascii") + b"\n"


def item_of(line: str | bytes) -> Event | Message:
    """The event or message of one line. Raises BadInput, and nothing else, for any other line."""
    if len(line) > MAXIMUM_LINE_BYTES:
        raise BadInput("A message is too long.", f"It has {len(line)} bytes.", "Start the job again.")
    data = parse(line)
    return event_from_json(data) if isinstance(data, dict) and "event" in data else message_from_json(data)
