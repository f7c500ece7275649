# SPDX-License-Identifier: GPL-3.0-or-later
"""One option of a task: from this the panel's field, the command line's flag and the docs' table are drawn."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .error import BadInput

Value = bool | int | float | str
Kind = Literal["int", "float", "bool", "choice", "text", "file"]


@dataclass(frozen=True)
class Choice:
    """One entry of a choice parameter."""

    value: str
    label: str
    description: str = ""


@dataclass(frozen=True)
class Parameter:
    """A named option with its kind, default and range. `minimum` and `maximum` are inclusive.

    A "file" is the path of a file or folder that exists, or "" for none; a relative one counts from the folder that
    the program was started in. A prompt is a `multiline` "text". Parameters of one `group` stand together under its
    name; `advanced` ones are folded away.
    """

    name: str
    kind: Kind
    default: Value
    label: str
    description: str
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: tuple[Choice, ...] = ()
    advanced: bool = False
    group: str = ""
    multiline: bool = False

    def validated(self, value: object) -> Value:
        """The value in this parameter's own type. Raises BadInput naming the option and its range."""
        if self.kind == "bool" and isinstance(value, bool):
            return value
        if self.kind == "text" and isinstance(value, str):
            return value
        if self.kind == "file" and isinstance(value, str):
            return self._path(value)
        if self.kind == "choice" and value in [choice.value for choice in self.choices]:
            return str(value)
        if self.kind in ("int", "float") and isinstance(value, (int, float)) and not isinstance(value, bool):
            return self._in_range(value)
        raise BadInput(f"{self.label} cannot be {value!r}.", f"It takes {self.expectation()}.", "Choose another value.")

    def is_given(self, value: object) -> bool:
        """Whether the artist gave a value: for a text or a file, one that is not blank."""
        return bool(value.strip()) if isinstance(value, str) else value is not None

    def _path(self, value: str) -> str:
        if not value.strip():
            return ""
        path = Path(value.strip()).expanduser().absolute()
        if not path.exists():
            raise BadInput(f"{self.label} cannot be found.", f"There is nothing at {path}.",
                           "Choose it again, or leave the field empty.")
        return str(path)

    def _in_range(self, value: int | float) -> int | float:
        whole = self.kind == "int"
        low, high = self.minimum, self.maximum
        fits = (low is None or value >= low) and (high is None or value <= high) and value == value
        if not fits or (whole and value != int(value)):
            raise BadInput(f"{self.label} cannot be {value}.", f"It takes {self.expectation()}.",
                           "Choose a value in that range.")
        return int(value) if whole else float(value)

    def expectation(self) -> str:
        """What values are taken, in words: "a whole number from 1 to 100"."""
        if self.kind == "bool":
            return "yes or no"
        if self.kind == "text":
            return "text"
        if self.kind == "file":
            return "a file or folder, or nothing"
        if self.kind == "choice":
            return "one of " + ", ".join(choice.value for choice in self.choices)
        noun = "a whole number" if self.kind == "int" else "a number"
        if self.minimum is None and self.maximum is None:
            return noun
        return f"{noun} from {_plain(self.minimum)} to {_plain(self.maximum)}"


def _plain(number: float | None) -> str:
    if number is None:
        return "any"
    return str(int(number)) if number == int(number) else str(number)
