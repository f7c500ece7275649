# SPDX-License-Identifier: GPL-3.0-or-later
"""Every pipeline, ours and the foreign one, has inherited the contract; and the contract notices what is wrong."""

import importlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from backend.contract import Artifact, JobFolder, MeshData, Progress, Request, Resources, Result
from backend.pipelines import registry
from backend.worker.adapter import find_adapter
from tests.painting.boxes import painted_box
from tests.pipelines.contract import Bench, PipelineContract
from tests.pipelines.spec_texts import BRITISH
from tests.pipelines.trials import Trial, WatchedParameters
from tests.pipelines.weight_faults import cut_off, missing_tensor, wrong_shape

FOREIGN = Path(__file__).parents[1] / "foreign_pipelines"
PIPELINES = sorted({*registry.specs(), *(path.parent.name for path in FOREIGN.glob("*/spec.py"))}
                   - {registry.SHARED, registry.WORKFLOW})


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_it_has_inherited_the_contract(pipeline: str) -> None:
    try:
        module = importlib.import_module(f"tests.{pipeline}.test_contract")
    except ModuleNotFoundError as error:
        pytest.fail(f"tests/{pipeline}/test_contract.py is missing ({error}): see tests/pipelines/contract.py")
    inherited = [found for name, found in vars(module).items()
                 if isinstance(found, type) and issubclass(found, PipelineContract) and name.startswith("Test")]
    assert [found.pipeline for found in inherited] == [pipeline]
    replaced = {name for name in vars(inherited[0]) if name.startswith("test_")}
    assert not replaced & set(vars(PipelineContract)), "a pipeline adds tests, and replaces none"


def test_british_words_are_found() -> None:
    assert [word for word in ("colour", "Greyscale", "normalised", "size", "License", "exercise", "centered", "metres")
            if BRITISH.search(word)] == ["colour", "Greyscale", "normalised", "metres"]


class Bad(PipelineContract):
    """The foreign pipeline, whose tasks a `run` with a fault does."""

    pipeline = "pottery"
    trials: Sequence[Trial] = (Trial("remesh", {"mesh": painted_box()}),)  # type: ignore[misc]
    run: Callable[..., Result]

    def write_weights(self, folder: Path, weights: str) -> None:
        """No files."""

    @property
    def adapter(self) -> Any:
        return SimpleNamespace(load=find_adapter(self.pipeline).load, run=self.run)


@pytest.fixture
def contract() -> Iterator[Bad]:
    registry.use_folder(FOREIGN)
    yield Bad()
    registry.use_folder(None)


def _good(_model: Any, request: Request, folder: JobFolder, _resources: Resources, progress: Progress) -> Result:
    for stage in ("shape", "fire"):
        progress.stage(stage, 0, 1)
        progress.stage(stage, 1, 1)
    MeshData(painted_box().vertices, painted_box().faces).write(folder.outputs / "box.npz")
    return Result((Artifact("box", "mesh", "box.npz", "mesh", target=request.inputs.get("mesh", ("",))[0]),))


def _silently(*given: Any) -> Result:
    model, request, folder, resources, _ = given
    silent: Any = SimpleNamespace(stage=lambda *_: None)
    return _good(model, request, folder, resources, silent)


def _leaves_a_stage_out(*given: Any) -> Result:
    given[4].stage("shape", 1, 1)
    return _silently(*given)


def _goes_back(*given: Any) -> Result:
    given[4].stage("shape", 1, 2)
    return _good(*given)


def _never_looks_for_a_cancel(*given: Any) -> Result:
    try:
        return _good(*given)
    except Exception:  # noqa: BLE001 - the fault
        return _silently(*given)


def _takes_nobody_knows_what(*given: Any) -> Result:
    result = _good(*given)
    (given[2].outputs / "draft.tmp").write_bytes(b"")
    return result


def _not_a_number(*given: Any) -> Result:
    result = _good(*given)
    MeshData(np.full((8, 3), np.nan), np.array([[0, 1, 2]])).write(given[2].outputs / "box.npz")
    return result


def _aims_elsewhere(*given: Any) -> Result:
    (artifact,) = _good(*given).artifacts
    return Result((Artifact(artifact.name, "mesh", artifact.file, "mesh", target="other.npz"),))


def _random(*given: Any) -> Result:
    result = _good(*given)
    MeshData(np.random.default_rng().normal(size=(8, 3)), np.array([[0, 1, 2]])).write(given[2].outputs / "box.npz")
    return result


STAGES = PipelineContract.test_progress_goes_forward_to_the_end_of_each_stage
RESULT = PipelineContract.test_the_result_suits_its_delivery
CANCEL = PipelineContract.test_a_cancel_in_each_stage_is_answered_and_the_model_kept
SEED = PipelineContract.test_the_seed_decides
TRIAL_TESTS = (STAGES, RESULT, CANCEL, SEED)


@pytest.mark.parametrize(("run", "noticed_by"), [
    (_good, None), (_goes_back, STAGES), (_never_looks_for_a_cancel, CANCEL), (_takes_nobody_knows_what, RESULT),
    (_not_a_number, RESULT), (_aims_elsewhere, RESULT), (_random, SEED),
])
def test_a_fault_is_noticed(contract: Bad, tmp_path: Path, run: Callable[..., Result], noticed_by: Any) -> None:
    contract.run = run
    bench, (trial,) = Bench(contract, tmp_path), contract.trials
    for test in TRIAL_TESTS:
        if test is noticed_by:
            with pytest.raises(AssertionError):
                test(contract, bench, trial)
        elif noticed_by is None:
            test(contract, bench, trial)


@pytest.mark.parametrize(("task", "run", "words"), [
    ("remesh", _good, "no trial of throw"), ("throw", _leaves_a_stage_out, "fire"), ("throw", _good, "sides"),
])
def test_what_no_trial_uses_is_noticed(contract: Bad, tmp_path: Path, task: str, run: Callable[..., Result],
                                       words: str) -> None:
    contract.run = run
    contract.trials = {"remesh": Bad.trials, "throw": (Trial("throw", {}, {"prompt": "x"}, "plain"),)}[task]
    with pytest.raises(AssertionError, match=words):
        contract.test_all_tasks_stages_and_parameters_are_used(Bench(contract, tmp_path))


def test_weights_that_nobody_checks_are_noticed(contract: Bad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contract.run = _good
    contract.trials = (Trial("throw", {}, {"prompt": "x"}),)
    monkeypatch.setattr(contract, "write_weights", lambda folder, _: save_file(
        {"clay": torch.ones(8)}, folder / "clay.safetensors"))
    bench = Bench(contract, tmp_path)
    with pytest.raises(AssertionError, match=r"NaN in clay\.safetensors makes no difference"):
        contract.test_weights_that_are_not_numbers_are_refused(bench)
    for fault, word in ((missing_tensor, "clay"), (wrong_shape, "clay"), (cut_off, "clay.safetensors")):
        with pytest.raises(AssertionError, match=f"{fault.__name__} of {word} is not refused"):
            contract.test_weights_that_do_not_fit_are_refused_by_name(bench, fault)


def test_parameters_are_read_by_name() -> None:
    with pytest.raises(AssertionError):
        dict(WatchedParameters({"steps": 3}))
