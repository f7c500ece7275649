# SPDX-License-Identifier: GPL-3.0-or-later
"""The mesh so far: the same however the tokens come in, shown at a bearable rate, and never worth a job."""

from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.contract import JobFolder, MeshData
from backend.pipelines.silksong.preview import PREVIEW_FILE, GenerationPreview
from backend.pipelines.silksong.tokenizer import Salvage, decode, encode, mesh_so_far
from backend.pipelines.silksong.tokenizer.vocabulary import VOCABULARY_SIZE


def tokens_of(*meshes: trimesh.Trimesh) -> np.ndarray:
    return encode(trimesh.util.concatenate(meshes)).ids


def two_parts() -> np.ndarray:
    box = trimesh.creation.box()
    box.apply_translation([3, 0, 0])
    return tokens_of(trimesh.creation.icosphere(2), box)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), max_size=30), st.integers(0, 2**32 - 1), st.booleans())
def test_pieces_give_what_the_whole_gives(lengths: list[int], seed: int, damaged: bool) -> None:
    sequence, draw = two_parts(), np.random.default_rng(seed)
    if damaged:
        places = draw.integers(0, len(sequence), 20)
        sequence[places] = draw.integers(-1, VOCABULARY_SIZE, 20)
    salvage, at = Salvage(), 0
    for length in [*lengths, len(sequence)]:
        salvage.add(sequence[at : at + length])
        at = min(at + length, len(sequence))
        so_far, whole = mesh_so_far(salvage), decode(sequence[:at])
        assert np.array_equal(so_far.faces, whole.faces) and np.array_equal(so_far.cells, whole.cells)
    salvage.add(np.array([-1]))
    assert mesh_so_far(salvage).notes == decode(sequence).notes


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def rows_of(sequence: np.ndarray, per_report: int = 8) -> list[np.ndarray]:
    """Two rows at a time as the generator tells them; the second one has ended."""
    return [np.stack([part, np.full_like(part, -1)]) for part in np.split(sequence, range(per_report, len(sequence),
                                                                                          per_report))]


def test_it_grows_at_most_five_times_a_second(tmp_path: Path) -> None:
    folder, clock, sizes = JobFolder.create(tmp_path / "job"), Clock(), []

    def keep(file: str) -> None:
        sizes.append(len(MeshData.read(folder.outputs / file).faces))

    preview, sequence = GenerationPreview(folder, lambda positions: positions * 2, keep, clock), two_parts()
    reports = rows_of(sequence)
    for new in reports:
        clock.now += 0.02
        preview(new)
    assert 3 <= len(sizes) <= len(reports) * 0.02 * 5 + 1
    assert sizes == sorted(set(sizes)), "only what has grown"
    clock.now += 1
    preview(np.array([[-1], [-1]]))
    mesh = MeshData.read(folder.outputs / PREVIEW_FILE)
    vertices, faces = mesh.vertices, mesh.faces
    whole = decode(sequence)
    assert np.array_equal(faces, whole.faces) and np.array_equal(vertices, whole.vertices * 2)
    assert [path.name for path in folder.outputs.iterdir()] == [PREVIEW_FILE], "no draft is left"
    preview(np.array([[-1], [-1]]))
    assert sizes[-1] == len(faces) and len(sizes) == len(set(sizes))


def test_a_disk_that_takes_no_preview_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder, clock, told = JobFolder.create(tmp_path / "job"), Clock(), []
    (folder.outputs / "preview.npz").mkdir()  # where the file would be
    preview = GenerationPreview(folder, lambda positions: positions, told.append, clock)
    for new in rows_of(two_parts()):
        clock.now += 1
        preview(new)
    assert told == [] and "No preview" in caplog.text
