# SPDX-License-Identifier: GPL-3.0-or-later
"""The memory mode of a job: what the artist asked for, or the fastest that fits."""

from dataclasses import replace

import pytest

from backend.contract import Done, License, WeightSet
from backend.pipelines import registry
from backend.worker import Settings, devices
from backend.worker.memory_modes import choose_mode, next_lower
from tests.worker import practice
from tests.worker.conftest import Local

ALL = WeightSet("w", "W", "", (), License("None", "", "", True), 0.0, {"full": 8.0, "balanced": 4.0, "low": 1.0})
TWO = replace(ALL, memory={"full": 8.0, "low": 1.0})


@pytest.mark.parametrize(("weights", "asked", "available", "mode"), [
    (ALL, "auto", 24.0, "full"), (ALL, "auto", 10.0, "full"), (ALL, "auto", 9.9, "balanced"), (ALL, "auto", 4.0, "low"),
    (ALL, "auto", 0.1, "low"), (TWO, "auto", 9.0, "low"), (ALL, "balanced", 99.0, "balanced"),
    (TWO, "balanced", 99.0, "low"), (replace(ALL, memory={"full": 1.0}), "low", 0.1, "full"),
    (replace(ALL, memory={"full": 1.0}), "auto", 0.1, "full"), (replace(ALL, memory={"low": 1.0}), "full", 9.0, "low"),
])
def test_the_fastest_that_fits_or_the_nearest_that_is_offered(weights, asked, available, mode):
    assert choose_mode(asked, weights, lambda: available) == mode


def test_the_next_lower_mode():
    assert [next_lower(mode, TWO) for mode in ("full", "low")] == ["low", "low"]


@pytest.fixture
def modes(local, make_job, monkeypatch, tmp_path):
    """Runs jobs of the practice pipeline, whose weights offer all modes, with so much memory; the modes that loaded."""
    seen, load = [], practice.load

    def remembered(weights, folder, resources, progress):
        seen.append(resources.memory_mode)
        return load(weights, folder, resources, progress)

    weights = replace(practice.SPEC.weights[0], memory=dict(ALL.memory))
    spec = replace(practice.SPEC, weights=(weights, practice.SPEC.weights[1]))
    monkeypatch.setattr(practice, "SPEC", spec)
    monkeypatch.setattr(practice, "load", remembered)
    practice.install()
    monkeypatch.setitem(registry.specs(), "practice", spec)

    def run(asked: str, available: float, worker=None, fault: str = "") -> tuple[Local, list[str]]:
        monkeypatch.setattr(devices, "available_gib", lambda device: available)
        worker = worker or Local(Settings(tmp_path, "cpu", memory_mode=asked))
        assert isinstance(worker.run(make_job(fault=fault))[-1], Done)
        return worker, seen

    return run


def test_a_job_runs_in_the_mode_that_fits_and_a_loaded_model_stays_as_it_is(modes):
    worker, seen = modes("auto", 5.0)
    assert seen == ["balanced"]
    modes("auto", 99.0, worker)
    assert seen == ["balanced"], "what is loaded is not loaded again for more speed"


def test_after_running_out_of_memory_the_next_lower_mode_is_tried(modes):
    _, seen = modes("auto", 99.0, fault="memory")
    assert seen == ["full", "balanced"]


def test_a_chosen_mode_stays_also_then(modes):
    _, seen = modes("full", 0.1, fault="memory")
    assert seen == ["full", "full"]
