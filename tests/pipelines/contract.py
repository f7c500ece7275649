# SPDX-License-Identifier: GPL-3.0-or-later
"""What every pipeline must pass. A pipeline inherits it in `tests/<pipeline>/test_contract.py`:

    class TestContract(PipelineContract):
        pipeline = "pyramid"
        trials = (Trial("build_pyramid", {"image": shaded_disc()}, {"steps": 2}),)

        def write_weights(self, folder: Path, weights: str) -> None:
            tiny_pipeline().save_pretrained(folder)

Its trials together run every task, report every stage and read every parameter.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from backend.contract import (
    Cancelled,
    JobFolder,
    MemoryMode,
    MeshwrightError,
    PipelineSpec,
    Request,
    Resources,
    TaskSpec,
    WeightSet,
    check_spec,
)
from backend.pipelines import registry
from backend.pipelines.common.starter_license import STARTER_LICENSE
from backend.worker.adapter import Adapter, find_adapter
from tests.pipelines.new_process import Asked, hashes_of
from tests.pipelines.results import assert_alike, assert_same, check_result
from tests.pipelines.spec_texts import check_texts
from tests.pipelines.trials import (
    OTHER_SEED,
    SEED,
    TINY,
    Run,
    Trial,
    WatchedProgress,
    run_trial,
    within_a_second,
    write_request,
)
from tests.pipelines.weight_faults import cut_off, damaged_copy, missing_tensor, not_numbers, weight_files, wrong_shape
from tests.pretend_mps import pretend_mps

TINY_WEIGHTS = WeightSet(TINY, "Tiny", "For tests", (), STARTER_LICENSE, 0.001,
                         {"full": 0.1, "balanced": 0.1, "low": 0.1}, bundled=True)
FULL = Resources()


class Bench:
    """Where one pipeline's trials run: it keeps weights, models and the first run of each trial for all tests."""

    def __init__(self, contract: "PipelineContract", path: Path) -> None:
        self._contract, self._path = contract, path
        self._numbers = itertools.count(1)
        self._folders: dict[str, Path] = {}
        self._models: dict[str, Any] = {}
        self._runs: dict[str, Run] = {}
        known = registry.spec(contract.pipeline)
        self.spec: PipelineSpec = replace(known, weights=(TINY_WEIGHTS, *known.weights))

    def use_folders(self, folders: Mapping[str, Path]) -> None:
        """Use weights that were written by another process."""
        self._folders.update(folders)

    def folder(self, weights: str) -> Path:
        """The folder of a set of weights, which is written once."""
        if weights not in self._folders:
            folder = self._path / "weights" / weights
            folder.mkdir(parents=True)
            self._contract.write_weights(folder, weights)
            self._folders[weights] = folder
        return self._folders[weights]

    def new_path(self) -> Path:
        """A path at which nothing is."""
        return self._path / str(next(self._numbers))

    def task(self, trial: Trial) -> TaskSpec:
        """The trial's task."""
        return self.spec.task(trial.task)

    def clean(self, trial: Trial) -> Run:
        """The trial's first run, with everything in order."""
        if str(trial) not in self._runs:
            self._runs[str(trial)] = self.run(trial)
        return self._runs[str(trial)]

    def run(self, trial: Trial, seed: int = SEED, cancel_in: str = "") -> Run:
        """A run with the kept model."""
        if trial.weights not in self._models and self.task(trial).needs_weights:
            request, folder, progress = self._start(trial, seed, self.folder(trial.weights))
            self._models[trial.weights] = self._load(trial, self.folder(trial.weights), FULL, progress)
        request, folder, progress = self._start(trial, seed, self._weights(trial), cancel_in)
        model = self._models.get(trial.weights)
        if not cancel_in:
            return self._run(trial, model, request, folder, FULL, progress)
        with within_a_second(progress):
            return self._run(trial, model, request, folder, FULL, progress)
        return self._runs[str(trial)]

    def run_anew(self, trial: Trial, weights: Path, resources: Resources = FULL, cancel_in: str = "") -> Run:
        """Load, and run with what was loaded."""
        request, folder, progress = self._start(trial, SEED, weights, cancel_in)
        model = self._load(trial, weights, resources, progress)
        return self._run(trial, model, request, folder, resources, progress)

    def _start(self, trial: Trial, seed: int, weights: Path,
               cancel_in: str = "") -> tuple[Request, JobFolder, WatchedProgress]:
        folder = JobFolder.create(self.new_path())
        request = write_request(trial, self.spec, folder, weights, seed)
        return request, folder, WatchedProgress(folder, self.task(trial), request.parameters, cancel_in)

    def _weights(self, trial: Trial) -> Path:
        return self.folder(trial.weights) if self.task(trial).needs_weights else self._path

    def _load(self, trial: Trial, weights: Path, resources: Resources, progress: WatchedProgress) -> Any:
        return self._contract.load(trial, self.spec.weight_set(trial.weights), weights, resources, progress)

    def _run(self, trial: Trial, model: Any, request: Request, folder: JobFolder, resources: Resources,
             progress: WatchedProgress) -> Run:
        return run_trial(self._contract.adapter, model, request, folder, resources, progress)


class PipelineContract:
    """Inherited by the class in each `tests/<pipeline>/test_contract.py`."""

    pipeline: ClassVar[str]
    trials: ClassVar[Sequence[Trial]]
    networks: ClassVar[bool] = True
    """Whether tasks with weights run networks, which belong on the GPU."""

    def write_weights(self, folder: Path, weights: str) -> None:
        """Write small weights of that name to the empty folder, as a set in the extension has them."""
        raise NotImplementedError

    def load(self, trial: Trial, weights: WeightSet, folder: Path, resources: Resources,
             progress: WatchedProgress) -> Any:
        """The model for a trial."""
        return self.adapter.load(weights, folder, resources, progress)

    @property
    def adapter(self) -> Adapter:
        """The pipeline's `job` module."""
        return find_adapter(self.pipeline)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """A test with the argument `trial` runs with each of them."""
        if "trial" in metafunc.fixturenames:
            metafunc.parametrize("trial", self.trials, ids=str)

    @pytest.fixture(scope="class")
    @classmethod
    def bench(cls, tmp_path_factory: pytest.TempPathFactory) -> Bench:
        """One for all tests of the class."""
        return Bench(cls(), tmp_path_factory.mktemp(cls.pipeline))

    def test_the_spec_is_complete(self) -> None:
        spec = registry.spec(self.pipeline)
        check_spec(spec, self.pipeline)
        check_texts(spec)
        for task in spec.tasks:
            for preset in ("", *(preset.name for preset in task.presets)):
                for weights in spec.weights_for(task):
                    task.validated(task.defaults(weights, preset))

    def test_all_tasks_stages_and_parameters_are_used(self, bench: Bench) -> None:
        for task in registry.spec(self.pipeline).tasks:
            runs = [bench.clean(trial) for trial in self.trials if trial.task == task.name]
            assert runs, f"no trial of {task.name}"
            assert {stage for run in runs for stage in run.stages} == {stage.name for stage in task.stages}
            read = {name for run in runs for name in run.parameters_read}
            assert {parameter.name for parameter in task.parameters} - read == set(), "parameters without a use"

    def test_progress_goes_forward_to_the_end_of_each_stage(self, bench: Bench, trial: Trial) -> None:
        run, order = bench.clean(trial), [stage.name for stage in bench.task(trial).stages]
        assert run.stages == [name for name in order if name in run.stages], "not in the order of the spec"
        for stage in run.stages:
            shares = [step / of for name, step, of in run.progress.reports if name == stage]
            assert shares == sorted(shares) and shares[0] >= 0 and shares[-1] == 1, (stage, shares)

    def test_the_result_suits_its_delivery(self, bench: Bench, trial: Trial) -> None:
        check_result(bench.clean(trial), bench.task(trial))

    def test_the_seed_decides(self, bench: Bench, trial: Trial) -> None:
        first, other = bench.clean(trial), bench.run(trial, OTHER_SEED)
        if bench.task(trial).seeded:
            assert first.files != other.files, "another seed, the same result"
        else:
            assert_same(first, other)

    def test_a_new_process_gives_the_same_bytes(self, bench: Bench, request: pytest.FixtureRequest) -> None:
        """In the new process this test runs the trials, and writes what the first one compares."""
        asked = Asked.here()
        if asked is not None:
            bench.use_folders(asked.folders)
        hashes = {str(trial): hashes_of(bench.clean(trial).files) for trial in self.trials}
        if asked is not None:
            asked.answer(hashes)
            return
        used = {trial.weights for trial in self.trials if bench.task(trial).needs_weights}
        asked = Asked(bench.new_path(), {name: bench.folder(name) for name in sorted(used)})
        assert asked.run(request.node.nodeid) == hashes

    def test_a_cancel_in_each_stage_is_answered_and_the_model_kept(self, bench: Bench, trial: Trial) -> None:
        first = bench.clean(trial)
        for stage in first.stages:
            bench.run(trial, cancel_in=stage)
        assert_same(first, bench.run(trial))

    def test_every_memory_mode_gives_the_same_result(self, bench: Bench, trial: Trial) -> None:
        task, spec = bench.task(trial), registry.spec(self.pipeline)
        modes: set[MemoryMode] = {mode for weights in spec.weights_for(task) for mode in weights.memory_modes}
        for mode in sorted(modes - {"full"}):
            resources = replace(FULL, memory_mode=mode)
            assert_alike(bench.clean(trial), bench.run_anew(trial, bench.folder(trial.weights), resources))

    def test_it_runs_on_apple_silicon(self, bench: Bench, trial: Trial) -> None:
        with pretend_mps() as recorder:
            run = bench.run_anew(trial, bench.folder(trial.weights), Resources("mps", "mps"))
        check_result(run, bench.task(trial))
        assert recorder.operators or not (self.networks and bench.task(trial).needs_weights), "nothing ran on the GPU"

    def test_weights_that_are_not_numbers_are_refused(self, bench: Bench) -> None:
        for weights, file in self._weight_files(bench):
            folder, _ = damaged_copy(bench.folder(weights), file, not_numbers, bench.new_path())
            refused = [self._refusal_of_nan(bench, trial, folder) for trial in self._trials_with(bench, weights)]
            assert any(refused), f"NaN in {file} makes no difference"

    @pytest.mark.parametrize("fault", [missing_tensor, wrong_shape, cut_off])
    def test_weights_that_do_not_fit_are_refused_by_name(self, bench: Bench, fault: Callable[[Path], str]) -> None:
        for weights, file in self._weight_files(bench):
            folder, name = damaged_copy(bench.folder(weights), file, fault, bench.new_path())
            errors = (self._early_refusal(bench, trial, folder) for trial in self._trials_with(bench, weights))
            error = next(filter(None, errors), None)
            assert error, f"{file}: {fault.__name__} of {name} is not refused before the work"
            assert name in str(error) and error.report.advice, error

    def _weight_files(self, bench: Bench) -> list[tuple[str, Path]]:
        used = dict.fromkeys(trial.weights for trial in self.trials if bench.task(trial).needs_weights)
        return [(weights, file) for weights in used for file in weight_files(bench.folder(weights))]

    def _trials_with(self, bench: Bench, weights: str) -> list[Trial]:
        return [trial for trial in self.trials if trial.weights == weights and bench.task(trial).needs_weights]

    def _refusal_of_nan(self, bench: Bench, trial: Trial, folder: Path) -> bool:
        """Whether the trial ends in an error that an artist can read; else its result is the clean one."""
        try:
            run = bench.run_anew(trial, folder)
        except MeshwrightError as error:
            assert error.report.advice
            return True
        assert_same(bench.clean(trial), run)
        return False

    def _early_refusal(self, bench: Bench, trial: Trial, folder: Path) -> MeshwrightError | None:
        """The error before the second stage begins."""
        stages = bench.clean(trial).stages
        try:
            bench.run_anew(trial, folder, cancel_in=stages[min(1, len(stages) - 1)])
        except MeshwrightError as error:
            return error
        except Cancelled:
            return None
        return None
