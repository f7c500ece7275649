# SPDX-License-Identifier: GPL-3.0-or-later
"""The token loop: streaming, ends, prompts, cancel, and the pipeline around it."""

import numpy as np
import pytest
import torch

from backend.contract import BadInput
from backend.pipelines.common.finiteness import NotFiniteError
from backend.pipelines.silksong.decoding import CHUNK
from backend.pipelines.silksong.generation import TOKENS_PER_REPORT, TokenGenerator, cache_length, generate
from backend.pipelines.silksong.pipeline import SilksongPipeline
from backend.pipelines.silksong.point_sampling import sample_condition_points
from backend.pipelines.silksong.tokenizer import vocabulary
from tests.silksong.tiny_networks import random_condition, tiny_pipeline, tiny_transformer

TETRAHEDRON = (
    np.array([[0.95, 0, 0], [-0.95, 0, 0], [0, 0.9, 0], [0, 0.3, 0.9]]),
    np.array([[0, 1, 2], [0, 1, 3], [1, 2, 3], [0, 2, 3]]),
)


class Cancelled(Exception):
    pass


def test_greedy_tokens_are_those_of_the_whole_network():
    transformer, condition = tiny_transformer(), random_condition(2)
    rows = generate(transformer, condition, do_sample=False, max_new_tokens=20)
    for row, tokens in enumerate(rows):
        logits = transformer(torch.tensor(tokens)[None], condition[row : row + 1])[0]
        assert logits.argmax(-1)[: len(tokens)].tolist() == tokens.tolist()


def test_a_row_ends_at_its_end_token_and_the_run_when_all_have():
    """The bias makes the end likely, so that rows end at different lengths."""
    transformer = tiny_transformer()
    transformer.to_logits.bias[vocabulary.END] = 4.5
    streamed, condition = [], random_condition(6)
    rows = generate(transformer, condition, temperature=1, max_new_tokens=250, streamer=streamed.append)
    lengths = [len(row) for row in rows]
    assert len(set(lengths)) > 1 and max(lengths) < 250
    assert not any((row == vocabulary.END).any() for row in rows)
    together = np.concatenate(streamed, axis=1)
    assert together.shape[1] <= max(lengths) + TOKENS_PER_REPORT
    for row, tokens in zip(together, rows, strict=True):
        assert row[: len(tokens)].tolist() == tokens.tolist()
        assert (row[len(tokens) :] == -1).all()


def test_the_streamer_is_told_every_token_once_and_in_small_parts():
    streamed, told = [], []
    generator = TokenGenerator(tiny_transformer(), 2, 45)
    rows = generator.run(random_condition(2), streamer=streamed.append, report=lambda *step: told.append(step))
    assert max(part.shape[1] for part in streamed) <= TOKENS_PER_REPORT
    together = np.concatenate(streamed, axis=1)
    assert [row[row >= 0].tolist() for row in together] == [row.tolist() for row in rows]
    assert [done for done, _ in told] == np.cumsum([part.shape[1] for part in streamed]).tolist()
    assert {of for _, of in told} == {45}


def test_a_prompt_is_kept_and_continued():
    transformer, condition = tiny_transformer(), random_condition(1)
    first = generate(transformer, condition, max_new_tokens=30, seed=3)[0]
    again = generate(transformer, condition, max_new_tokens=20, seed=3, prompt=torch.tensor(first[:10]))[0]
    assert again.tolist() == first.tolist()
    other = generate(transformer, condition, max_new_tokens=20, seed=3, prompt=torch.tensor([0, 1, 2]))[0]
    assert other[:3].tolist() == [0, 1, 2] and other.tolist() != first[:23].tolist()


def test_one_generator_serves_many_runs():
    generator = TokenGenerator(tiny_transformer(), 2, 40)
    first, other, again = (generator.run(random_condition(1), seed) for seed in (0, 1, 0))
    assert [row.tolist() for row in first] == [row.tolist() for row in again]
    assert [row.tolist() for row in first] != [row.tolist() for row in other]


def test_a_report_that_raises_ends_the_run_within_sixteen_tokens():
    told = []

    def cancel(done: int, _of: int) -> None:
        told.append(done)
        if done >= 20:
            raise Cancelled

    with pytest.raises(Cancelled):
        TokenGenerator(tiny_transformer(), 1, 200).run(random_condition(1), report=cancel)
    assert told[-1] <= 20 + 16


def test_the_cache_is_read_as_far_as_needed_and_at_few_lengths():
    capacity = 80 * CHUNK
    lengths = [cache_length(position, capacity) for position in range(capacity)]
    assert all(position < length <= capacity for position, length in enumerate(lengths))
    assert all(length % CHUNK == 0 for length in lengths)
    assert lengths == sorted(lengths)
    assert len(set(lengths)) <= 12
    assert np.mean(np.array(lengths) - np.arange(capacity)) < 0.11 * capacity


def test_pipeline_from_mesh_to_tokens():
    pipeline, stages, streamed = tiny_pipeline(), [], []
    tokens = pipeline(
        *TETRAHEDRON, variants=3, seed=1, max_tokens=40, progress=lambda *step: stages.append(step),
        streamer=streamed.append,
    )
    assert len(tokens) == 3 and len({row.tobytes() for row in tokens}) == 3
    assert all(row.dtype == np.int64 and 9 <= len(row) <= 40 for row in tokens)
    assert stages[0] == ("points", 1, 1) and stages[1] == ("condition", 1, 1)
    assert [stage[1] for stage in stages[2:]] == np.cumsum([part.shape[1] for part in streamed]).tolist()
    single = pipeline(*TETRAHEDRON, seed=1, max_tokens=40)
    assert single[0].tolist() == tokens[0].tolist()


def test_a_row_is_the_same_in_every_company():
    """On a CPU: a surface's variants come out the same alone, beside other surfaces, and in smaller passes."""
    pipeline, variants, told = tiny_pipeline(), 2, []
    surfaces = torch.stack([sample_condition_points(TETRAHEDRON[0] * size, TETRAHEDRON[1]) for size in (1, 0.8, 0.6)])
    options = {"variants": variants, "seed": 5, "max_tokens": 60, "temperature": 1}
    alone = [row for points in surfaces for row in pipeline(points=points, **options)]
    assert len({row.tobytes() for row in alone}) == 6, "all of them differ"
    together = pipeline(points=surfaces, **options)
    passes = pipeline(points=surfaces, rows_at_once=4, progress=lambda *step: told.append(step), **options)
    backwards = pipeline(points=surfaces.flip(0), **options)
    for expected, *others in zip(alone, together, passes, [*backwards[4:], *backwards[2:4], *backwards[:2]],
                                 strict=True):
        assert all(row.tolist() == expected.tolist() for row in others)
    done = [step for stage, step, _ in told if stage == "tokens"]
    assert done == sorted(done) and done[-1] <= told[-1][2] == 2 * 60, "two passes are one stage"


def test_a_generator_serves_shared_and_own_conditions():
    generator, conditions = TokenGenerator(tiny_transformer(), 3, 40), random_condition(3)
    own = generator.run(conditions, [7, 8, 7])
    shared = [generator.run(condition[None], [7, 8, 7]) for condition in conditions]
    assert [row.tolist() for row in own] == [shared[row][row].tolist() for row in range(3)]
    assert own[0].tolist() != own[2].tolist() and shared[0][0].tolist() == shared[0][2].tolist()


def test_pipeline_survives_its_folder(tmp_path):
    """Also after a run, which fuses weights."""
    pipeline = tiny_pipeline()
    before = pipeline(*TETRAHEDRON, max_tokens=30)
    pipeline.save_pretrained(tmp_path)
    after = SilksongPipeline.from_pretrained(tmp_path)(*TETRAHEDRON, max_tokens=30)
    assert [row.tolist() for row in before] == [row.tolist() for row in after]


def test_bad_surfaces_are_refused():
    pipeline = tiny_pipeline()
    vertices, faces = TETRAHEDRON
    for wrong in ((vertices, faces[:0]), (vertices * 0, faces), (vertices * np.nan, faces)):
        with pytest.raises(BadInput):
            pipeline(*wrong, max_tokens=20)
    for points in (torch.zeros(5, 3), torch.zeros(0, 6), torch.zeros(0, 9, 6), torch.full((9, 6), torch.nan)):
        with pytest.raises(BadInput):
            pipeline(points=points, max_tokens=20)


def test_damaged_weights_are_named():
    pipeline = tiny_pipeline()
    pipeline.conditioner.cond_proj.bias[0] = torch.nan
    with pytest.raises(NotFiniteError):
        pipeline(*TETRAHEDRON, max_tokens=20)
