# SPDX-License-Identifier: GPL-3.0-or-later
"""Rigs and schedules where ours differ from the published tables, which tests/parity compares."""



from backend.pipelines.flexisyncmvd.prompts import positive_direction
from backend.pipelines.flexisyncmvd.rig import CameraRig
from backend.pipelines.flexisyncmvd.schedule import (
    ControlSchedule,
    SyncSchedule,
    control_scales,
    ddpm_scheduler,
    plan_steps,
)
from tests.parity.published.flexisyncmvd import published_scales


def steps_of(count):
    scheduler = ddpm_scheduler()
    scheduler.set_timesteps(count)
    return plan_steps(scheduler.timesteps.tolist(), SyncSchedule())


def test_strength_of_controlnets_rises():
    timesteps = [step.timestep for step in steps_of(30)]
    ours = control_scales(ControlSchedule(0.7, 0.9), timesteps)
    assert ours[:-1] == sorted(ours[:-1])
    assert 0.7 <= ours[0] < 0.71 and 0.89 < ours[-2] <= 0.9
    assert ours[-1] == 0.0  # outside the window
    originals = published_scales(ControlSchedule(0.7, 0.9), timesteps)
    assert originals[1:-1] == sorted(originals[1:-1], reverse=True)


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
