# SPDX-License-Identifier: GPL-3.0-or-later
"""Other languages: one JSON file each, from the English text to its translation.

Blender itself translates labels, tooltips and choices by these dictionaries. Texts that are put together or wrapped go
through `translated` first: {} in a text of the files stands for what was filled in. A translation may number its gaps,
to change their order or to leave out the ending of a plural: {0}, {1}.
"""

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import bpy

CONTEXTS = ("*", "Operator")
"""Blender looks for the labels of operators and of their buttons in a context of their own."""
FEWEST_LETTERS = 10
"""Of a text with {}, next to that: in a shorter one, which could be part of what an artist wrote, {} is a number."""
PERIOD = "。"
_GAP, _BETWEEN = "{}", " · "
_SPACE = re.compile(f"(?<={PERIOD}) ")
_PARENTHESES = re.compile(r" \((.+)\)", re.DOTALL)
_COUNTED = re.compile(r"(.+) (\d+/\d+)")
_SENTENCE = re.compile(r"(?<=[.!?]) (?=[A-Z])")


@functools.cache
def files() -> dict[str, Path]:
    """The file of each language, by Blender's name of it: "ja_JP", "zh_HANS". Read once."""
    return {path.stem: path for path in sorted(Path(__file__).parent.glob("*.json"))}


def read(path: Path) -> dict[str, str]:
    """Translations by the English text."""
    return dict(json.loads(path.read_text(encoding="utf-8")))


def register() -> None:
    """Give Blender the dictionaries."""
    bpy.app.translations.register(__package__, {
        language: {(context, english): words for english, words in read(path).items() for context in CONTEXTS}
        for language, path in files().items()})


def unregister() -> None:
    """Take them back."""
    bpy.app.translations.unregister(__package__)
    _templates.cache_clear()
    _translated.cache_clear()


def translated(text: str) -> str:
    """A text for the artist in the language of Blender's interface, whole or sentence by sentence.

    What has no translation stays English.
    """
    return _translated(text, _language())


def _language() -> str:
    """Blender's language, "" where its interface is not translated."""
    if not bpy.context.preferences.view.use_translate_interface:
        return ""
    return str(bpy.app.translations.locale or "")


@functools.lru_cache(maxsize=2048)
def _translated(text: str, language: str) -> str:
    if language not in files():
        return text
    if _BETWEEN in text and _sentence(text, language) == text:
        return _BETWEEN.join(_translated(part, language) for part in text.split(_BETWEEN))
    if counted := _COUNTED.fullmatch(text):
        return f"{_translated(counted[1], language)} {counted[2]}"
    parts = _SENTENCE.split(text)
    words = list(_pieces(parts, language))
    return text if words == parts else _SPACE.sub("", " ".join(words))


def _pieces(parts: list[str], language: str) -> Iterator[str]:
    """Translations of sentences, of which several may be one text in the files, with or without the last period."""
    start = 0
    while start < len(parts):
        for end in range(len(parts), start, -1):
            piece = " ".join(parts[start:end])
            if (words := _sentence(piece, language)) != piece:
                yield words
            elif piece.endswith(".") and (words := _sentence(piece[:-1], language)) != piece[:-1]:
                yield words + PERIOD
            elif end > start + 1:
                continue
            else:
                yield piece
            start = end
            break


def _sentence(text: str, language: str) -> str:
    known, templates = _templates(language)
    if text in known:
        return known[text]
    for pattern, words in templates:
        if found := pattern.fullmatch(text):
            return words.format(*(_filled(part, language) for part in found.groups()))
    return text


def _filled(part: str, language: str) -> str:
    """What stands in a gap, which may be a text itself, or one in parentheses."""
    inner = _PARENTHESES.fullmatch(part)
    return f" ({_sentence(inner[1], language)})" if inner else _sentence(part, language)


@functools.cache
def _templates(language: str) -> tuple[dict[str, str], list[tuple[re.Pattern[str], str]]]:
    """All translations, and those with gaps as patterns, the most particular first."""
    known = read(files()[language])
    gapped = sorted((english for english in known if _GAP in english),
                    key=lambda english: len(english.replace(_GAP, "")), reverse=True)
    return known, [(_pattern(english), known[english]) for english in gapped]


def _pattern(english: str) -> re.Pattern[str]:
    letters = sum(map(str.isalpha, english.replace(_GAP, "")))
    gap = "(.+?)" if letters >= FEWEST_LETTERS else r"(\d.*?)"
    return re.compile(gap.join(map(re.escape, english.split(_GAP))), re.DOTALL)
