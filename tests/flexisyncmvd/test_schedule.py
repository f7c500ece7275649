# SPDX-License-Identifier: GPL-3.0-or-later
"""Rigs, prompts of poses and schedules against the published pipeline's tables; what we do right where it is wrong."""

import json
from pathlib import Path

import pytest

from backend.pipelines.flexisyncmvd.prompts import DIRECTIONS, negative_direction, positive_direction, suffix
from backend.pipelines.flexisyncmvd.rig import CameraRig, Pose
from backend.pipelines.flexisyncmvd.schedule import (
    ControlSchedule,
    Palette,
    SyncSchedule,
    control_scales,
    ddpm_scheduler,
    plan_steps,
)
from backend.pipelines.flexisyncmvd.sync_step import NoiseLevels
from tests.flexisyncmvd.micro_batches import micro_batches

TABLES = json.loads((Path(__file__).parent / "tables.json").read_text("utf-8"))
SCHEDULES = [name for name in TABLES if name.startswith("schedule")]
PALETTES = {"all": Palette.ALL, "all14": Palette.ALL, "black_white": Palette.BLACK_AND_WHITE,
            "unchanged": Palette.UNCHANGED}


def steps_of(rows):
    scheduler = ddpm_scheduler()
    scheduler.set_timesteps(len(rows))
    return plan_steps(scheduler.timesteps.tolist(), SyncSchedule())


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name):
    rows = TABLES[name]
    steps, alphas = steps_of(rows), ddpm_scheduler().alphas_cumprod
    control = ControlSchedule(0.3, 0.7) if "0.3_0.7" in name else ControlSchedule()
    scales = control_scales(control, [step.timestep for step in steps], reference=True)
    for before, step, scale, row in zip([None, *steps], steps, scales, rows, strict=False):
        assert (step.index, step.timestep, step.previous) == (row["i"], row["t"], row["prev_t"])
        assert (step.synchronized, step.reference_weight) == (row["sync"], row["ref_weight"])
        assert step.exponent == pytest.approx(row["exp_nominal"])
        assert scale == pytest.approx(row["controlnet_scale"] * row["keep"])
        palette = before.palette_after if before else Palette.ALL
        assert palette is PALETTES[row["background_palette_used_in_this_step"]]
        levels = NoiseLevels.between(alphas, step.timestep, step.previous)
        assert levels.alpha_bar == pytest.approx(row["alpha_bar"])
        assert levels.alpha_bar_previous == pytest.approx(row["alpha_bar_prev"])
        # The coefficients, as what a step makes of one of its three inputs alone.
        assert levels.step(1.0, 0.0, 0.0) == pytest.approx(row["coef_x0"], rel=1e-4)
        assert levels.step(0.0, 1.0, 0.0) == pytest.approx(row["coef_xt"], rel=1e-4, abs=1e-7)
        assert levels.step(0.0, 0.0, 1.0) == pytest.approx(row["sigma"], rel=1e-4)


def test_strength_of_controlnets_rises_unless_the_original_is_asked_for():
    timesteps = [step.timestep for step in steps_of(range(30))]
    ours = control_scales(ControlSchedule(0.7, 0.9), timesteps)
    assert ours[:-1] == sorted(ours[:-1])
    assert 0.7 <= ours[0] < 0.71 and 0.89 < ours[-2] <= 0.9
    assert ours[-1] == 0.0  # outside the window
    originals = control_scales(ControlSchedule(0.7, 0.9), timesteps, reference=True)
    assert originals[1:-1] == sorted(originals[1:-1], reverse=True)


@pytest.mark.parametrize("table", TABLES["rigs"], ids=lambda table: f"{len(table['azims'])}-{table['max_batch']}")
def test_rigs(table):
    rig = CameraRig(tuple(map(float, table["azims"])), top_cameras=table["top"], reference=True)
    assert [[pose.elevation, pose.azimuth] for pose in rig.poses] == table["poses"]
    assert [list(views) for views in rig.neighbors] == table["attention_mask"]
    assert [rig.front] == table["ref_views"]
    groups = micro_batches(rig.neighbors, (rig.front,), table["max_batch"])
    listed = [[list(g.views), list(g.kept), [list(n) for n in g.neighbors], list(g.references)] for g in groups]
    assert listed == table["groups(in,out,mask,ref)"]


def test_the_front_is_what_is_nearest_to_it():
    assert CameraRig((-10.0, 80.0, 170.0, 260.0)).front == 0
    assert CameraRig().front == 4


def test_even_rigs():
    assert CameraRig(CameraRig.even(8)) == CameraRig()
    assert CameraRig(CameraRig.even(6)).azimuths == (-180.0, -120.0, -60.0, 0.0, 60.0, 120.0)


def test_cameras_above_and_below_look_at_front_and_back():
    rig = CameraRig((0.0, 90.0, 180.0, 270.0), 10.0, bottom_cameras=True, height=60.0)
    assert [pose.elevation for pose in rig.poses] == [10.0] * 4 + [60.0, 60.0, -60.0, -60.0]
    assert [pose.azimuth for pose in rig.poses[4:]] == [0.0, 180.0] * 2
    assert rig.neighbors[4:] == ((0, 4), (2, 5), (0, 6), (2, 7))
    assert [positive_direction(pose) for pose in rig.poses[4:]] == ["top", "top", "bottom", "bottom"]
    below = CameraRig((0.0, 90.0, 180.0, 270.0), top_cameras=False, bottom_cameras=True)
    assert below.neighbors[4:] == ((0, 4), (2, 5))


def test_prompts_of_poses():
    assert [suffix(direction, reference=True) for direction in DIRECTIONS] == TABLES["prompt_suffixes"]
    assert suffix("") == "" and suffix("back") == ", back view."
    for row in TABLES["prompt_by_pose"]:
        pose = Pose(row["elev"], row["azim"])
        assert (positive_direction(pose), negative_direction(pose)) == (row["positive"], row["negative"]), pose
