# SPDX-License-Identifier: GPL-3.0-or-later
"""The final metrics of a set of weights on held-out meshes, through the very pipeline that artists use.

``python -m backend.pipelines.flexisyncmvd.training.metrics --weights FOLDER --out metrics.json``
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ....contract import MeshData, Request, Resources
from ....contract.parameter import Value
from ....geometry.projection import Projector, faces_in_texture
from ....procedural.dataset import Split
from ....training.metrics_file import build_metrics_parser, write_metrics
from ..checkpoint.pipeline import CheckpointPipelines
from ..job import settings_of
from ..pipeline import FlexiSyncMVDPipeline, TextureOutput
from ..rig import CameraRig
from ..schedule import SyncSchedule
from ..settings import Scene, TextureSettings
from ..spec import NEGATIVE_PROMPT, SPEC
from ..weight_sets import STARTER
from .captions import WORDINGS, caption
from .color_kinds import COLORS, hsv_of
from .evaluation import prompts
from .procedural_meshes import scene_of, unwrapped_object

logger = logging.getLogger(__name__)


class ViewsByThemselves(CameraRig):
    """The same cameras; no view looks at another."""

    @property
    def neighbors(self) -> tuple[tuple[int, ...], ...]:
        """Each view alone."""
        return tuple((index,) for index in range(len(self.poses)))


@dataclass(frozen=True)
class Case:
    """One prompt with the object that it is for."""

    color: str
    prompt: str
    mesh: MeshData


def cases(count: int, seed: int) -> list[Case]:
    """Prompts of all colors, each with another held-out object."""
    return [
        Case(color, caption(color, material, family, WORDINGS[0], ""),
             unwrapped_object(Split.HELD_OUT, family, number, seed))
        for number, (color, material, family) in enumerate(prompts(count))
    ]


def color_share(texture: Tensor, scene: Scene, color: str) -> float:
    """Share of the texels that the mesh uses whose color is of the asked kind; texture [3, H, W]."""
    height, width = texture.shape[1:]
    used = (faces_in_texture(scene.mesh, (height, width), layers=1) >= 0)[0]
    return float(COLORS[color].holds(hsv_of(texture))[used].float().mean())


def difference_between_views(views: Tensor, scene: Scene, texture: int = 256) -> float:
    """Mean absolute difference, of 1, of what views [V, 3, S, S] show at a texel from the mean of all that show it."""
    projector = Projector.build(scene.mesh, scene.cameras, views.shape[-1], texture, fill_cosine=False)
    shown = torch.zeros(len(views), 4, texture * texture, device=views.device)
    texels, mask = projector.texels.flatten(1).long().clamp(min=0), projector.mask.flatten(1)
    values = torch.cat([views, torch.ones_like(views[:, :1])], dim=1).flatten(2) * mask[:, None]
    shown.scatter_add_(2, texels[:, None].expand(-1, 4, -1), values)
    seen = shown[:, 3] > 0
    colors = shown[:, :3] / shown[:, 3:].clamp(min=1)
    together = seen.sum(dim=0) >= 2
    mean = (colors * seen[:, None]).sum(dim=0) / seen.sum(dim=0).clamp(min=1)
    apart = (colors - mean).abs().mean(dim=1)
    return float(apart[seen & together].mean())


def texture(
    pipeline: FlexiSyncMVDPipeline, scene: Scene, case: Case, settings: TextureSettings, seed: int
) -> tuple[TextureOutput, float]:
    """Paint one case; also the seconds that it took."""
    began = time.perf_counter()
    with torch.inference_mode():
        output = pipeline(scene, case.prompt, settings, NEGATIVE_PROMPT, seed=seed)
        output.texture.cpu()
    return output, time.perf_counter() - began


def metrics_of_one(
    pipeline: FlexiSyncMVDPipeline, case: Case, settings: TextureSettings, fill: float, seed: int, device: str
) -> tuple[dict[str, float | int | str], TextureOutput]:
    """Texture one object with its views together and with each alone, and compare."""
    scene = scene_of(case.mesh, CameraRig(), fill, device)
    output, seconds = texture(pipeline, scene, case, settings, seed)
    by_itself = replace(settings, schedule=SyncSchedule(sync_end=0.0, reference_end=0.0))
    alone, _ = texture(pipeline, replace(scene, rig=ViewsByThemselves()), case, by_itself, seed)
    return {
        "prompt": case.prompt,
        "faces": len(case.mesh.faces),
        "color_share": color_share(output.texture, scene, case.color),
        "difference_together": difference_between_views(output.views, scene),
        "difference_alone": difference_between_views(alone.views, scene),
        "seconds": seconds,
    }, output


def summary(rows: Sequence[Mapping[str, float | int | str]]) -> dict[str, float]:
    """The metrics of the model card."""
    shares, together, alone, seconds = (
        np.array([row[name] for row in rows], float)
        for name in ("color_share", "difference_together", "difference_alone", "seconds")
    )
    return {
        "prompts": len(rows),
        "color_share_mean": float(shares.mean()),
        "color_share_least": float(shares.min()),
        "prompts_with_80_percent": float((shares >= 0.8).sum()),
        "difference_together": float(together.mean()),
        "difference_alone": float(alone.mean()),
        "prompts_nearer_together": float((together < alone).sum()),
        "seconds_mean": float(seconds.mean()),
        "seconds_largest": float(seconds.max()),
    }


def starter_settings(device: str, options: Mapping[str, Value] = STARTER.parameter_defaults or {}) -> TextureSettings:
    """The settings of a job with the set's own defaults, and with ``options`` in their place."""
    chosen = {**(STARTER.parameter_defaults or {}), **options}
    parameters = SPEC.task("texture").validated(chosen)
    request = Request("metrics", "texture", SPEC.name, STARTER.name, "mesh", 0, parameters, {"mesh": ("mesh.npz",)})
    return settings_of(request, 1, Resources(device=device))


def build_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = build_metrics_parser("a FlexiSyncMVD set of weights, with an image of the views next to the file")
    parser.add_argument("--prompts", type=int, default=20)
    parser.add_argument("--steps", type=int, help="in place of the set's own")
    parser.add_argument("--guidance", type=float, help="in place of the set's own")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Write the metrics of every prompt and their summary."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    chosen = {"steps": options.steps, "guidance_scale": options.guidance}
    settings = starter_settings(options.device, {name: value for name, value in chosen.items() if value is not None})
    pipelines = CheckpointPipelines(STARTER, options.weights, Resources(device=options.device))
    pipeline = pipelines.pipeline(controls=[kind.value for kind in settings.controls])
    fill = float(SPEC.task("texture").validated({})["mesh_scale"])
    rows, strips = [], []
    for number, case in enumerate(cases(options.prompts, options.seed)):
        row, output = metrics_of_one(pipeline, case, settings, fill, number, options.device)
        rows.append(row)
        strips.append(torch.cat(list(output.views), dim=2))
        logger.info("%3d %s", number, row)
    image = (torch.cat(strips, dim=1).permute(1, 2, 0).cpu().numpy() * 255).round().astype(np.uint8)
    Image.fromarray(image).save(options.out.with_suffix(".jpg"))
    texture = settings.sizes.texture
    used = {
        "steps": settings.steps, "guidance": settings.guidance.scale, "view": 8 * settings.sizes.latent_view,
        "texture": texture if isinstance(texture, int) else texture[0], "seed": options.seed, "device": options.device,
    }
    write_metrics(options.out, used, summary(rows), rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
