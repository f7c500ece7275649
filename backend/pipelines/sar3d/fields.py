# SPDX-License-Identifier: GPL-3.0-or-later
"""What a triplane says of a point: density and color, or the signed distance, deformation and weights of FlexiCubes.

Module attributes carry the published tensor names.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from ...contract.reports import CountReport, ignore
from .token_layout import PLANES
from .triplane import first_layer_on_grid, sample_planes_on_grid, sample_triplane

COLOR_MARGIN = 0.001
"""How far colors may reach beyond [0, 1] before they are clipped."""
DENSITY_BOX = 0.9
"""Side of the cube that the planes cover in the density field's frame, which is the pipeline's own."""
FLEXICUBES_BOX = 2.0
"""Side of the same cube in the FlexiCubes field's frame."""
SDF_OFFSET = 0.5
CUBE_WEIGHT_SCALE = 0.1
CUBE_WEIGHTS = 21
GRID_POINTS_AT_ONCE = {"cuda": 1 << 19, "cpu": 1 << 17}
"""Points of a grid that one pass through a field's layers takes, by device. Any number gives the same values."""


def field_layers(channels: int, outputs: int, hidden: int, layers: int) -> nn.Sequential:
    """`layers` linear layers with ReLU between them, numbered as published."""
    widths = [channels, *[hidden] * (layers - 1), outputs]
    modules: list[nn.Module] = []
    for before, after in pairwise(widths):
        modules += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*modules[:-1])


def colors_of(raw: Tensor) -> Tensor:
    """Colors from a field's raw outputs: sRGB, a little beyond [0, 1] at the ends."""
    return raw.sigmoid() * (1 + 2 * COLOR_MARGIN) - COLOR_MARGIN


def on_grid(layers: nn.Sequential, triplane: Tensor, axis: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Outputs of a field's layers on the grid with `axis [n]` (plane coordinates), in slabs of x: [B, r, n, n, out]."""
    planes = sample_planes_on_grid(triplane, axis)
    first = cast(nn.Linear, layers[0])
    most = GRID_POINTS_AT_ONCE.get(triplane.device.type, GRID_POINTS_AT_ONCE["cpu"])
    height = max(most // (len(triplane) * len(axis) ** 2), 1)
    for start in range(0, len(axis), height):
        rows = slice(start, min(start + height, len(axis)))
        yield rows, layers[1:](first_layer_on_grid(planes, first, rows))


def fill_grid(layers: nn.Sequential, triplane: Tensor, axis: Tensor, on_slab: CountReport) -> Tensor:
    """The first output of a field's layers on a whole grid, `[B, n, n, n]`."""
    grid = triplane.new_empty(len(triplane), len(axis), len(axis), len(axis))
    for rows, values in on_grid(layers, triplane, axis):
        grid[:, rows] = values[..., 0]
        on_slab(rows.stop, len(axis))
    return grid


class Field(nn.Module):
    """What the fields share: the cube of side `box` around the origin that the planes cover."""

    def __init__(self, box: float):
        super().__init__()
        self.box = box

    def features(self, triplane: Tensor, points: Tensor) -> Tensor:
        """What `triplane [B, 3, C, H, W]` holds at `points [B, P, 3]` in the field's frame, [B, P, 3 C]."""
        return sample_triplane(triplane, points * (2 / self.box))


class DensityField(Field):
    """Density and color of a point of a triplane."""

    def __init__(self, plane_channels: int = 32, hidden: int = 64, layers: int = 4, box: float = DENSITY_BOX):
        super().__init__(box)
        self.net = field_layers(PLANES * plane_channels, 4, hidden, layers)

    def forward(self, triplane: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """Raw density `[B, P, 1]` and color `[B, P, 3]` at `points [B, P, 3]`."""
        values = self.net(self.features(triplane, points))
        return values[..., :1], colors_of(values[..., 1:])

    def colors(self, triplane: Tensor, points: Tensor) -> Tensor:
        """Color `[B, P, 3]` at `points [B, P, 3]`."""
        return self(triplane, points)[1]

    def density_grid(self, triplane: Tensor, axis: Tensor, on_slab: CountReport = ignore) -> Tensor:
        """Raw density `[B, n, n, n]`, indexed [x, y, z], on the grid with `axis [n]` on all axes."""
        return fill_grid(self.net, triplane, axis * (2 / self.box), on_slab)


class FlexiCubesField(Field):
    """Signed distance, deformation, color and the weights of a cube, of a point of a triplane."""

    def __init__(self, plane_channels: int = 32, hidden: int = 64, layers: int = 4, box: float = FLEXICUBES_BOX):
        super().__init__(box)
        features = PLANES * plane_channels
        self.net_sdf = field_layers(features, 1, hidden, layers)
        self.net_rgb = field_layers(features, 3, hidden, layers)
        self.net_deformation = field_layers(features, 3, hidden, layers)
        self.net_weight = field_layers(8 * features, CUBE_WEIGHTS, hidden, layers)

    def distance_grid(self, triplane: Tensor, axis: Tensor, on_slab: CountReport = ignore) -> Tensor:
        """Signed distance `[B, n, n, n]`, negative inside, indexed [x, y, z], on the grid with `axis [n]`."""
        return fill_grid(self.net_sdf, triplane, axis * (2 / self.box), on_slab).sigmoid() - SDF_OFFSET

    def deformation(self, features: Tensor) -> Tensor:
        """How far, as a share in (-1, 1) of the most allowed, grid points with `features [..., 3 C]` move, [..., 3]."""
        return self.net_deformation(features).tanh()

    def cube_weights(self, corner_features: Tensor) -> Tensor:
        """The raw weights `[N, 21]` of cubes with `corner_features [N, 8, 3 C]`."""
        return self.net_weight(corner_features.flatten(1)) * CUBE_WEIGHT_SCALE

    def colors(self, triplane: Tensor, points: Tensor) -> Tensor:
        """Color `[B, P, 3]` at `points [B, P, 3]`."""
        return colors_of(self.net_rgb(self.features(triplane, points)))


@torch.no_grad()
def flexicubes_from_density(density: DensityField, level: float) -> FlexiCubesField:
    """A FlexiCubes field with the surface that `density` has at `level`: where its training starts from.

    Trunk and colors are the density field's, the signed distance is `level` minus its density. Grid points do not move
    and cubes favor nothing.
    """
    linear = [layer for layer in density.net if isinstance(layer, nn.Linear)]
    hidden, features = linear[0].weight.shape
    field = FlexiCubesField(features // PLANES, hidden, len(linear)).to(linear[0].weight)
    trunk = density.net[:-1].state_dict()
    for net in (field.net_sdf, field.net_rgb, field.net_deformation):
        net[:-1].load_state_dict(trunk)
    last, sdf, rgb = linear[-1], cast(nn.Linear, field.net_sdf[-1]), cast(nn.Linear, field.net_rgb[-1])
    sdf.weight.copy_(-last.weight[:1])
    sdf.bias.copy_(level - last.bias[:1])
    rgb.weight.copy_(last.weight[1:])
    rgb.bias.copy_(last.bias[1:])
    for net in (field.net_deformation, field.net_weight):
        nn.init.zeros_(cast(nn.Linear, net[-1]).weight)
        nn.init.zeros_(cast(nn.Linear, net[-1]).bias)
    return field.requires_grad_(False)
