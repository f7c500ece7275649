# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate before a download: what was accepted, when, and that changed terms are asked for again."""

import dataclasses
import datetime
import json
from pathlib import Path

import pytest

from backend.command_line.license_table import page
from backend.contract import MeshwrightError, PipelineSpec, Remedy, WeightSet
from backend.pipelines.registry import specs
from backend.weights.licenses import accept, acceptances, accepted

from .conftest import LICENSE


def test_an_acceptance_is_stored_with_its_date(spec: PipelineSpec, weights: WeightSet, tmp_path: Path) -> None:
    assert not accepted(spec, weights, tmp_path)
    before = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    accept(spec, weights, tmp_path, LICENSE.name)
    assert accepted(spec, weights, tmp_path)
    entry, = json.loads((tmp_path / "licenses.json").read_text())
    assert (entry["pipeline"], entry["weights"], entry["license"]) == ("acme", "published", LICENSE.name)
    assert datetime.datetime.fromisoformat(entry["date"]) >= before


@pytest.mark.parametrize("change", [{"text": "Now with a catch."}, {"name": "Research Only 2.0"},
                                    {"url": "http://127.0.0.1/other"}])
def test_changed_terms_are_asked_for_again(spec: PipelineSpec, weights: WeightSet, tmp_path: Path,
                                           change: dict[str, str]) -> None:
    accept(spec, weights, tmp_path, LICENSE.name)
    changed = dataclasses.replace(weights, license=dataclasses.replace(LICENSE, **change))
    assert not accepted(spec, changed, tmp_path)
    accept(spec, changed, tmp_path, changed.license.name)
    assert accepted(spec, changed, tmp_path)
    assert len(acceptances(tmp_path)) == 1


def test_it_holds_for_one_pipeline_and_one_set(spec: PipelineSpec, weights: WeightSet, tmp_path: Path) -> None:
    accept(spec, weights, tmp_path, LICENSE.name)
    assert not accepted(dataclasses.replace(spec, name="other"), weights, tmp_path)
    assert not accepted(spec, dataclasses.replace(weights, name="other"), tmp_path)


def test_another_license_is_refused(spec: PipelineSpec, weights: WeightSet, tmp_path: Path) -> None:
    with pytest.raises(MeshwrightError) as caught:
        accept(spec, weights, tmp_path, "MIT")
    assert caught.value.report.remedy is Remedy.ACCEPT_LICENSE
    assert not (tmp_path / "licenses.json").exists()


@pytest.mark.parametrize("content", ["", "{", "7", '["yes"]'])
def test_a_broken_record_asks_again(spec: PipelineSpec, weights: WeightSet, tmp_path: Path, content: str) -> None:
    (tmp_path / "licenses.json").write_text(content)
    assert not accepted(spec, weights, tmp_path)
    accept(spec, weights, tmp_path, LICENSE.name)
    assert accepted(spec, weights, tmp_path)


def test_bundled_weights_need_none(spec: PipelineSpec, weights: WeightSet, tmp_path: Path) -> None:
    assert accepted(spec, dataclasses.replace(weights, bundled=True), tmp_path)


def test_a_folder_that_cannot_be_written(spec: PipelineSpec, weights: WeightSet, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(MeshwrightError, match="cannot be stored"):
        accept(spec, weights, tmp_path / "models", LICENSE.name)


def test_the_page_says_what_the_gate_says() -> None:
    written = (Path(__file__).parents[2] / "docs" / "licenses.md").read_text(encoding="utf-8")
    assert written == page(specs().values()), "run: python -m backend.command_line.license_table > docs/licenses.md"
    for pipeline in specs().values():
        for weights in pipeline.weights:
            assert weights.license.text in written
    for model in ("DINOv2 giant", "U2Net", "BiRefNet"):
        assert model in written
    row = next(line for line in written.splitlines() if line.startswith("| DINOv2 giant |"))
    assert "Encodes images for several pipelines" in row and "PartPacker Published" in row
