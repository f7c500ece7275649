# SPDX-License-Identifier: GPL-3.0-or-later
"""FlexiSyncMVD's projection between views and texture as published, in dense torch.

It differs from ours in four ways (docs/algorithms/flexisyncmvd.md, section 4): nearest texels by jump flooding, an
epsilon in every division, a face of which a view shows one pixel counts as seen whole, and the chart of textures
taller than wide is shrunk.
"""

import torch
from torch import Tensor

from backend.geometry.projection import (
    Baked,
    Cameras,
    Fragments,
    UVMesh,
    dilate,
    rasterize,
    rasterize_views,
    view_texels,
)

EPSILON = 1e-8
VISIBILITY_SIZE = 512
"""Side of the images that decide which faces a view sees."""
UV_LAYERS = 5
"""Faces that a texel may show."""


def published_fragments(mesh: UVMesh, cameras: Cameras, size: int) -> Fragments:
    """What the views show, with an epsilon in the denominator of barycentrics."""
    fragments = rasterize_views(mesh, cameras, size)
    area = shown_areas(mesh, cameras, fragments)
    shrink = area / (area + EPSILON)
    return Fragments(fragments.face, fragments.barycentric * shrink[..., None], fragments.depth * shrink)


def shown_areas(mesh: UVMesh, cameras: Cameras, fragments: Fragments) -> Tensor:
    """Twice the area on the screen of the face that a pixel shows, float32 [V, H, W]; on the background of any face."""
    corners = torch.stack([screen[mesh.faces.long()] for screen in cameras.to_screen(mesh.vertices)])
    a, b, c = corners[..., :2].unbind(2)
    area = (c - a)[..., 0] * (b - a)[..., 1] - (c - a)[..., 1] * (b - a)[..., 0]
    return area.gather(1, fragments.face.clamp(min=0).flatten(1).long()).view(fragments.face.shape)


def jump_flood(seeds: Tensor) -> Tensor:
    """The nearest seed of every texel but for rare errors, int32 [..., H, W] linear indices; -1 without seeds.

    Steps halve from half the longer side down to 1. Neighbors are found on the linear index, so that they wrap from
    one row into the next, and two buffers alternate, each going on from what it held two steps before.
    """
    *_, height, width = seeds.shape
    texel = torch.arange(height * width, device=seeds.device)
    written = torch.where(seeds.reshape(-1, height * width), texel, -1)
    read = written.clone()
    step = max(height, width) // 2
    while step > 0:
        read, written = written, read
        best = _squared_distance(written, texel, width)
        for i in (-1, 0, 1):
            for j in (-1, 0, 1):
                source = texel + (i * width + j) * step
                inside = (source >= 0) & (source < len(texel))
                candidate = torch.where(inside, read[:, source.clamp(0, len(texel) - 1)], -1)
                distance = _squared_distance(candidate, texel, width)
                nearer = distance < best
                written, best = torch.where(nearer, candidate, written), torch.where(nearer, distance, best)
        step //= 2
    return written.int().view(seeds.shape)


def _squared_distance(seed: Tensor, texel: Tensor, width: int) -> Tensor:
    """From texels [H * W] to seeds [N, H * W]; infinitely far, 2^62, where the seed is -1."""
    rows, columns = seed // width - texel // width, seed % width - texel % width
    return torch.where(seed < 0, 1 << 62, rows**2 + columns**2)


def texture_plane(mesh: UVMesh, size: tuple[int, int]) -> Tensor:
    """World positions float32 [F * 3, 3] of every face's corners laid out in the texture, before a camera at +Z."""
    height, width = size
    u, v = mesh.corner_uvs().reshape(-1, 2).unbind(1)
    ratio = width / height
    across = u * ratio - (ratio / 2 - 0.5)
    depth = mesh.vertices[mesh.faces.long(), 2].reshape(-1)
    return 2 * torch.stack([across, v, depth], dim=1) - 1


def faces_in_texture(mesh: UVMesh, size: tuple[int, int]) -> Tensor:
    """The faces of every texel, int32 [at most 5, H, W]. Textures taller than wide have their chart too small."""
    x, y, z = texture_plane(mesh, size).unbind(1)
    corners = torch.arange(len(x), dtype=torch.int32).view(-1, 3)
    screen = torch.stack([-x, y, 2 - z], dim=1)
    return rasterize(screen, corners, size, cull=False, layers=UV_LAYERS).face


def visible_texels(mesh: UVMesh, cameras: Cameras, size: tuple[int, int], visibility_size: int) -> Tensor:
    """Texels of the faces that have a pixel in a view, grown by one texel, bool [V, H, W]."""
    layout = faces_in_texture(mesh, size).long() + 1
    shown = rasterize_views(mesh, cameras, visibility_size).face.flatten(1).long() + 1
    seen = torch.zeros(len(shown), len(mesh.faces) + 1, dtype=torch.bool)
    seen.scatter_(1, shown, True)
    seen[:, 0] = False
    return torch.stack([dilate(view[layout].any(dim=0)) for view in seen])


class PublishedProjector:
    """Stands where our `Projector` does: bakes views [V, C, S, S] into a texture [C, H, W], and renders it.

    Attributes:
        texels: int32 [V, S, S], the texel (row * W + column) that a pixel shows; -1 on the background.
        hits: int64 [V, H, W], how many pixels of each view show a texel.
        visible: bool [V, H, W].
        cosine: float32 [V, H, W], filled from the nearest hit texel if so wanted, as for latents.
        texture_size: H and W.
    """

    def __init__(
        self,
        mesh: UVMesh,
        cameras: Cameras,
        view_size: int,
        texture_size: int | tuple[int, int],
        *,
        fill_cosine: bool = True,
        visibility_size: int = VISIBILITY_SIZE,
    ) -> None:
        size = (texture_size, texture_size) if isinstance(texture_size, int) else texture_size
        self.texture_size = size
        self.texels, cosine = view_texels(mesh, cameras, published_fragments(mesh, cameras, view_size), size)
        self.visible = visible_texels(mesh, cameras, size, visibility_size)
        shown = self.texels.flatten(1)
        hits = torch.zeros(len(shown), size[0] * size[1] + 1, dtype=torch.long)
        hits.scatter_add_(1, shown.long() + 1, torch.ones_like(shown, dtype=torch.long))
        self.hits = hits[:, 1:].view(-1, *size)
        self._nearest = jump_flood(self.hits > 0).flatten(1).clamp(min=0).long()
        self.cosine = self._mean(cosine[:, None])[:, 0]
        if fill_cosine:
            self.cosine = self.cosine.flatten(1).gather(1, self._nearest).view(-1, *size)

    def _mean(self, views: Tensor) -> Tensor:
        """Mean over the pixels of each texel, [V, C, H, W]; 0 where a view has none."""
        channels, place = views.shape[1], self.texels.flatten(1).long() + 1
        sums = torch.zeros(len(views), channels, self.hits[0].numel() + 1)
        sums.scatter_add_(2, place[:, None].expand(-1, channels, -1), views.float().flatten(2))
        mean = 2 * sums[..., 1:] / (2 * self.hits.flatten(1)[:, None] + EPSILON)
        return mean.view(len(views), channels, *self.texture_size)

    def bake(self, views: Tensor, exponent: float) -> Baked:
        """The weighted mean of the views, filled everywhere; the exponent 0 counts as 1."""
        channels = views.shape[1]
        filled = self._mean(views).flatten(2).gather(2, self._nearest[:, None].expand(-1, channels, -1))
        weight = (self.visible * self.cosine ** (exponent or 1.0)).flatten(1)
        total = weight.sum(dim=0)
        texture = (weight[:, None] * filled).sum(dim=0) / (total + EPSILON)
        covered = (total > 0).view(self.texture_size)
        texture = texture[:, jump_flood(covered).flatten().clamp(min=0).long()]
        return Baked(texture.view(channels, *self.texture_size), total.view(self.texture_size))

    def render(self, texture: Tensor) -> Tensor:
        """Views [V, C + 1, S, S]; the last channel is alpha, and background pixels hold 1 in the others."""
        alpha = self.texels >= 0
        colors = texture.flatten(1)[:, self.texels.clamp(min=0).long()].transpose(0, 1)
        return torch.cat([torch.where(alpha[:, None], colors, 1.0), alpha[:, None].to(colors.dtype)], dim=1)
