# SPDX-License-Identifier: GPL-3.0-or-later
"""FlexiSyncMVD's tables of prompts, rigs and schedules against the published ones."""

import re
from collections.abc import Iterator
from typing import Any

import torch

from backend.pipelines.flexisyncmvd.prompts import DIRECTIONS, negative_direction, positive_direction, suffix
from backend.pipelines.flexisyncmvd.rig import Pose
from backend.pipelines.flexisyncmvd.schedule import Palette, SamplingStep, ddpm_scheduler, plan_steps
from backend.pipelines.flexisyncmvd.sync_step import NoiseLevels

from .comparison import Comparison
from .flexisyncmvd_options import control_schedule_of, sync_schedule_of
from .golden import Golden
from .kinds import kind
from .published.flexisyncmvd import PublishedRig, published_scales, published_suffix
from .published.micro_batches import micro_batches

PALETTES = {"all": Palette.ALL, "all14": Palette.ALL, "black_white": Palette.BLACK_AND_WHITE,
            "unchanged": Palette.UNCHANGED}
TABLE = 1e-6
"""Values of a noise schedule in float32."""

Row = dict[str, Any]


@kind("flexisyncmvd", "tables")
def tables(golden: Golden) -> Iterator[Comparison]:
    """Every table of the file, each by the start of its name."""
    for name, table in golden.document.items():
        if name == "prompt_suffixes":
            yield from _suffixes(table)
        elif name == "prompt_by_pose":
            yield from _prompts(table)
        elif name == "rigs":
            for number, rig in enumerate(table):
                yield from _rig(f"rig {number}", rig)
        elif name.startswith("schedule"):
            yield from _schedule(name, table)
        else:
            yield Comparison(f"{name}: no table is known by this name", False, True)


def _suffixes(table: list[str]) -> Iterator[Comparison]:
    yield Comparison("prompt_suffixes", [published_suffix(direction) for direction in DIRECTIONS], table)
    yield Comparison("prompt_suffixes, ours", [suffix(direction) for direction in DIRECTIONS], ["", *table[1:]])


def _prompts(table: list[Row]) -> Iterator[Comparison]:
    for row in table:
        pose = Pose(row["elev"], row["azim"])
        sides = positive_direction(pose), negative_direction(pose)
        yield Comparison(f"prompts at {pose.elevation}, {pose.azimuth}", sides, (row["positive"], row["negative"]))


def _rig(name: str, table: Row) -> Iterator[Comparison]:
    rig = PublishedRig(tuple(map(float, table["azims"])), top_cameras=table["top"])
    yield Comparison(f"{name} poses", [[pose.elevation, pose.azimuth] for pose in rig.poses], table["poses"])
    yield Comparison(f"{name} neighbors", [list(views) for views in rig.neighbors], table["attention_mask"])
    yield Comparison(f"{name} front", [rig.front], table["ref_views"])
    groups = micro_batches(rig.neighbors, (rig.front,), table["max_batch"])
    listed = [[list(g.views), list(g.kept), [list(n) for n in g.neighbors], list(g.references)] for g in groups]
    yield Comparison(f"{name} groups", listed, table["groups(in,out,mask,ref)"])


def _schedule(name: str, table: Any) -> Iterator[Comparison]:
    """A list of rows, or rows with their options; strengths may be in the table's name."""
    rows, config = (table, {}) if isinstance(table, list) else (table["rows"], table)
    if named := re.search(r"scales_([\d.]+)_([\d.]+)", name):
        config = config | {"conditioning_scale": float(named[1]), "conditioning_scale_end": float(named[2])}
    scheduler = ddpm_scheduler()
    scheduler.set_timesteps(len(rows))
    steps = plan_steps(scheduler.timesteps.tolist(), sync_schedule_of(config))
    scales = published_scales(control_schedule_of(config), [step.timestep for step in steps])
    for number, (step, scale, row) in enumerate(zip(steps, scales, rows, strict=True)):
        palette = steps[number - 1].palette_after if number else Palette.ALL
        yield from _row(f"{name}, step {number}", step, scale, palette, row)


def _row(name: str, step: SamplingStep, scale: float, palette: Palette, row: Row) -> Iterator[Comparison]:
    yield Comparison(f"{name}, times", (step.index, step.timestep, step.previous), (row["i"], row["t"], row["prev_t"]))
    yield Comparison(f"{name}, sync", (step.synchronized, step.reference_weight), (row["sync"], row["ref_weight"]))
    yield Comparison(f"{name}, palette", palette, PALETTES[row["background_palette_used_in_this_step"]])
    levels = NoiseLevels.between(ddpm_scheduler().alphas_cumprod, step.timestep, step.previous)
    numbers = {
        "exp_nominal": step.exponent,
        "exp_used": step.exponent or 1.0,
        "alpha_bar": float(levels.alpha_bar),
        "alpha_bar_prev": float(levels.alpha_bar_previous),
        # The coefficients, as what a step makes of one of its three inputs alone.
        "coef_x0": levels.step(1.0, 0.0, 0.0),
        "coef_xt": levels.step(0.0, 1.0, 0.0),
        "sigma": levels.step(0.0, 0.0, 1.0),
    }
    known = [key for key in numbers if row.get(key) is not None]
    ours = torch.tensor([float(numbers[key]) for key in known])
    yield Comparison(f"{name}, numbers", ours, torch.tensor([float(row[key]) for key in known]), 5 * TABLE)
    strength = torch.tensor([scale, float(scale > 0)])
    expected = torch.tensor([row["controlnet_scale"] * row["keep"], float(row["keep"])])
    yield Comparison(f"{name}, strength", strength, expected, TABLE)
