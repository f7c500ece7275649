# SPDX-License-Identifier: GPL-3.0-or-later
"""The published pipeline's options as golden runs record them, in our settings."""

from collections.abc import Mapping
from typing import Any

from backend.pipelines.flexisyncmvd.conditioning import ControlKind
from backend.pipelines.flexisyncmvd.noise_prediction import Guidance
from backend.pipelines.flexisyncmvd.schedule import ControlSchedule, SyncSchedule
from backend.pipelines.flexisyncmvd.settings import Sizes, TextureSettings

from .published.flexisyncmvd import PublishedRig

DEFAULTS = {
    "conditioning_scale": 0.7,
    "conditioning_scale_end": 0.9,
    "control_guidance_start": 0.0,
    "control_guidance_end": 0.99,
    "mvd_end": 0.8,
    "mvd_exp_start": 0.0,
    "mvd_exp_end": 6.0,
    "ref_attention_end": 0.2,
    "shuffle_bg_change": 0.4,
    "shuffle_bg_end": 0.8,
    "guidance_rescale": 0.0,
    "guess_mode": False,
    "ip_adapter_scale": 0.5,
}
"""What a run used whose file does not say."""

Config = Mapping[str, Any]


def options_of(config: Config) -> dict[str, Any]:
    """All options by their published names: the configuration's own `options`, its plain entries, the defaults."""
    return DEFAULTS | {name: config[name] for name in DEFAULTS if name in config} | dict(config.get("options") or {})


def rig_of(config: Config) -> PublishedRig:
    """From the azimuths if they are listed, or else from the poses, those of the top cameras last."""
    options = options_of(config)
    poses = config["poses"]
    azimuths = options.get("camera_azims", config.get("camera_azims"))
    if azimuths is None:
        azimuths = [azimuth for elevation, azimuth in poses if elevation == 0]
    without_top = options.get("no_top_cameras", config.get("no_top_cameras", len(poses) == len(azimuths)))
    return PublishedRig(tuple(map(float, azimuths)), top_cameras=not without_top)


def control_kind_of(config: Config) -> ControlKind:
    """The published name of tile control is `render`."""
    name = config.get("cond_type", "depth")
    return ControlKind.TILE if name == "render" else ControlKind(name)


def control_schedule_of(config: Config) -> ControlSchedule:
    options = options_of(config)
    names = ("conditioning_scale", "conditioning_scale_end", "control_guidance_start", "control_guidance_end")
    return ControlSchedule(*(options[name] for name in names))


def sync_schedule_of(config: Config) -> SyncSchedule:
    options = options_of(config)
    names = ("mvd_end", "mvd_exp_start", "mvd_exp_end", "ref_attention_end", "shuffle_bg_change", "shuffle_bg_end")
    return SyncSchedule(*(options[name] for name in names))


def settings_of(config: Config) -> TextureSettings:
    """TextureSettings of a recorded run; its color texture is as large as the latent one."""
    options = options_of(config)
    sizes = Sizes(config["latent_view"], config["tex"], config["rgb_view"], config["tex"])
    guidance = Guidance(config["guidance"], options["guidance_rescale"], options["guess_mode"])
    return TextureSettings(sizes, config["steps"], guidance, sync_schedule_of(config))
