# SPDX-License-Identifier: GPL-3.0-or-later
"""Every text that an artist may read is in every language; texts with something filled in find their translation."""

import json
from collections.abc import Iterator

import pytest

from backend.pipelines import registry
from blender_addon import translations
from blender_addon.panels.words import wrapped, wrapped_as_is

from .conftest import REPOSITORY, Extension
from .test_panels import Layout
from .translatable import of_class, of_source, of_spec, worth_translating


@pytest.fixture
def japanese(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The bpy module has no languages: what asks for Blender's gets this one."""
    monkeypatch.setattr(translations, "_language", lambda: "ja_JP")
    yield
    translations._translated.cache_clear()


def texts(extension: Extension) -> set[str]:
    """All of them, of registered classes and of the source."""
    classes = (*extension.module("registration").CLASSES, *extension.module("task_classes").registered())
    sources = [*sorted((REPOSITORY / "blender_addon").rglob("*.py")), REPOSITORY / "backend/contract/task_spec.py"]
    return worth_translating([*(text for cls in classes for text in of_class(cls)),
                              *(text for path in sources for text in of_source(path)),
                              *(text for spec in registry.specs().values() for text in of_spec(spec))])


def said_by_the_engine() -> set[str]:
    """Errors and remarks of the backend. The files have those of the parts that all pipelines share."""
    return worth_translating(text for path in (REPOSITORY / "backend").rglob("*.py") for text in of_source(path))


@pytest.mark.parametrize("language", ["ja_JP", "zh_HANS"])
def test_no_text_lacks_its_translation(extension: Extension, language: str) -> None:
    known, wanted = translations.read(translations.files()[language]), texts(extension)
    assert len(wanted) > 700
    assert sorted(wanted - known.keys()) == [], f"add to translations/{language}.json"
    assert sorted(known.keys() - wanted - said_by_the_engine()) == [], "no longer said"
    for english, words in known.items():
        assert words.strip(), english
        gaps = english.count("{}")
        assert words.count("{}") in (0, gaps), english
        assert gaps == 0 or words.format(*"abcdef"[:gaps]) != words, "what is filled in gets lost"
    same = [english for english, words in known.items() if words == english]
    assert len(same) < 40, "names of models, no more"
    assert list(known) == sorted(known), "sorted, so that changes are easy to read"


def test_each_file_is_as_it_is_written(extension: Extension) -> None:
    for path in translations.files().values():
        text = json.dumps(translations.read(path), ensure_ascii=False, indent=1) + "\n"
        assert path.read_text(encoding="utf-8") == text


def test_gaps_are_filled_sentence_by_sentence(japanese: None) -> None:
    translated = translations.translated
    assert translated("Quality") == "品質"
    assert translated("my chair.png cannot be opened.") == "my chair.png を開けません。"
    assert translated("Nothing is selected to fit the result into. Choose another image.") == (
        "結果を合わせる対象が選択されていません。別の画像を選んでください。")
    assert translated("Wood. Choose another image.") == "Wood. 別の画像を選んでください。"
    assert translated("a cup of tea") == "a cup of tea", "what an artist may write is no template"
    assert translated("my cup · Texture · 25%") == "my cup · テクスチャ · 25%"
    assert translated("3 jobs left from an earlier session.") == "以前のセッションのジョブが 3 件残っています。"
    assert translated("Decoding 3/24") == "デコード 3/24" and translated("two of three") == "two of three"
    assert translated("Demo model (included). Handles about a dozen simple objects. Output: any use.") == (
        "デモモデル（同梱）。十数種類の単純なオブジェクトを扱えます。出力: 用途の制限なし。")
    assert translated("A sentence of nobody.") == "A sentence of nobody."


def test_errors_of_the_engine_are_translated() -> None:
    """Those of the contract, downloads, the worker, and of what all pipelines share: nine in ten at least."""
    shared = [path for room in ("contract", "weights", "worker", "pipelines/common", "painting")
              for path in (REPOSITORY / "backend" / room).rglob("*.py")]
    said = worth_translating(text for path in shared for text in of_source(path))
    for path in translations.files().values():
        assert len(said & translations.read(path).keys()) > 0.9 * len(said) > 150


def test_english_stays_english(extension: Extension) -> None:
    assert translations._language() in ("", "en_US") and translations.translated("Quality") == "Quality"


def test_wide_letters_are_wrapped_earlier_and_prompts_are_kept(japanese: None) -> None:
    words: list[str] = []
    wrapped(Layout(words), "Choose another folder for the engine.", 280)
    assert "".join(words) == "エンジン用に別のフォルダーを選んでください。" and max(map(len, words)) <= 16
    words.clear()
    wrapped_as_is(Layout(words), "Quality", 280)
    assert words == ["Quality"]
