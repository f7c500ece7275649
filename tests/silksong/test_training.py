# SPDX-License-Identifier: GPL-3.0-or-later
"""The training recipe: what it learns from, that it learns, and that a stopped run goes on as if it had not stopped."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from backend.command_line import main
from backend.contract import MeshData
from backend.geometry.mesh_files import NamedMesh, write_parts
from backend.pipelines.silksong.pipeline import SilksongPipeline
from backend.pipelines.silksong.tokenizer import decode
from backend.pipelines.silksong.tokenizer.vocabulary import BLOCK, OFFSET, VOCABULARY_SIZE
from backend.pipelines.silksong.training import export, metrics
from backend.pipelines.silksong.training.cleaning import RULE_11, CleaningRule, checked_tokens
from backend.pipelines.silksong.training.initialization import token_vectors
from backend.pipelines.silksong.training.learning import Curriculum, SilksongLearner, SilksongLearning
from backend.pipelines.silksong.training.pool import Pool, make_pool
from backend.pipelines.silksong.training.presets import PRESETS
from backend.pipelines.silksong.training.recipe import new_networks, train
from backend.pipelines.silksong.training.sources import DrawnObjects, TurnedMeshes
from backend.pipelines.silksong.training.surface_points import sample_points, with_noise
from backend.procedural.dataset import Split
from backend.procedural.low_poly_shapes import box, lathe, triangulated

SMOKE = PRESETS["smoke"]
SHORT = ["--preset", "smoke", "--steps", "4"]
FLAT = MeshData([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]])


@pytest.fixture(scope="module")
def pool() -> Pool:
    return make_pool(DrawnObjects(Split.TRAINING, 0), 12, SMOKE, 0)


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _box_corners() -> torch.Tensor:
    mesh = triangulated([box((2.0, 2.0, 2.0))])
    return torch.from_numpy(mesh.corners())[None].float()


def test_a_resumed_run_takes_the_same_steps_and_is_exported(tmp_path: Path) -> None:
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    assert train([*SHORT, "--out", str(whole)]) == 0
    assert train([*SHORT, "--out", str(halves), "--stop-at", "2"]) == 0
    assert train([*SHORT, "--out", str(halves), "--resume"]) == 0
    for name in ("weights", "average", "exp_avg_sq"):
        expected, actual = (load_file(run / "silksong" / f"{name}.safetensors") for run in (whole, halves))
        assert expected.keys() == actual.keys()
        assert all(torch.equal(expected[key], actual[key]) for key in expected), name
    assert (halves / "silksong" / "curves.png").stat().st_size > 1000

    weights, result = tmp_path / "weights", tmp_path / "metrics.json"
    assert export.main(["--preset", "smoke", "--run", str(halves), "--out", str(weights)]) == 0
    assert SilksongPipeline.from_pretrained(weights).max_tokens == SMOKE.transformer["max_tokens"]
    assert metrics.main(["--weights", str(weights), "--out", str(result), "--objects", "1", "--device", "cpu"]) == 0
    options = ["--preset", "smoke", "--run", str(halves), "--out", str(weights), "--metrics", str(result)]
    assert export.main(options) == 0
    assert "| distance mean |" in (weights / "README.md").read_text()

    _write_own_meshes(tmp_path / "own")
    tuned = ["--preset", "smoke", "--steps", "2", "--objects", "6", "--from", str(weights), "--out"]
    assert train([*tuned, str(tmp_path / "tuned"), "--meshes", str(tmp_path / "own")]) == 0
    before, after = (load_file(run / "silksong" / "average.safetensors") for run in (halves, tmp_path / "tuned"))
    assert any(not torch.equal(before[key].half().float(), after[key]) for key in before)
    drift = max(float((before[key] - after[key]).abs().max()) for key in before)
    assert drift < 0.05  # two small steps away from where it began


def test_what_cannot_be_trained_on_is_refused_in_clear_words(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    _write_own_meshes(tmp_path / "own")
    one_triangle = tmp_path / "flat"
    one_triangle.mkdir()
    write_parts(one_triangle / "flat.ply", [NamedMesh("flat", FLAT)])
    for options, words in (
        (["--meshes", str(tmp_path / "nowhere")], "holds no mesh to learn from"),
        (["--meshes", str(one_triangle)], "not tokenized"),
        (["--from", str(tmp_path / "own")], "holds no weights to begin from"),
    ):
        assert main(["train", "silksong", *SHORT, "--out", str(tmp_path / "out"), *options]) == 1
        assert words in capsys.readouterr().err


def _write_own_meshes(folder: Path) -> None:
    folder.mkdir()
    for number, height in enumerate((0.5, 1.0, 1.5)):
        mesh = triangulated([box((1.0, 1.0, height))])
        write_parts(folder / f"box{number}.ply", [NamedMesh("box", mesh)])
    (folder / "broken.obj").write_text("this is no mesh")


def test_time_limit_stops_before_the_first_step(tmp_path: Path) -> None:
    assert train([*SHORT, "--out", str(tmp_path), "--minutes", "0"]) == 0
    assert not (tmp_path / "silksong" / "state.json").exists()


def test_pool_holds_what_was_tokenized_and_is_read_only_for_the_same_run(pool: Pool, tmp_path: Path) -> None:
    for number in range(len(pool)):
        tokens = pool.tokens[pool.token_starts[number] : pool.token_starts[number + 1]]
        corners = pool.corners[pool.face_starts[number] : pool.face_starts[number + 1]].double().numpy()
        low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
        assert (high - low).max() == pytest.approx(1.9, abs=2e-3)
        decoded = decode(tokens.numpy())
        assert not decoded.notes
        assert np.abs(decoded.vertices.min(axis=0) - low).max() < 1 / 64
        assert np.abs(decoded.vertices.max(axis=0) - high).max() < 1 / 64
    pool.save(tmp_path / "pool.safetensors", "this")
    assert Pool.load(tmp_path / "pool.safetensors", "that") is None
    again = Pool.load(tmp_path / "pool.safetensors", "this")
    assert again is not None
    assert all(torch.equal(tensor, getattr(again, name)) for name, tensor in vars(pool).items())


def test_every_refusal_has_its_reason() -> None:
    lid = triangulated([lathe([(1.0, 0.0), (1.0, 1.0)], 12)])
    lenient = CleaningRule(fewest_faces=3, most_components=1, most_tokens=1000)
    assert checked_tokens(lid, lenient, 1.9)[1] == ""
    assert checked_tokens(lid, RULE_11, 1.9)[1] == ""
    assert checked_tokens(triangulated([box((1, 1, 1))]), RULE_11, 1.9)[1] == "too few faces"
    assert checked_tokens(lid, replace(lenient, most_tokens=10), 1.9)[1] == "too many tokens"
    two = triangulated([box((1, 1, 1)), box((1, 1, 1), (3, 0, 0))])
    assert checked_tokens(two, lenient, 1.9)[1] == "too many components"
    assert checked_tokens(FLAT, lenient, 1.9)[1].startswith("not tokenized")
    many = MeshData(lid.vertices, np.repeat(lid.faces, 500, axis=0))
    assert checked_tokens(many, lenient, 1.9)[1] == "too many faces"


def test_a_smaller_longest_side_shows_in_the_tokens() -> None:
    mesh = triangulated([box((1.0, 1.0, 1.0))])
    rule = CleaningRule(fewest_faces=3, most_components=1, most_tokens=1000)
    for side in (1.5, 1.9):
        vertices = decode(checked_tokens(mesh, rule, side)[0]).vertices
        assert np.ptp(vertices, axis=0) == pytest.approx(np.full(3, side), abs=1 / 64)


def test_copies_of_a_mesh_are_turned_about_the_up_axis() -> None:
    mesh = triangulated([box((1.0, 3.0, 2.0))])
    source = TurnedMeshes((mesh, FLAT), seed=0)
    first, third = source(0), source(2)
    assert len(source(1).faces) == 1
    assert np.ptp(first.vertices[:, 1]) == pytest.approx(3.0, rel=1e-5)
    assert first.volume == pytest.approx(mesh.volume, rel=1e-4)
    assert np.abs(first.vertices - third.vertices).max() > 0.01


def test_points_lie_on_the_surface_evenly_with_its_normals() -> None:
    corners = torch.cat([_box_corners(), torch.zeros(1, 12, 3, 3)])
    corners[1, 0] = torch.tensor([[0.0, 0.0, 5.0], [1.0, 0.0, 5.0], [0.0, 1.0, 5.0]])
    points = sample_points(corners, torch.tensor([12, 1]), 6000, _generator())
    places, normals = points[..., :3], points[..., 3:]
    assert torch.allclose(places[0].abs().amax(dim=1), torch.ones(6000), atol=1e-6)
    assert torch.allclose((places[0] * normals[0]).sum(dim=1), torch.ones(6000), atol=1e-6)
    shares = Counter(tuple(normal) for normal in normals[0].round().tolist())
    assert all(abs(count - 1000) < 150 for count in shares.values())
    assert len(shares) == 6
    assert (places[1, :, 2] == 5).all()
    assert (places[1, :, :2].sum(dim=1) <= 1).all()


def test_half_of_the_objects_get_noise() -> None:
    points = sample_points(_box_corners().expand(64, -1, -1, -1), torch.full((64,), 12), 500, _generator())
    plain = points.half().float()
    noisy = with_noise(points, 0.01, 0.3, _generator())
    moved = (noisy - plain)[..., :3].abs().amax(dim=(1, 2)) > 0
    assert 20 < int(moved.sum()) < 44
    assert (noisy - plain)[moved][..., :3].std() == pytest.approx(0.01, rel=0.05)
    assert torch.allclose(noisy[..., 3:].norm(dim=-1), torch.ones(64, 500), atol=2e-3)
    untilted = with_noise(points, 0.01, 0.0, _generator())
    assert (untilted[..., 3:] - plain[..., 3:]).abs().max() < 1e-3


def test_curriculum_goes_from_objects_alike_to_classes_alike() -> None:
    curriculum = Curriculum.of(torch.tensor([50] * 90 + [250] * 9 + [1000]))
    for balance, shares in ((0.0, (0.9, 0.09, 0.01)), (1.0, (1 / 3, 1 / 3, 1 / 3)), (0.5, (0.617, 0.212, 0.172))):
        drawn = curriculum.draw(6000, balance, _generator())
        counts = torch.tensor([(drawn < 90).sum(), ((drawn >= 90) & (drawn < 99)).sum(), (drawn == 99).sum()])
        assert torch.allclose(counts / 6000, torch.tensor(shares), atol=0.03), balance
    assert len(curriculum.draw(6000, 0.0, _generator()).unique()) == 100


def test_a_batch_holds_whole_sequences(pool: Pool) -> None:
    learning = SilksongLearning(pool, SMOKE, torch.device("cpu"), lambda: 0.5)
    points, tokens = learning.group(torch.tensor([2, 0]), _generator())
    assert points.shape == (2, SMOKE.points, 6)
    for row, number in zip(tokens, (2, 0), strict=True):
        expected = pool.tokens[pool.token_starts[number] : pool.token_starts[number + 1]].long()
        assert torch.equal(row[: len(expected)], expected)
        assert (row[len(expected) :] == -1).all()


def test_groups_change_nothing_of_the_loss(pool: Pool) -> None:
    torch.manual_seed(0)
    learner = SilksongLearner(*new_networks(SMOKE))
    learning = SilksongLearning(pool, SMOKE, torch.device("cpu"), lambda: 0.0)
    first, second = (learning.group(torch.tensor([number]), _generator(number)) for number in (0, 1))
    width = max(first[1].shape[1], second[1].shape[1])
    padded = [torch.nn.functional.pad(tokens, (0, width - tokens.shape[1]), value=-1) for _, tokens in (first, second)]
    together = learner([(torch.cat([first[0], second[0]]), torch.cat(padded))])
    assert learner([first, second]).item() == pytest.approx(together.item(), rel=1e-4)


def test_networks_learn_a_handful_of_objects(pool: Pool) -> None:
    torch.manual_seed(0)
    learner = SilksongLearner(*new_networks(SMOKE))
    learning = SilksongLearning(pool, replace(SMOKE, groups=(1.0,)), torch.device("cpu"), lambda: 0.0)
    optimizer = torch.optim.AdamW(learner.parameters(), lr=1e-2)
    losses = []
    for step in range(35):
        loss, terms = learning(learner, _generator(step))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert terms["tokens"] > SMOKE.stage.batch
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


def test_tokens_begin_alike_where_they_mean_alike() -> None:
    torch.manual_seed(0)
    vectors = token_vectors(64)
    assert vectors.shape == (VOCABULARY_SIZE, 64)
    offsets = vectors[OFFSET : OFFSET + 4096].view(16, 16, 16, 64)
    assert (offsets[4, 4, 4] @ offsets[4, 4, 5]) > (offsets[4, 4, 4] @ offsets[15, 12, 14]) + 0.2
    blocks = vectors[BLOCK:OFFSET].view(8, 8, 8, 64)
    assert (blocks[0, 0, 0] @ blocks[1, 0, 0]) > (blocks[0, 0, 0] @ blocks[7, 7, 7]) + 0.2


def test_starter_weights_fit_into_eight_megabytes() -> None:
    networks = new_networks(PRESETS["starter"])
    count = sum(parameter.numel() for network in networks for parameter in network.parameters())
    assert 2 * count < 7.9e6


def test_published_preset_is_the_published_configuration() -> None:
    with torch.device("meta"):
        conditioner, transformer = new_networks(PRESETS["published"])
    assert transformer.to_logits.weight.shape == (VOCABULARY_SIZE, 1024)
    assert conditioner.encoder.query.shape == (257, 768)
