# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that crosses the boundary survives JSON, and what does not fit is named."""

import json
import math
import typing
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend import contract
from backend.contract import (
    MAXIMUM_LINE_BYTES,
    Artifact,
    BadInput,
    Cancel,
    CancelledEvent,
    Done,
    Downloading,
    ErrorReport,
    Failed,
    FileResult,
    FreeMemory,
    Loading,
    LogLine,
    Ping,
    Pong,
    Preview,
    Queued,
    Ready,
    Remedy,
    Request,
    Result,
    Role,
    Shutdown,
    StageProgress,
    Submit,
    event_from_json,
    event_to_json,
    item_of,
    line_of,
    message_from_json,
    message_to_json,
)
from backend.contract.json_form import MAXIMUM_TEXT, from_json, to_json
from backend.contract.plain_name import is_plain_name
from backend.contract.result import ArtifactKind

text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
name = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,98}", fullmatch=True).filter(is_plain_name)
whole = st.integers(-(2**53), 2**53)
number = st.floats(allow_nan=False, allow_infinity=False)
value = st.booleans() | whole | number | text
parameters = st.dictionaries(text, value, max_size=4)
artifacts = st.builds(
    Artifact, text, st.sampled_from(typing.get_args(ArtifactKind)), name, st.sampled_from(typing.get_args(Role)), text,
    st.none() | st.tuples(number, number, number), text, parameters)
errors = st.builds(ErrorReport, text, text, text, st.none() | st.sampled_from(Remedy), text,
                   st.dictionaries(text, text, max_size=2))
some_artifacts, notes = st.lists(artifacts, max_size=3).map(tuple), st.lists(text, max_size=3).map(tuple)
file_results = st.builds(FileResult, some_artifacts, notes, st.none() | errors)
results = st.builds(Result, some_artifacts, st.dictionaries(text, number, max_size=3), notes,
                    st.dictionaries(text, file_results, max_size=2))
requests = st.builds(
    Request, text, text, text, text, text, whole, parameters,
    st.dictionaries(text, st.lists(text, max_size=3).map(tuple), max_size=3), st.just(contract.VERSION))
events = st.one_of(
    st.builds(Queued, name, whole), st.builds(Downloading, name, text, whole, whole), st.builds(Loading, name, text),
    st.builds(StageProgress, name, text, whole, whole, number, st.none() | number), st.builds(Preview, name, name),
    st.builds(LogLine, name, text, text), st.builds(Done, name, results), st.builds(Failed, name, errors),
    st.builds(CancelledEvent, name))
messages = st.one_of(st.builds(Submit, name, text.map("/{}".format)), st.builds(Cancel, name), st.builds(FreeMemory),
                     st.builds(Shutdown), st.builds(Ready, text, whole, whole, st.booleans()), st.builds(Ping, whole),
                     st.builds(Pong, whole, st.lists(name, max_size=3).map(tuple)))


def through_a_line(data):
    line = json.dumps(data)
    assert "\n" not in line
    return json.loads(line)


@given(events)
def test_events(event):
    assert event_from_json(through_a_line(event_to_json(event))) == event


@given(messages)
def test_messages(message):
    assert message_from_json(through_a_line(message_to_json(message))) == message


@given(requests)
def test_requests(request):
    assert Request.from_json(through_a_line(request.to_json())) == request


@given(results)
def test_results(result):
    assert Result.from_json(through_a_line(result.to_json())) == result


def test_every_kind_of_event_and_message_is_covered():
    assert set(contract.Event.__args__) == {
        Queued, Downloading, Loading, StageProgress, Preview, LogLine, Done, Failed, CancelledEvent}
    assert set(contract.Message.__args__) == {Submit, Cancel, FreeMemory, Shutdown, Ready, Ping, Pong}


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | text,
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3)))
def test_rubbish_is_refused_in_words_and_never_crashes(data):
    for read in (event_from_json, message_from_json, Request.from_json, Result.from_json):
        with pytest.raises(BadInput):
            read(data)


@pytest.mark.parametrize("kind", [None, 3, [], {}, "dance"])
def test_an_unknown_kind_is_named(kind):
    with pytest.raises(BadInput, match="An unknown event came"):
        event_from_json({"event": kind, "job": "a"})
    with pytest.raises(BadInput, match="An unknown message came"):
        message_from_json({"message": kind})


@given(requests, st.data())
def test_a_request_with_one_wrong_field_is_refused_by_its_name(request, data):
    wrong = request.to_json()
    name = data.draw(st.sampled_from(["job", "task", "seed", "parameters", "inputs"]))
    wrong[name] = [None]
    with pytest.raises(BadInput, match=f"request.{name}"):
        Request.from_json(wrong)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_must_be_finite(number):
    with pytest.raises(BadInput, match="not finite"):
        to_json({"a": (1.0, number)})


@pytest.mark.parametrize(("change", "words"), [
    ({"seed": True}, "request.seed does not fit"),
    ({"seed": "1"}, "Expected int, got '1'"),
    ({"seed": 1.5}, "request.seed does not fit"),
    ({"inputs": {"image": "a.png"}}, "request.inputs.image does not fit"),
    ({"inputs": {"image": [1]}}, r"request.inputs.image\[0\] does not fit"),
    ({"extra": 1}, "unknown field"),
    ({"version": contract.VERSION - 1}, "another version"),
    ({"version": "1"}, "another version"),
])
def test_the_place_of_a_misfit_is_named(change, words):
    data = Request("a", "b", "c", "d", "e").to_json() | change
    with pytest.raises(BadInput, match=words) as error:
        Request.from_json(data)
    assert error.value.report.advice


def test_missing_fields_are_named():
    data = Request("a", "b", "c", "d", "e").to_json()
    del data["task"]
    with pytest.raises(BadInput, match="task"):
        Request.from_json(data)


def test_an_older_version_is_told_before_anything_else():
    with pytest.raises(BadInput, match="another version"):
        Request.from_json({"version": 0, "nonsense": True})


def test_fields_of_older_events_may_be_left_out_where_they_have_defaults():
    assert event_from_json({"event": "queued", "job": "a"}) == Queued("a", 0)
    stage = {"event": "stage", "job": "a", "stage": "s", "step": 1, "of": 2, "fraction": 0}
    assert event_from_json(stage).seconds_left is None


def test_an_integer_serves_as_a_float_and_stays_one():
    progress = event_from_json({"event": "stage", "job": "a", "stage": "s", "step": 1, "of": 2, "fraction": 1})
    assert isinstance(progress.fraction, float)


def test_a_report_is_one_readable_line():
    report = ErrorReport("What.", "", "Advice.")
    assert str(report) == "What. Advice."
    assert {field.name for field in fields(report)} == {"what", "why", "advice", "remedy", "details", "needs"}
    assert from_json(ErrorReport, to_json(report)) == report


@given(events | messages)
def test_a_line_holds_one_item_and_gives_it_back(item):
    line = line_of(item)
    assert line.isascii() and line.count(b"\n") == 1 and item_of(line) == item


@pytest.mark.parametrize("line", [
    "", "{", "[1, 2", "null", "\x00", b"\xff\xfe", "[" * 100_000, '{"a":' * 100_000, "1" * 5000,
    '{"event": "stage", "job": "a", "stage": "s", "step": 1%s, "of": 2, "fraction": 0.5}' % ("0" * 400),
    '{"event": "stage", "job": "a", "stage": "s", "step": 1, "of": 2, "fraction": 1e999}',
    '{"event": "stage", "job": "a", "stage": "s", "step": 1, "of": 2, "fraction": NaN}',
    '{"event": "stage", "job": "a", "stage": "s", "step": 9223372036854775809, "of": 2, "fraction": 0}',
    '{"event": "loading", "job": "a", "what": "%s"}' % ("x" * 200_000),
    r'{"event": "loading", "job": "a", "what": "\ud800"}', r'{"event": "preview", "job": "a", "file": "a\u0000b"}',
    '{"event": "cancelled", "job": "../a"}', '{"message": "cancel", "job": ""}', '{"message": "pong", "number": true}',
    '{"message": "submit", "job": "a", "folder": "%s"}' % ("/x" * 5000),
    '{"message": "submit", "job": "a", "folder": ""}', " " * (MAXIMUM_LINE_BYTES + 1),
    '{"event": "done", "job": "a", "result": {"artifacts": %s}}' % ("[" * 900 + "]" * 900),
])
def test_one_guard_for_every_line(line):
    """Whatever comes, it is BadInput with words of a bearable length: nothing else could be caught in one place."""
    with pytest.raises(BadInput) as caught:
        item_of(line)
    assert caught.value.report.why and len(str(caught.value)) < 1000


def test_what_is_written_can_be_read_whatever_the_text():
    report = ErrorReport("a\0b \udcff", "x" * 300_000, "", details="\ud800" * 200_000)
    (event,) = [item_of(line_of(Failed("a", report)))]
    assert event.error.what == "a?b ?" and "[…]" in event.error.why
    assert len(event.error.details) <= MAXIMUM_TEXT
