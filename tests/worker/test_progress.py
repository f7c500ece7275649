# SPDX-License-Identifier: GPL-3.0-or-later
"""Rate, share and time left."""

import pytest

from backend.contract import Done, JobFolder, StageProgress
from backend.contract.timed_run import TimedRun
from backend.worker.job import WorkerJob
from backend.worker.progress import JobProgress
from backend.worker.time_left import Estimate, Statistics
from tests.worker.conftest import events_of
from tests.worker.practice import TASK


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def told():
    return []


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def progress(tmp_path, told, clock):
    job = WorkerJob("job", JobFolder.create(tmp_path / "job"), told.append)
    return JobProgress(job, TASK, Estimate(TASK, {"steps": 20}, None), clock)


def test_ten_events_a_second_but_always_the_first_and_the_last(progress, told, clock):
    for step in range(1, 1001):
        clock.now += 0.002
        progress.stage("sample", step, 1000)
    assert 20 <= len(told) <= 24
    assert [told[0].step, told[-1].step] == [1, 1000]


def test_five_previews_a_second_of_a_file(progress, told, clock):
    for number in range(100):
        clock.now += 0.02
        progress.preview("mesh.npz")
        if number in (10, 11):
            progress.preview(f"sheet-{number}.png")
    names = [event.file for event in told]
    assert 9 <= names.count("mesh.npz") <= 10
    assert names.count("sheet-10.png") == names.count("sheet-11.png") == 1, "other files are told"


def test_the_share_of_the_whole_job_never_falls(progress, told):
    for stage, step in [("sample", 5), ("decode", 10), ("sample", 10), ("sample", 2), ("decode", 3)]:
        progress.stage(stage, step, 10)
    assert [event.fraction for event in told] == sorted(event.fraction for event in told)
    assert max(event.fraction for event in told) == 1.0


def test_seconds_belong_to_the_stage_that_took_them(progress, clock):
    clock.now += 1
    progress.stage("sample", 0, 2)
    for step in (1, 2):
        clock.now += 3
        progress.stage("sample", step, 2)
    clock.now += 5
    progress.stage("decode", 0, 1)
    clock.now += 7
    progress.stage("decode", 1, 1)
    assert progress.seconds == {"sample": 12, "decode": 7}


def test_time_left_is_the_jobs_own_pace_at_first_and_known_on_the_second_run(local, make_job):
    first = events_of(local.run(make_job(steps=20, pause=0.02)), StageProgress)
    assert first[0].seconds_left is None and first[-1].seconds_left == pytest.approx(0, abs=0.01)
    assert all((event.seconds_left is None) == (event.fraction < 0.2) for event in first)
    second = events_of(local.run(make_job(steps=20, pause=0.02)), StageProgress)
    assert second[0].seconds_left == pytest.approx(0.5, rel=0.5)
    assert second[-1].seconds_left == pytest.approx(0, abs=0.01)


def test_time_left_is_kept_over_restarts(local, make_job, tmp_path):
    local.run(make_job(steps=20, pause=0.02))
    kind = "practice/walk/small/cpu"
    assert Statistics(tmp_path / "statistics.json").latest(kind).seconds["sample"] == pytest.approx(0.4, rel=0.5)


def test_a_damaged_file_of_times_costs_only_the_estimate(local, make_job, tmp_path):
    for content in ("", "{", '{"runs": 3}', '{"runs": {"a": {}}}'):
        (tmp_path / "statistics.json").write_text(content)
        assert Statistics(tmp_path / "statistics.json").latest("a") is None
    (tmp_path / "statistics.json").unlink()
    (tmp_path / "statistics.json").mkdir()
    assert isinstance(local.run(make_job())[-1], Done)


def test_times_scale_with_the_options_that_the_spec_names():
    earlier = TimedRun({"steps": 10}, {"sample": 4.0, "decode": 1.0})
    estimate = Estimate(TASK, {"steps": 50}, earlier)
    assert estimate.seconds == {"sample": 20.0, "decode": 1.0}
    assert estimate.left({}, {}) == 21.0


def test_a_stage_that_runs_slower_than_before_is_believed():
    estimate = Estimate(TASK, {"steps": 10}, TimedRun({"steps": 10}, {"sample": 4.0, "decode": 1.0}))
    assert estimate.left({"sample": 0.5}, {"sample": 10.0}) == pytest.approx(11.0)


def test_a_stage_that_the_earlier_run_skipped_counts_once_it_runs():
    estimate = Estimate(TASK, {"steps": 10}, TimedRun({"steps": 10}, {"sample": 4.0}))
    assert estimate.left({}, {}) == 4.0
    assert estimate.left({"sample": 1.0, "decode": 0.5}, {"sample": 4.0, "decode": 3.0}) == pytest.approx(3.0)


def test_a_stage_that_is_skipped_now_counts_no_longer():
    """Texture's first stage, say, which only one of its options needs."""
    estimate = Estimate(TASK, {"steps": 10}, TimedRun({"steps": 10}, {"sample": 4.0, "decode": 1.0}))
    assert estimate.left({"decode": 0.1}, {"decode": 0.1}) == pytest.approx(0.9)
    assert estimate.fraction({"decode": 0.5}) == pytest.approx(0.9)


def test_a_first_run_goes_by_its_own_pace():
    estimate = Estimate(TASK, {"steps": 10}, None)
    assert estimate.left({"sample": 0.1}, {"sample": 1.0}) is None
    half = estimate.fraction({"sample": 0.5})
    assert estimate.left({"sample": 0.5}, {"sample": 6.0}) == pytest.approx(6.0 * (1 - half) / half)
